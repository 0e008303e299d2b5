// SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677): a login that shows the password to nobody.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace ferrule::mqtt {

inline constexpr std::string_view kScramMethod = "SCRAM-SHA-256";

/// What a server stores of a password (RFC 5802 section 3): enough to check a login, not enough to log in elsewhere.
struct ScramKeys {
  std::uint32_t iterations = 0;
  std::string salt;        ///< 8 to 64 bytes
  std::string stored_key;  ///< 32 bytes
  std::string server_key;  ///< 32 bytes

  /// Slow: `iterations` rounds of HMAC. Passwords outside of ASCII are taken byte by byte, without SASLprep.
  static ScramKeys of(std::string_view password, std::uint32_t iterations, std::string salt);
  bool verify(std::string_view password) const;  ///< as slow

  /// "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY", base64 each, as PostgreSQL writes it.
  std::string text() const;
  /// The error says what is wrong and never shows the keys.
  static tl::expected<ScramKeys, std::string> parse(std::string_view text);
};

/// One login. The messages of a client are hostile bytes; each is refused beyond 4 KiB.
class ScramExchange {
 public:
  /// Reads the client's first message, "n,,n=USER,r=NONCE". An error is the reason, as static text. Channel binding is
  /// not offered, and an authorization identity is refused.
  static tl::expected<ScramExchange, const char*> begin(std::string_view client_first);

  const std::string& user() const { return user_; }

  /// The server's first message, "r=NONCE,s=SALT,i=ITERATIONS". `nonce`: printable ASCII without a comma, not to be
  /// guessed.
  std::string challenge(ScramKeys keys, std::string_view nonce);

  /// The server's final message, "v=SIGNATURE", when the client's, "c=..,r=NONCE,p=PROOF", proves that it knows the
  /// password; nullopt otherwise. Call after `challenge`.
  std::optional<std::string> finish(std::string_view client_final) const;

 private:
  ScramExchange() = default;

  std::string user_;
  std::string gs2_header_;         // "n,,"
  std::string client_first_bare_;  // "n=USER,r=NONCE"
  std::string client_nonce_;
  std::string nonce_;  // the client's and ours
  std::string server_first_;
  ScramKeys keys_;
};

/// Salt and cost for a user that does not exist, always the same ones for a name, so that nobody can tell: `like` are
/// the keys of a user that exists. No password fits them.
ScramKeys scram_decoy(const ScramKeys& like, std::string_view user);

}  // namespace ferrule::mqtt
