#include "mqtt/crypto.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace ferrule::mqtt {

namespace {

const unsigned char* data(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* data(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

/// OpenSSL fails here only for want of memory or of a usable installation.
void require(bool done) {
  if (!done) throw std::runtime_error("OpenSSL cannot compute a digest");
}

std::string digest(const EVP_MD* kind, std::string_view bytes) {
  std::string result(static_cast<std::size_t>(EVP_MD_get_size(kind)), '\0');
  require(EVP_Digest(bytes.data(), bytes.size(), data(result), nullptr, kind, nullptr) == 1);
  return result;
}

std::string pbkdf2(const EVP_MD* kind, std::string_view password, std::string_view salt, std::uint32_t iterations) {
  std::string result(static_cast<std::size_t>(EVP_MD_get_size(kind)), '\0');
  require(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), data(salt),
                            static_cast<int>(salt.size()), static_cast<int>(iterations), kind,
                            static_cast<int>(result.size()), data(result)) == 1);
  return result;
}

}  // namespace

std::string sha256(std::string_view bytes) { return digest(EVP_sha256(), bytes); }
std::string sha512(std::string_view bytes) { return digest(EVP_sha512(), bytes); }

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string result(32, '\0');
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), data(bytes), bytes.size(), data(result),
               nullptr) != nullptr);
  return result;
}

std::string pbkdf2_sha256(std::string_view password, std::string_view salt, std::uint32_t iterations) {
  return pbkdf2(EVP_sha256(), password, salt, iterations);
}

std::string pbkdf2_sha512(std::string_view password, std::string_view salt, std::uint32_t iterations) {
  return pbkdf2(EVP_sha512(), password, salt, iterations);
}

std::string random_bytes(std::size_t count) {
  // The system's, so that a broker without TLS and logins never starts OpenSSL: 2 ms and 2 MB at the start.
  std::string bytes(count, '\0');
  for (std::size_t done = 0; done < count;) {
    const auto got = ::getrandom(bytes.data() + done, count - done, 0);
    if (got < 0 && errno != EINTR) throw std::runtime_error("no random bytes to be had");
    done += got < 0 ? 0 : static_cast<std::size_t>(got);
  }
  return bytes;
}

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL ends it with a null byte
  const int size = EVP_EncodeBlock(data(text), data(bytes), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  // OpenSSL also takes blanks at the ends and padding in the middle.
  const std::size_t letters = std::min(text.find('='), text.size());
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.substr(0, letters).find_first_not_of(kAlphabet) != std::string_view::npos) return std::nullopt;
  const std::size_t padding = text.size() - letters;
  if (padding > 2 || text.substr(letters).find_first_not_of('=') != std::string_view::npos) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  if (EVP_DecodeBlock(data(bytes), data(text), static_cast<int>(text.size())) < 0) return std::nullopt;
  bytes.resize(bytes.size() - padding);
  if (to_base64(bytes) != text) return std::nullopt;  // bits behind the last byte
  return bytes;
}

bool same_bytes(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace ferrule::mqtt
