// What an uplink shows to its cloud to be let in, and when it needs something fresh.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "bridge/settings.hpp"

namespace ferrule::bridge {

struct Credentials {
  std::string password;
  std::optional<std::chrono::seconds> lifetime;  ///< left of it; empty: for ever, or unknown
};

/// Made for each connection: the password as it stands in the configuration, or in its file, or as a shared access
/// signature for Azure. Unexpected: what a person can act upon.
tl::expected<Credentials, std::string> make_credentials(const UplinkSettings& settings,
                                                        std::chrono::system_clock::time_point now);

/// `SharedAccessSignature sr=..&sig=..&se=..` (Azure, "Control access to IoT Hub with SAS"). `key`: as Azure gives it,
/// in base64; empty when it is not.
std::optional<std::string> shared_access_signature(const std::string& resource, const std::string& key,
                                                   const std::string& policy, std::int64_t expires);

/// `exp` of a JSON Web Token (RFC 7519 4.1.4), seconds since 1970; empty when it is none or has none. The signature is
/// the cloud's to check.
std::optional<std::int64_t> expiry_of_token(std::string_view token);

/// When a connection is to be replaced by one with fresh credentials: at 80 % of their life, or soon after one of their
/// files changed. On the monotonic clock: a clock that jumps does not end a connection.
class Renewal {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Never.
  Renewal() = default;
  /// For a connection that begins `now`.
  Renewal(const UplinkSettings& settings, std::optional<std::chrono::seconds> lifetime, Time now);

  /// True once.
  bool due(Time now);
  Time next() const { return next_; }  ///< when to call `due` again

 private:
  std::vector<std::string> stamps() const;

  std::vector<std::filesystem::path> files_;
  std::vector<std::string> stamps_;
  Time ends_ = Time::max(), next_ = Time::max();
};

}  // namespace ferrule::bridge
