// The few cryptographic primitives that logins need. Bytes are std::string throughout.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferrule::mqtt {

std::string sha256(std::string_view bytes);                             ///< 32 bytes
std::string sha512(std::string_view bytes);                             ///< 64 bytes
std::string hmac_sha256(std::string_view key, std::string_view bytes);  ///< 32 bytes
/// PBKDF2 (RFC 8018); `iterations` >= 1. Any thread.
std::string pbkdf2_sha256(std::string_view password, std::string_view salt, std::uint32_t iterations);  ///< 32 bytes
std::string pbkdf2_sha512(std::string_view password, std::string_view salt, std::uint32_t iterations);  ///< 64 bytes

/// Not to be guessed. Throws std::runtime_error when the system has no entropy.
std::string random_bytes(std::size_t count);

std::string to_base64(std::string_view bytes);
/// Strict: the standard alphabet, padded, nothing else; nullopt otherwise.
std::optional<std::string> from_base64(std::string_view text);

/// Takes the same time wherever two strings of one length differ.
bool same_bytes(std::string_view a, std::string_view b);
/// Overwrites what a secret leaves in memory, and empties it.
void wipe(std::string& secret);

}  // namespace ferrule::mqtt
