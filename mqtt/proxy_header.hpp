// The header with which a proxy says whose connection it forwards: PROXY protocol, version 2.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "mqtt/address.hpp"

namespace ferrule::mqtt {

/// Gets the header's bytes and no others, so that what follows (TLS, MQTT, HTTP) stays in the socket. Does no I/O.
///   0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A | version, command | family | length (2) | addresses | TLVs, ignored
class ProxyHeader {
 public:
  static constexpr std::size_t kMost = 4096;  ///< bytes

  std::size_t wanted() const { return wanted_ - bytes_.size(); }  ///< bytes still missing; 0: complete
  /// At most `wanted()` bytes. An error says what is wrong, e.g. "PROXY protocol version 1".
  tl::expected<void, std::string> feed(std::string_view bytes);
  /// Once complete: the client's address; nothing when the proxy speaks for itself (LOCAL) or does not know.
  const std::optional<Address>& source() const { return source_; }

 private:
  tl::expected<void, std::string> check_start() const;
  tl::expected<void, std::string> read_addresses();

  std::string bytes_;
  std::size_t wanted_ = 16;
  std::optional<Address> source_;
};

}  // namespace ferrule::mqtt
