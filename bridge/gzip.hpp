// Payloads that take fewer bytes on the way to the cloud.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ferrule::bridge {

/// As gzip (RFC 1952); empty when that does not save anything.
std::optional<std::string> gzipped(std::string_view payload);

}  // namespace ferrule::bridge
