#include "mqtt/password_hash.hpp"

#include <argon2.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <new>
#include <optional>
#include <vector>

#include "mqtt/crypto.hpp"

namespace ferrule::mqtt {

namespace {

// What `argon2id` writes.
constexpr std::uint32_t kMemoryKib = 19456, kPasses = 2, kLanes = 1;
constexpr std::size_t kSaltBytes = 16, kHashBytes = 32;

// What `parse` takes at most.
constexpr std::uint32_t kMostMemoryKib = 256 * 1024, kMostPasses = 50, kMostLanes = 16, kMostIterations = 2'000'000;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "m=19456" -> 19456
std::optional<std::uint32_t> parameter(std::string_view text, std::string_view name) {
  if (!text.starts_with(name)) return std::nullopt;
  return number(text.substr(name.size()));
}

bool is_unpadded_base64(std::string_view text, std::size_t min_bytes, std::size_t max_bytes) {
  const auto padded = std::string(text) + std::string((4 - text.size() % 4) % 4, '=');
  const auto bytes = from_base64(padded);
  return bytes && text.find('=') == std::string_view::npos && bytes->size() >= min_bytes && bytes->size() <= max_bytes;
}

// The parts of "$id$a$b" are "", "id", "a", "b".
using Parts = std::vector<std::string_view>;

std::optional<std::string> fault_in_argon2id(const Parts& parts) {
  if (parts.size() != 6 || parts[2] != "v=19") return "is not of the form $argon2id$v=19$m=..,t=..,p=..$SALT$HASH";
  const auto costs = split(parts[3], ',');
  if (costs.size() != 3) return "needs three costs: m=..,t=..,p=..";
  const auto memory = parameter(costs[0], "m="), passes = parameter(costs[1], "t="), lanes = parameter(costs[2], "p=");
  if (!memory || !passes || !lanes || *passes == 0 || *lanes == 0 || *memory < 8 * *lanes) {
    return "has costs that are no numbers or too small: m=..,t=..,p=..";
  }
  if (*memory > kMostMemoryKib || *passes > kMostPasses || *lanes > kMostLanes) {
    return "costs too much: at most m=262144,t=50,p=16";
  }
  if (!is_unpadded_base64(parts[4], 8, 64) || !is_unpadded_base64(parts[5], 16, 64)) {
    return "has a salt or a hash that is no base64 or of a wrong length";
  }
  return std::nullopt;
}

std::optional<std::string> fault_in_sha512(std::string_view salt, std::string_view hash) {
  const auto bytes = from_base64(salt);
  const auto digest = from_base64(hash);
  if (!bytes || bytes->empty() || bytes->size() > 64 || !digest || digest->size() != 64) {
    return "has a salt or a hash that is no base64 or of a wrong length";
  }
  return std::nullopt;
}

std::optional<std::string> fault_in(const Parts& parts) {
  const auto kind = parts.size() > 1 && parts[0].empty() ? parts[1] : std::string_view{};
  if (kind == "argon2id") return fault_in_argon2id(parts);
  if (kind == "7") {
    const auto iterations = parts.size() == 5 ? number(parts[2]) : std::nullopt;
    if (!iterations || *iterations == 0) return "is not of the form $7$ITERATIONS$SALT$HASH";
    if (*iterations > kMostIterations) return "costs too much: at most 2,000,000 iterations";
    return fault_in_sha512(parts[3], parts[4]);
  }
  if (kind == "6") {
    if (parts.size() != 4) return "is not of the form $6$SALT$HASH";
    return fault_in_sha512(parts[2], parts[3]);
  }
  return "is no password hash: one begins with $argon2id$, $7$ or $6$ (`ferrule passwd` and mosquitto_passwd write "
         "them)";
}

}  // namespace

tl::expected<PasswordHash, std::string> PasswordHash::parse(std::string_view text) {
  constexpr std::size_t kMostBytes = 1024;
  if (text.size() > kMostBytes || text.find('\0') != std::string_view::npos) {
    return tl::unexpected<std::string>("is no password hash");
  }
  if (auto fault = fault_in(split(text, '$'))) return tl::unexpected(std::move(*fault));
  return PasswordHash(std::string(text));
}

PasswordHash PasswordHash::argon2id(std::string_view password) {
  const std::string salt = random_bytes(kSaltBytes);
  std::array<char, 200> text{};
  const int error = argon2id_hash_encoded(kPasses, kMemoryKib, kLanes, password.data(), password.size(), salt.data(),
                                          salt.size(), kHashBytes, text.data(), text.size());
  if (error != ARGON2_OK) throw std::bad_alloc();
  return PasswordHash(text.data());
}

bool PasswordHash::verify(std::string_view password) const {
  const auto parts = split(text_, '$');
  if (parts[1] == "argon2id") {
    const int result = argon2id_verify(text_.c_str(), password.data(), password.size());
    if (result == ARGON2_MEMORY_ALLOCATION_ERROR) throw std::bad_alloc();
    return result == ARGON2_OK;
  }
  if (parts[1] == "7") {
    return same_bytes(pbkdf2_sha512(password, *from_base64(parts[3]), *number(parts[2])), *from_base64(parts[4]));
  }
  std::string salted(password);
  salted += *from_base64(parts[2]);
  const bool right = same_bytes(sha512(salted), *from_base64(parts[3]));
  wipe(salted);
  return right;
}

}  // namespace ferrule::mqtt
