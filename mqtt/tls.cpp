#include "mqtt/tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "mqtt/tls_files.hpp"
#include "mqtt/tls_peer.hpp"

namespace ferrule::mqtt {

namespace {

constexpr std::size_t kRecord = 16384;  // bytes of plain text in a record

using Part = TlsFinding::Part;

config::Location place_of(const TlsSettings& settings, const CertificateSettings& certificate, Part part) {
  switch (part) {
    case Part::Cert:
      return certificate.cert_where;
    case Part::Key:
      return certificate.key_where;
    case Part::Ca:
      return settings.ca_where;
    case Part::Crl:
      return settings.crl_where;
  }
  return certificate.cert_where;
}

}  // namespace

struct TlsContext::Impl {
  explicit Impl(const TlsSettings& tls_settings) : settings(tls_settings) {}

  struct Contexts {
    SslCtx main;
    std::vector<SslCtx> named;
  };

  /// All or nothing: `which` gets the certificate a fault belongs to.
  tl::expected<Contexts, TlsFinding> load(const CertificateSettings*& which) {
    Contexts loaded;
    which = &settings.certificate;
    auto main = make_context(settings, *which);
    if (!main) return tl::unexpected(main.error());
    loaded.main = std::move(*main);
    SSL_CTX_callback_ctrl(loaded.main.get(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, reinterpret_cast<void (*)()>(choose));
    SSL_CTX_set_tlsext_servername_arg(loaded.main.get(), this);
    for (const auto& one : settings.sni) {
      which = &one;
      auto named = make_context(settings, one);
      if (!named) return tl::unexpected(named.error());
      loaded.named.push_back(std::move(*named));
    }
    return loaded;
  }

  /// The first certificate that bears the name the client asks for; the main one when none does.
  static int choose(SSL* ssl, int* /*alert*/, void* impl) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
    const auto& contexts = static_cast<Impl*>(impl)->contexts;
    if (X509_check_host(SSL_CTX_get0_certificate(contexts.main.get()), name, 0, 0, nullptr) == 1)
      return SSL_TLSEXT_ERR_OK;
    for (const auto& named : contexts.named) {
      if (X509_check_host(SSL_CTX_get0_certificate(named.get()), name, 0, 0, nullptr) != 1) continue;
      SSL_set_SSL_CTX(ssl, named.get());
      return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
  }

  const TlsSettings settings;
  Contexts contexts;
  std::vector<std::uint64_t> stamps;
  std::array<char, kRecord> record;  // gathered here before it is encrypted
};

TlsContext::TlsContext(const TlsSettings& settings) : impl_(std::make_unique<Impl>(settings)) {
  impl_->stamps = stamps_of(settings);
  const CertificateSettings* which = nullptr;
  auto loaded = impl_->load(which);
  if (!loaded) {
    throw config::Error(place_of(settings, *which, loaded.error().part), "broker.listen.tls", loaded.error().message);
  }
  impl_->contexts = std::move(*loaded);
}

TlsContext::~TlsContext() = default;

tl::expected<bool, std::string> TlsContext::reload_if_changed() {
  auto stamps = stamps_of(impl_->settings);
  if (stamps == impl_->stamps) return false;
  impl_->stamps = std::move(stamps);  // whatever they hold: looked at again when they change again
  const CertificateSettings* which = nullptr;
  auto loaded = impl_->load(which);
  if (!loaded) return tl::unexpected(loaded.error().message);
  impl_->contexts = std::move(*loaded);
  return true;
}

// Streams

TlsStream::TlsStream(TlsContext& context, int descriptor)
    : context_(context), ssl_(SSL_new(context.impl_->contexts.main.get())) {
  if (ssl_ == nullptr || SSL_set_fd(ssl_, descriptor) != 1) throw std::bad_alloc();
  SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

namespace {

TlsStream::Step step_after(const SSL* ssl, int result) {
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_NONE:
      return TlsStream::Step::Done;
    case SSL_ERROR_WANT_READ:
      return TlsStream::Step::WantsRead;
    case SSL_ERROR_WANT_WRITE:
      return TlsStream::Step::WantsWrite;
    case SSL_ERROR_ZERO_RETURN:
      return TlsStream::Step::Ended;
    case SSL_ERROR_SYSCALL:
      return ERR_peek_error() == 0 ? TlsStream::Step::Ended : TlsStream::Step::Failed;
    default:
      return TlsStream::Step::Failed;
  }
}

}  // namespace

TlsStream::Step TlsStream::handshake() {
  ERR_clear_error();
  return step_after(ssl_, SSL_do_handshake(ssl_));
}

bool TlsStream::resumed() const { return SSL_session_reused(ssl_) == 1; }

TlsStream::Moved TlsStream::read(std::span<char> buffer) {
  Moved moved{Step::Done};
  while (moved.bytes < buffer.size()) {
    ERR_clear_error();
    std::size_t n = 0;
    const int result = SSL_read_ex(ssl_, buffer.data() + moved.bytes, buffer.size() - moved.bytes, &n);
    if (result != 1) {
      moved.step = step_after(ssl_, result);
      return moved;
    }
    moved.bytes += n;
    if (SSL_has_pending(ssl_) == 0) break;
  }
  return moved;
}

bool TlsStream::has_pending() const { return SSL_has_pending(ssl_) == 1; }

TlsStream::Moved TlsStream::write(std::span<const iovec> buffers) {
  auto& record = context_.impl_->record;
  Moved moved{Step::Done};
  std::size_t piece = 0, offset = 0;  // of `buffers`: where the next record begins
  while (piece < buffers.size()) {
    std::size_t filled = 0;
    while (piece < buffers.size() && filled < record.size()) {
      const iovec& from = buffers[piece];
      const std::size_t n = std::min(from.iov_len - offset, record.size() - filled);
      std::memcpy(record.data() + filled, static_cast<const char*>(from.iov_base) + offset, n);
      filled += n;
      offset += n;
      if (offset < from.iov_len) break;
      ++piece;
      offset = 0;
    }
    if (filled == 0) break;
    ERR_clear_error();
    std::size_t n = 0;
    const int result = SSL_write_ex(ssl_, record.data(), filled, &n);
    if (result != 1) {
      moved.step = step_after(ssl_, result);
      return moved;
    }
    moved.bytes += n;
  }
  return moved;
}

void TlsStream::send_close() {
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::string TlsStream::error() const {
  const long verified = SSL_get_verify_result(ssl_);
  if (verified != X509_V_OK) {
    ERR_clear_error();
    return fmt::format("the client's certificate: {}", X509_verify_cert_error_string(verified));
  }
  switch (ERR_GET_REASON(ERR_peek_error())) {
    case SSL_R_HTTP_REQUEST:
      ERR_clear_error();
      return "HTTP instead of TLS";
    case SSL_R_WRONG_VERSION_NUMBER:
      ERR_clear_error();
      return "no TLS, or a version that is not allowed here";
    default:
      return openssl_reasons();
  }
}

std::optional<PeerCertificate> TlsStream::certificate() const {
  return peer_certificate(ssl_, context_.impl_->settings.identity);
}

}  // namespace ferrule::mqtt
