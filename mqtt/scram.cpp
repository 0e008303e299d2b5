#include "mqtt/scram.hpp"

#include <fmt/format.h>

#include <charconv>

#include "mqtt/crypto.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mqtt {

namespace {

constexpr std::size_t kMostBytes = 4096;
constexpr std::uint32_t kMostIterations = 10'000'000;  // ours cost the client, not us

/// Cuts off what stands before the first comma.
std::string_view next_attribute(std::string_view& rest) {
  const auto at = rest.find(',');
  const auto attribute = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return attribute;
}

/// A saslname (RFC 5802 section 5.1): `=2C` is a comma, `=3D` an equals sign.
std::optional<std::string> decode_name(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (text.front() != '=') {
      name.push_back(text.front());
      text.remove_prefix(1);
    } else if (text.starts_with("=2C") || text.starts_with("=3D")) {
      name.push_back(text[1] == '2' ? ',' : '=');
      text.remove_prefix(3);
    } else {
      return std::nullopt;
    }
  }
  if (name.empty() || !is_valid_utf8(name)) return std::nullopt;
  return name;
}

bool is_nonce(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c < 0x21 || c > 0x7E || c == ',') return false;
  }
  return true;
}

std::string xored(std::string_view a, std::string_view b) {
  std::string result(a);
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = static_cast<char>(result[i] ^ b[i]);
  return result;
}

}  // namespace

// Keys

ScramKeys ScramKeys::of(std::string_view password, std::uint32_t iterations, std::string salt) {
  std::string salted = pbkdf2_sha256(password, salt, iterations);
  ScramKeys keys;
  keys.iterations = iterations;
  keys.salt = std::move(salt);
  keys.stored_key = sha256(hmac_sha256(salted, "Client Key"));
  keys.server_key = hmac_sha256(salted, "Server Key");
  wipe(salted);
  return keys;
}

bool ScramKeys::verify(std::string_view password) const {
  return same_bytes(of(password, iterations, salt).stored_key, stored_key);
}

std::string ScramKeys::text() const {
  return fmt::format("{}${}:{}${}:{}", kScramMethod, iterations, to_base64(salt), to_base64(stored_key),
                     to_base64(server_key));
}

tl::expected<ScramKeys, std::string> ScramKeys::parse(std::string_view text) {
  const auto wrong =
      tl::unexpected<std::string>("is not of the form SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY");
  if (!text.starts_with(kScramMethod) || text.size() > 1024) return wrong;
  text.remove_prefix(kScramMethod.size());
  ScramKeys keys;
  const auto part = [&](char before, char behind) {
    if (text.empty() || text.front() != before) return std::string_view{};
    text.remove_prefix(1);
    const auto found = text.substr(0, behind == '\0' ? text.size() : text.find(behind));
    text.remove_prefix(found.size());
    return found;
  };
  const auto iterations = part('$', ':');
  const auto salt = from_base64(part(':', '$')), stored = from_base64(part('$', ':')),
             server = from_base64(part(':', '\0'));
  const auto [end, error] = std::from_chars(iterations.data(), iterations.data() + iterations.size(), keys.iterations);
  if (error != std::errc{} || end != iterations.data() + iterations.size() || !salt || !stored || !server) return wrong;
  if (keys.iterations < 4096 || keys.iterations > kMostIterations) {  // RFC 7677 section 4
    return tl::unexpected<std::string>("needs 4,096 to 10,000,000 SCRAM iterations");
  }
  if (salt->size() < 8 || salt->size() > 64 || stored->size() != 32 || server->size() != 32) {
    return tl::unexpected<std::string>("has SCRAM keys of a wrong length");
  }
  keys.salt = *salt;
  keys.stored_key = *stored;
  keys.server_key = *server;
  return keys;
}

ScramKeys scram_decoy(const ScramKeys& like, std::string_view user) {
  ScramKeys keys;
  keys.iterations = like.iterations;
  std::string derived = hmac_sha256(like.server_key, user);
  keys.salt = hmac_sha256(derived, "salt").substr(0, std::min<std::size_t>(like.salt.size(), 32));
  keys.stored_key = hmac_sha256(derived, "stored");  // a hash of nothing that anybody knows
  keys.server_key = hmac_sha256(derived, "server");
  return keys;
}

// The exchange

// client-first-message: gs2-cbind-flag "," [authzid] "," client-first-message-bare
// client-first-message-bare: "n=" saslname ",r=" nonce ["," extensions]
tl::expected<ScramExchange, const char*> ScramExchange::begin(std::string_view client_first) {
  if (client_first.size() > kMostBytes) return tl::unexpected<const char*>("SCRAM message too long");
  std::string_view rest = client_first;
  const auto binding = next_attribute(rest);
  if (binding.starts_with("p=")) return tl::unexpected<const char*>("SCRAM channel binding is not offered");
  if (binding != "n" && binding != "y") return tl::unexpected<const char*>("malformed SCRAM message");
  if (!next_attribute(rest).empty()) return tl::unexpected<const char*>("SCRAM authorization identity is not offered");
  ScramExchange exchange;
  exchange.gs2_header_ = client_first.substr(0, client_first.size() - rest.size());
  exchange.client_first_bare_ = rest;
  const auto name = next_attribute(rest), nonce = next_attribute(rest);
  if (name.starts_with("m=")) return tl::unexpected<const char*>("unknown mandatory SCRAM extension");
  if (!name.starts_with("n=") || !nonce.starts_with("r=") || !is_nonce(nonce.substr(2))) {
    return tl::unexpected<const char*>("malformed SCRAM message");
  }
  auto user = decode_name(name.substr(2));
  if (!user) return tl::unexpected<const char*>("malformed user name in a SCRAM message");
  exchange.user_ = std::move(*user);
  exchange.client_nonce_ = nonce.substr(2);
  return exchange;
}

std::string ScramExchange::challenge(ScramKeys keys, std::string_view nonce) {
  keys_ = std::move(keys);
  nonce_ = client_nonce_ + std::string(nonce);
  server_first_ = fmt::format("r={},s={},i={}", nonce_, to_base64(keys_.salt), keys_.iterations);
  return server_first_;
}

// client-final-message: "c=" base64(gs2 header) ",r=" nonce ["," extensions] ",p=" base64(proof)
std::optional<std::string> ScramExchange::finish(std::string_view client_final) const {
  if (client_final.size() > kMostBytes) return std::nullopt;
  const auto proof_at = client_final.rfind(",p=");
  if (proof_at == std::string_view::npos) return std::nullopt;
  const auto without_proof = client_final.substr(0, proof_at);
  const auto proof = from_base64(client_final.substr(proof_at + 3));
  if (!proof || proof->size() != 32) return std::nullopt;
  std::string_view rest = without_proof;
  if (next_attribute(rest) != "c=" + to_base64(gs2_header_)) return std::nullopt;
  if (next_attribute(rest) != "r=" + nonce_) return std::nullopt;
  const std::string auth_message = fmt::format("{},{},{}", client_first_bare_, server_first_, without_proof);
  const std::string client_key = xored(*proof, hmac_sha256(keys_.stored_key, auth_message));
  if (!same_bytes(sha256(client_key), keys_.stored_key)) return std::nullopt;
  return "v=" + to_base64(hmac_sha256(keys_.server_key, auth_message));
}

}  // namespace ferrule::mqtt
