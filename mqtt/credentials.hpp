// What a user proves its identity with, as the broker keeps it: never the password itself.
#pragma once

#include <optional>
#include <string_view>

#include "mqtt/password_hash.hpp"
#include "mqtt/scram.hpp"

namespace ferrule::mqtt {

/// Immutable once filled in; any thread.
struct Credentials {
  std::optional<PasswordHash> hash;
  std::optional<ScramKeys> scram;  ///< without them the user cannot log in by SCRAM

  /// Of a password that stands in a secrets file: the fewest SCRAM iterations, since it can be read there anyway. Some
  /// 2 ms.
  static Credentials of_secret(std::string_view password);

  bool empty() const { return !hash && !scram; }
  bool verify(std::string_view password) const;  ///< slow; false when empty
};

}  // namespace ferrule::mqtt
