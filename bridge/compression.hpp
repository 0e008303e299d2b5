// Payloads that take fewer bytes on the way to the cloud.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferrule::bridge {

enum class Compression : std::uint8_t { None, Gzip, Zstd };

std::string_view name(Compression compression);  ///< as in the user property `content-encoding`

/// As gzip (RFC 1952) or Zstandard (RFC 8878); empty when that does not save anything.
std::optional<std::string> compressed(Compression compression, std::string_view payload);

}  // namespace ferrule::bridge
