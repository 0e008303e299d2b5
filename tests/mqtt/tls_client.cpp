#include "tls_client.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>

namespace ferrule::mqtt::testing {

TlsClient::TlsClient(std::uint16_t port, const TlsOptions& options) : SocketClient(port) {
  const timeval patience{10, 0};
  ::setsockopt(descriptor(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  SSL_CTX* ctx = SSL_CTX_new(TLS_client_method());
  SSL_CTX_load_verify_locations(ctx, (certificates() + "/ca.crt").c_str(), nullptr);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  if (options.version != 0) {
    SSL_CTX_set_min_proto_version(ctx, options.version);
    SSL_CTX_set_max_proto_version(ctx, options.version);
  }
  if (!options.certificate.empty()) {
    const auto base = certificates() + "/" + options.certificate;
    EXPECT_EQ(SSL_CTX_use_certificate_file(ctx, (base + ".crt").c_str(), SSL_FILETYPE_PEM), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(ctx, (base + ".key").c_str(), SSL_FILETYPE_PEM), 1);
  }
  ssl_ = SSL_new(ctx);
  SSL_CTX_free(ctx);
  SSL_set_fd(ssl_, descriptor());
  SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
           const_cast<char*>(options.server_name.c_str()));
  if (options.session != nullptr) SSL_set_session(ssl_, options.session);
  connected_ = SSL_connect(ssl_) == 1;
}

TlsClient::~TlsClient() { SSL_free(ssl_); }

std::string TlsClient::server() const {
  std::array<char, 100> name{};
  X509* certificate = SSL_get1_peer_certificate(ssl_);
  if (certificate == nullptr) return {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
  X509_free(certificate);
  return name.data();
}

bool TlsClient::resumed() const { return SSL_session_reused(ssl_) == 1; }

ssl_session_st* TlsClient::session() { return SSL_get1_session(ssl_); }

void TlsClient::send_bytes(std::string_view bytes) {
  std::size_t n = 0;
  ASSERT_EQ(SSL_write_ex(ssl_, bytes.data(), bytes.size(), &n), 1);
  ASSERT_EQ(n, bytes.size());
}

std::string TlsClient::receive(std::size_t n) {
  std::string bytes(n, '\0');
  std::size_t got = 0, more = 0;
  while (got < n && SSL_read_ex(ssl_, bytes.data() + got, n - got, &more) == 1) got += more;
  bytes.resize(got);
  return bytes;
}

}  // namespace ferrule::mqtt::testing
