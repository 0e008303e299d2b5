#include "drivers/tls_port.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ferrule::drivers {

namespace {

template <class T, void (*free)(T*)>
struct Freed {
  void operator()(T* object) const { free(object); }
};
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX, SSL_CTX_free>>;

constexpr std::size_t kRecord = 16 * 1024 + 512;

/// What OpenSSL gives as its first reason; forgets the others.
std::string reason() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const auto* text = ERR_reason_error_string(code);
  return text != nullptr ? text : fmt::format("error {:x}", code);
}

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 || inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

}  // namespace

/// OpenSSL works on memory; the descriptor is ours, so that nothing but StopSignal ever waits.
struct TlsPort::Session {
  explicit Session(SSL_CTX& context) : ssl(SSL_new(&context)), in(BIO_new(BIO_s_mem())), out(BIO_new(BIO_s_mem())) {
    SSL_set_bio(ssl.get(), in, out);
    SSL_set_connect_state(ssl.get());
  }
  std::unique_ptr<SSL, Freed<SSL, SSL_free>> ssl;
  BIO* in;   // of ssl
  BIO* out;  // of ssl
};

TlsPort::TlsPort(std::string host, std::uint16_t port, const StopSignal& stop, Options options, TlsSettings settings)
    : TcpPort(std::move(host), port, stop, std::move(options)), settings_(std::move(settings)) {}

TlsPort::~TlsPort() = default;

void TlsPort::close() {
  session_.reset();
  TcpPort::close();
}

tl::unexpected<Fault> TlsPort::refused(const std::string& why) {
  close();
  return tl::unexpected(Fault{Failure::PortLost, fmt::format("no TLS with {}: {}", name(), why)});
}

tl::expected<void, Fault> TlsPort::open(TimePoint deadline) {
  if (auto opened = TcpPort::open(deadline); !opened) return opened;
  ERR_clear_error();
  const Context context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);  // Modbus/TCP Security V36 R-01
  if (SSL_CTX_load_verify_locations(context.get(), settings_.ca.c_str(), nullptr) != 1) {
    return refused(fmt::format("cannot read the CA file {}: {}", settings_.ca, reason()));
  }
  if (SSL_CTX_use_certificate_chain_file(context.get(), settings_.cert.c_str()) != 1) {
    return refused(fmt::format("cannot read the certificate {}: {}", settings_.cert, reason()));
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), settings_.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return refused(fmt::format("cannot use the key {}: {}", settings_.key, reason()));
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  session_ = std::make_unique<Session>(*context);
  const auto& peer = settings_.server_name.empty() ? host() : settings_.server_name;
  if (is_address(peer)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session_->ssl.get()), peer.c_str());
  } else {
    SSL_set1_host(session_->ssl.get(), peer.c_str());
    SSL_ctrl(session_->ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(peer.c_str()));  // RFC 6066 section 3
  }
  return shake_hands(deadline);
}

tl::expected<void, Fault> TlsPort::shake_hands(TimePoint deadline) {
  for (;;) {
    ERR_clear_error();
    auto* ssl = session_->ssl.get();
    const int done = SSL_do_handshake(ssl);
    const int error = SSL_get_error(ssl, done);
    const auto trouble = flush();
    if (done == 1 && trouble.empty()) return {};
    if (!trouble.empty()) return refused(trouble);
    if (error != SSL_ERROR_WANT_READ) {
      const auto verdict = SSL_get_verify_result(ssl);
      return refused(verdict == X509_V_OK ? reason()
                                          : fmt::format("its certificate: {}", X509_verify_cert_error_string(verdict)));
    }
    switch (stop_.wait(descriptor_, POLLIN, deadline)) {
      case Woke::Stopped:
        return refused("stopping");
      case Woke::Deadline:
        return refused("no end of the handshake in time: is this a port for TLS?");
      case Woke::Ready:
      case Woke::Rung:
        break;
    }
    std::array<std::uint8_t, 4096> bytes;
    const auto got = Port::receive(bytes);
    if (!got) return refused(got.error());
    BIO_write(session_->in, bytes.data(), static_cast<int>(*got));
  }
}

/// Sends what OpenSSL has to say. Empty, or why that was not possible.
std::string TlsPort::flush() {
  std::array<std::uint8_t, kRecord> bytes;
  for (;;) {
    const int size = BIO_read(session_->out, bytes.data(), static_cast<int>(bytes.size()));
    if (size <= 0) return {};
    if (const auto sent = Port::transmit({bytes.data(), static_cast<std::size_t>(size)}); !sent) {
      return sent.error().detail;
    }
  }
}

tl::expected<std::size_t, std::string> TlsPort::receive(std::span<std::uint8_t> bytes) {
  std::array<std::uint8_t, kRecord> cipher;
  for (;;) {
    ERR_clear_error();
    std::size_t size = 0;
    const int done = SSL_read_ex(session_->ssl.get(), bytes.data(), bytes.size(), &size);
    if (done == 1) return size;
    switch (SSL_get_error(session_->ssl.get(), done)) {
      case SSL_ERROR_WANT_READ:
        break;
      case SSL_ERROR_ZERO_RETURN:
        return tl::unexpected<std::string>("connection closed by the peer");
      default:  // in TLS 1.3 the peer refuses our certificate only after its own part of the handshake
        return tl::unexpected<std::string>("TLS: " + reason());
    }
    const auto got = Port::receive(cipher);
    if (!got) return got;
    if (*got == 0) return 0;
    BIO_write(session_->in, cipher.data(), static_cast<int>(*got));
  }
}

tl::expected<void, Fault> TlsPort::transmit(std::span<const std::uint8_t> bytes) {
  ERR_clear_error();
  std::size_t taken = 0;
  if (SSL_write_ex(session_->ssl.get(), bytes.data(), bytes.size(), &taken) != 1) {
    return tl::unexpected(Fault{Failure::PortLost, "TLS: " + reason()});
  }
  // A part of a record is of no use to the peer, and all of it may have got through.
  if (const auto trouble = flush(); !trouble.empty()) return tl::unexpected(Fault{Failure::PortLost, trouble, 0, true});
  return {};
}

}  // namespace ferrule::drivers
