// Certificates, keys, roots and revocation lists as files: read, checked, and made into OpenSSL contexts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "mqtt/settings.hpp"

struct ssl_ctx_st;

namespace ferrule::mqtt {

/// What is wrong with a file of a listener's TLS settings. An expired certificate is a warning only: a wrong clock must
/// not keep a plant dark.
struct TlsFinding {
  enum class Part : std::uint8_t { Cert, Key, Ca, Crl };
  Part part;
  std::size_t certificate = 0;  ///< 0: `certificate`; n: sni[n - 1]
  bool warning = false;
  std::string message;
};
std::vector<TlsFinding> check_files(const TlsSettings& settings);

struct FreeSslCtx {
  void operator()(ssl_ctx_st* ctx) const;
};
using SslCtx = std::unique_ptr<ssl_ctx_st, FreeSslCtx>;

/// The settings' rules with that certificate. An error's `certificate` is always 0.
tl::expected<SslCtx, TlsFinding> make_context(const TlsSettings& settings, const CertificateSettings& certificate);

/// The reasons that OpenSSL noted, the deepest first; forgets them.
std::string openssl_reasons();

/// Another value when one of the files was replaced or rewritten.
std::vector<std::uint64_t> stamps_of(const TlsSettings& settings);

}  // namespace ferrule::mqtt
