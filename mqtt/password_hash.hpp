// A password as it is stored: a slow salted hash in one of the formats that mosquitto writes too.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace ferrule::mqtt {

///   $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH   written by `ferrule passwd` (PHC string, base64 without padding)
///   $7$ITERATIONS$SALT$HASH                    mosquitto 1.6 and later: PBKDF2 with HMAC-SHA-512, base64
///   $6$SALT$HASH                               mosquitto before that: one round of SHA-512, base64
/// Immutable; any thread.
class PasswordHash {
 public:
  /// Refuses what is none of the three, and parameters that would cost more than 256 MiB or some seconds. The error
  /// says what is wrong and never shows the hash.
  static tl::expected<PasswordHash, std::string> parse(std::string_view text);
  /// Argon2id with 19 MiB, two passes and one lane (OWASP's recommendation). Some 20 ms. Throws std::bad_alloc.
  static PasswordHash argon2id(std::string_view password);

  /// Takes milliseconds, by design. Throws std::bad_alloc when there is no memory for it.
  bool verify(std::string_view password) const;
  const std::string& text() const { return text_; }

 private:
  explicit PasswordHash(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace ferrule::mqtt
