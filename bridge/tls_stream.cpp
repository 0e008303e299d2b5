#include <arpa/inet.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <utility>

#include "bridge/stream.hpp"

namespace ferrule::bridge {

namespace {

template <class T, void (*free)(T*)>
struct Freed {
  void operator()(T* object) const { free(object); }
};
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX, SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Freed<SSL, SSL_free>>;
using Method = std::unique_ptr<BIO_METHOD, Freed<BIO_METHOD, BIO_meth_free>>;

/// What OpenSSL gives as its first reason, e.g. "sslv3 alert certificate unknown"; forgets the others.
std::string reason() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const auto* text = ERR_reason_error_string(code);
  return text != nullptr ? text : fmt::format("error {:x}", code);
}

tl::unexpected<StreamEnd> fail(std::string cause) { return tl::unexpected(StreamEnd{std::move(cause)}); }

// ---- OpenSSL reads and writes a Stream: its own socket BIO would raise SIGPIPE.

Stream& stream_of(BIO* bio) { return *static_cast<Stream*>(BIO_get_data(bio)); }

int read_bio(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const auto got = stream_of(bio).read({data, static_cast<std::size_t>(size)});
  if (!got) return 0;
  if (*got > 0) return static_cast<int>(*got);
  BIO_set_retry_read(bio);
  return -1;
}

int write_bio(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const iovec piece{const_cast<char*>(data), static_cast<std::size_t>(size)};
  const auto taken = stream_of(bio).write({&piece, 1});
  if (!taken) return 0;
  if (*taken > 0) return static_cast<int>(*taken);
  BIO_set_retry_write(bio);
  return -1;
}

long control_bio(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO* new_bio(Stream& stream) {
  static const Method method = [] {
    Method made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream"));
    BIO_meth_set_read(made.get(), read_bio);
    BIO_meth_set_write(made.get(), write_bio);
    BIO_meth_set_ctrl(made.get(), control_bio);
    return made;
  }();
  BIO* bio = BIO_new(method.get());
  BIO_set_data(bio, &stream);
  BIO_set_init(bio, 1);
  return bio;
}

// ---- whom to trust, and who we are

Streamed<Context> new_context(const TlsSettings& settings) {
  Context context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  ERR_clear_error();
  if (settings.ca.empty()) {
    if (SSL_CTX_set_default_verify_paths(context.get()) != 1) return fail("cannot read the machine's list of CAs");
  } else if (SSL_CTX_load_verify_locations(context.get(), settings.ca.c_str(), nullptr) != 1) {
    return fail(fmt::format("cannot read the CA file {}: {}", settings.ca.string(), reason()));
  }
  if (settings.cert.empty()) return context;
  if (SSL_CTX_use_certificate_chain_file(context.get(), settings.cert.c_str()) != 1) {
    return fail(fmt::format("cannot read the certificate {}: {}", settings.cert.string(), reason()));
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), settings.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(fmt::format("cannot use the key {} with the certificate {}: {}", settings.key.string(),
                            settings.cert.string(), reason()));
  }
  return context;
}

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 || inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

Connection new_connection(SSL_CTX& context, Stream& stream, const std::string& host, const TlsSettings& settings) {
  Connection connection(SSL_new(&context));
  BIO* bio = new_bio(stream);
  SSL_set_bio(connection.get(), bio, bio);
  if (is_address(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection.get()), host.c_str());
  } else {
    SSL_set1_host(connection.get(), host.c_str());
    SSL_ctrl(connection.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host.c_str()));  // RFC 6066 section 3
  }
  std::string protocols;
  for (const auto& name : settings.alpn) protocols += static_cast<char>(name.size()) + name;
  SSL_set_alpn_protos(connection.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                      static_cast<unsigned>(protocols.size()));
  return connection;
}

// ---- what is wrong with the cloud's certificate

std::string date(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable date";
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))); }

std::string names_of(X509* certificate) {
  std::string names;
  auto* list = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(list) && i < 5; ++i) {
    const auto* name = sk_GENERAL_NAME_value(list, i);
    if (name->type != GEN_DNS) continue;
    const auto* text = name->d.dNSName;
    names += (names.empty() ? "" : ", ") + std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                                       static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(list);
  return names.empty() ? "no host" : names;
}

/// What is wanted of a connection's peer, and what is wrong with it.
struct Inspection {
  const std::string host;
  const std::string trusted;
  std::string verdict;  ///< empty: nothing yet
};

std::string explain(int verdict, X509* certificate, const Inspection& inspection) {
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fmt::format("the cloud's certificate, or one above it, has expired on {}; this machine's date is {}",
                         date(X509_get0_notAfter(certificate)), today());
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("the cloud's certificate is valid from {} on only; this machine's date is {}",
                         date(X509_get0_notBefore(certificate)), today());
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return fmt::format("the cloud's certificate is for {}, not for {}", names_of(certificate), inspection.host);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return fmt::format("the cloud's certificate comes from a CA that is not in {}", inspection.trusted);
    default:
      return fmt::format("the cloud's certificate does not hold: {}", X509_verify_cert_error_string(verdict));
  }
}

/// OpenSSL asks for each certificate of the chain; the first error says why there will be no connection.
int inspect(int holds, X509_STORE_CTX* chain) {
  const auto* connection = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& inspection = *static_cast<Inspection*>(SSL_get_ex_data(connection, 0));
  if (holds == 0 && inspection.verdict.empty()) {
    inspection.verdict = explain(X509_STORE_CTX_get_error(chain), X509_STORE_CTX_get_current_cert(chain), inspection);
  }
  return holds;
}

class TlsStream final : public Stream {
 public:
  TlsStream(std::unique_ptr<Stream> below, Connection connection)
      : below_(std::move(below)), connection_(std::move(connection)) {}

  int descriptor() const override { return below_->descriptor(); }
  short waits_for() const override { return below_->waits_for(); }

  std::string about() const override {
    const std::unique_ptr<X509, Freed<X509, X509_free>> certificate(SSL_get1_peer_certificate(connection_.get()));
    if (!certificate) return SSL_get_version(connection_.get());
    return fmt::format("{}, certificate for {} until {}", SSL_get_version(connection_.get()),
                       names_of(certificate.get()), date(X509_get0_notAfter(certificate.get())));
  }

  Streamed<std::size_t> read(std::span<char> buffer) override {
    std::size_t total = 0;
    while (total < buffer.size()) {
      std::size_t size = 0;
      const int done = SSL_read_ex(connection_.get(), buffer.data() + total, buffer.size() - total, &size);
      if (done != 1) {
        if (const auto end = why(done); total == 0 && end) return tl::unexpected(*end);
        break;
      }
      total += size;
    }
    return total;
  }

  Streamed<std::size_t> write(std::span<const iovec> pieces) override {
    std::size_t total = 0;
    for (const auto& piece : pieces) {
      std::size_t size = 0;
      const int done = SSL_write_ex(connection_.get(), piece.iov_base, piece.iov_len, &size);
      if (done != 1) {
        if (const auto end = why(done)) return tl::unexpected(*end);
        break;
      }
      total += size;
      if (size < piece.iov_len) break;
    }
    return total;
  }

  /// Empty when it only cannot go on for now.
  std::optional<StreamEnd> why(int result) {
    switch (SSL_get_error(connection_.get(), result)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return {};
      case SSL_ERROR_ZERO_RETURN:
        return StreamEnd{"the cloud closed the connection", true};
      case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        return StreamEnd{"the connection broke", true};
      default:
        return end_of_tls();
    }
  }

  SSL* connection() { return connection_.get(); }

 private:
  static StreamEnd end_of_tls() {
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      ERR_clear_error();
      return {"the cloud closed the connection", true};
    }
    return {"TLS: " + reason()};
  }

  const std::unique_ptr<Stream> below_;
  const Connection connection_;
};

}  // namespace

Streamed<std::unique_ptr<Stream>> open_tls(std::unique_ptr<Stream> stream, const std::string& host,
                                           const TlsSettings& settings, const Wait& wait) {
  const auto context = new_context(settings);
  if (!context) return tl::unexpected(context.error());
  auto connection = new_connection(**context, *stream, host, settings);
  Inspection inspection{host, settings.ca.empty() ? "the machine's list" : settings.ca.string(), {}};
  SSL_set_ex_data(connection.get(), 0, &inspection);
  SSL_set_verify(connection.get(), SSL_VERIFY_PEER, inspect);
  auto made = std::make_unique<TlsStream>(std::move(stream), std::move(connection));
  for (;;) {
    ERR_clear_error();
    const int done = SSL_connect(made->connection());
    if (done == 1) break;
    if (!inspection.verdict.empty()) return fail(std::move(inspection.verdict));
    if (const auto end = made->why(done)) {
      return end->unsaid ? fail("closed during the TLS handshake: is this a port for TLS?") : fail(end->cause);
    }
    const auto events = static_cast<short>(POLLIN | made->waits_for());
    if (!wait(made->descriptor(), events)) return fail("no end of the TLS handshake in time");
  }
  SSL_set_verify(made->connection(), SSL_VERIFY_PEER, nullptr);  // the inspection ends here
  return made;
}

}  // namespace ferrule::bridge
