#include "mqtt/tls_files.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "mqtt/openssl_ptr.hpp"
#include "mqtt/tls_peer.hpp"

namespace ferrule::mqtt {

namespace {

constexpr long kTicketLife = 3600;  // s

using Bio = OpensslPtr<BIO, BIO_free>;
using Certificate = OpensslPtr<X509, X509_free>;
using Key = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;
using Revocations = OpensslPtr<X509_CRL, X509_CRL_free>;

using Part = TlsFinding::Part;

TlsFinding fault(Part part, std::string message) { return {part, 0, false, std::move(message)}; }

std::string quote(const std::string& file) { return fmt::format("\"{}\"", file); }

tl::expected<Bio, std::string> open_file(const std::string& file) {
  errno = 0;
  Bio bio(BIO_new_file(file.c_str(), "r"));
  const int error = errno;
  ERR_clear_error();
  struct stat status {};
  if (bio != nullptr && ::stat(file.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return tl::unexpected(fmt::format("{} is a directory", quote(file)));
  }
  if (bio == nullptr) return tl::unexpected(fmt::format("cannot read {}: {}", quote(file), std::strerror(error)));
  return bio;
}

/// Keys with a password are of no use to a program that starts by itself.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

tl::expected<std::vector<Certificate>, std::string> read_certificates(const std::string& file) {
  auto bio = open_file(file);
  if (!bio) return tl::unexpected(bio.error());
  std::vector<Certificate> chain;
  while (X509* one = PEM_read_bio_X509(bio->get(), nullptr, no_password, nullptr)) chain.emplace_back(one);
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (chain.empty()) {
    ERR_clear_error();
    return tl::unexpected(fmt::format("{} holds no certificate in PEM form", quote(file)));
  }
  if (!at_end) return tl::unexpected(fmt::format("{}: {}", quote(file), openssl_reasons()));
  ERR_clear_error();
  return chain;
}

tl::expected<Key, std::string> read_key(const std::string& file) {
  auto bio = open_file(file);
  if (!bio) return tl::unexpected(bio.error());
  Key key(PEM_read_bio_PrivateKey(bio->get(), nullptr, no_password, nullptr));
  if (key != nullptr) return key;
  const auto reason = ERR_GET_REASON(ERR_peek_last_error());
  const bool locked = reason == PEM_R_BAD_PASSWORD_READ || ERR_GET_REASON(ERR_peek_error()) == PEM_R_BAD_PASSWORD_READ;
  ERR_clear_error();
  if (locked) return tl::unexpected(fmt::format("the key {} has a password; Ferrule needs one without", quote(file)));
  return tl::unexpected(fmt::format("{} holds no private key in PEM form", quote(file)));
}

std::string date_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "?";
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

// Contexts

tl::expected<void, TlsFinding> use_certificate(SSL_CTX* ctx, const CertificateSettings& settings) {
  auto chain = read_certificates(settings.cert);
  if (!chain) return tl::unexpected(fault(Part::Cert, chain.error()));
  auto key = read_key(settings.key);
  if (!key) return tl::unexpected(fault(Part::Key, key.error()));
  X509* own = chain->front().get();
  if (X509_check_private_key(own, key->get()) != 1) {
    ERR_clear_error();
    return tl::unexpected(fault(Part::Key, fmt::format("the key {} is not that of the certificate {}",
                                                       quote(settings.key), quote(settings.cert))));
  }
  bool used = SSL_CTX_use_certificate(ctx, own) == 1;
  for (std::size_t i = 1; used && i < chain->size(); ++i) used = SSL_CTX_add1_chain_cert(ctx, (*chain)[i].get()) == 1;
  if (!used) return tl::unexpected(fault(Part::Cert, fmt::format("{}: {}", quote(settings.cert), openssl_reasons())));
  if (SSL_CTX_use_PrivateKey(ctx, key->get()) != 1) {
    return tl::unexpected(fault(Part::Key, fmt::format("{}: {}", quote(settings.key), openssl_reasons())));
  }
  return {};
}

/// Clients are asked for certificates of these roots.
tl::expected<void, TlsFinding> use_ca(SSL_CTX* ctx, const std::string& file) {
  auto roots = read_certificates(file);
  if (!roots) return tl::unexpected(fault(Part::Ca, roots.error()));
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  for (const auto& root : *roots) {
    X509_STORE_add_cert(store, root.get());
    SSL_CTX_add_client_CA(ctx, root.get());
  }
  ERR_clear_error();
  return {};
}

tl::expected<std::vector<Revocations>, TlsFinding> read_crl(const std::string& file) {
  auto bio = open_file(file);
  if (!bio) return tl::unexpected(fault(Part::Crl, bio.error()));
  std::vector<Revocations> lists;
  while (X509_CRL* list = PEM_read_bio_X509_CRL(bio->get(), nullptr, no_password, nullptr)) lists.emplace_back(list);
  ERR_clear_error();
  if (lists.empty()) {
    return tl::unexpected(fault(Part::Crl, fmt::format("{} holds no revocation list in PEM form", quote(file))));
  }
  return lists;
}

tl::expected<void, TlsFinding> use_crl(SSL_CTX* ctx, const std::string& file) {
  const auto lists = read_crl(file);
  if (!lists) return tl::unexpected(lists.error());
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  for (const auto& list : *lists) X509_STORE_add_crl(store, list.get());
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  ERR_clear_error();
  return {};
}

int verify_mode(ClientCertificate wanted) {
  switch (wanted) {
    case ClientCertificate::None:
      return SSL_VERIFY_NONE;
    case ClientCertificate::Optional:
      return SSL_VERIFY_PEER;
    case ClientCertificate::Required:
      return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

void set_rules(SSL_CTX* ctx, const TlsSettings& settings) {
  SSL_CTX_set_min_proto_version(ctx, settings.only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES");  // of TLS 1.2: forward secret
  SSL_CTX_set_dh_auto(ctx, 1);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx, 1);  // one system call for many records
  // Tickets resume a session without any state of ours; each context has keys of its own, so new certificates or
  // revocations void the tickets of before.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(ctx, kTicketLife);
  SSL_CTX_set_num_tickets(ctx, 1);
  constexpr std::array<unsigned char, 7> kId{'f', 'e', 'r', 'r', 'u', 'l', 'e'};
  SSL_CTX_set_session_id_context(ctx, kId.data(), kId.size());
  SSL_CTX_set_verify(ctx, verify_mode(settings.client_certificate), nullptr);
}

/// What the calendar says against a certificate that can be used.
std::string out_of_date(const X509* certificate) {
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
    return fmt::format("expired on {}", date_of(X509_get0_notAfter(certificate)));
  }
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
    return fmt::format("is not valid before {}", date_of(X509_get0_notBefore(certificate)));
  }
  return {};
}

void check_dates(const std::string& file, Part part, std::size_t index, std::vector<TlsFinding>& findings) {
  const auto certificates = read_certificates(file);
  if (!certificates) return;
  for (const auto& certificate : *certificates) {
    const auto what = out_of_date(certificate.get());
    if (what.empty()) continue;
    const auto subject = subject_of(X509_get_subject_name(certificate.get()));
    findings.push_back({part, index, true, fmt::format("the certificate {} in {} {}", subject, quote(file), what)});
  }
}

void check_certificate(const CertificateSettings& settings, std::size_t index, std::vector<TlsFinding>& findings) {
  const SslCtx ctx(SSL_CTX_new(TLS_server_method()));
  if (const auto used = use_certificate(ctx.get(), settings); !used) {
    findings.push_back(used.error());
    findings.back().certificate = index;
  }
  check_dates(settings.cert, Part::Cert, index, findings);
}

void add_stamp(const std::string& file, std::vector<std::uint64_t>& stamps) {
  struct stat status {};
  if (file.empty() || ::stat(file.c_str(), &status) != 0) status = {};
  for (const auto part :
       {static_cast<std::uint64_t>(status.st_ino), static_cast<std::uint64_t>(status.st_size),
        static_cast<std::uint64_t>(status.st_mtim.tv_sec), static_cast<std::uint64_t>(status.st_mtim.tv_nsec)}) {
    stamps.push_back(part);
  }
}

}  // namespace

void FreeSslCtx::operator()(ssl_ctx_st* ctx) const { SSL_CTX_free(ctx); }

std::string openssl_reasons() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (reason == nullptr) continue;
    if (!text.empty()) text += "; ";
    text += reason;
  }
  return text.empty() ? "unknown error" : text;
}

tl::expected<SslCtx, TlsFinding> make_context(const TlsSettings& settings, const CertificateSettings& certificate) {
  SslCtx ctx(SSL_CTX_new(TLS_server_method()));
  if (ctx == nullptr) return tl::unexpected(fault(Part::Cert, openssl_reasons()));
  set_rules(ctx.get(), settings);
  if (auto used = use_certificate(ctx.get(), certificate); !used) return tl::unexpected(used.error());
  if (settings.client_certificate == ClientCertificate::None) return ctx;
  if (auto used = use_ca(ctx.get(), settings.ca); !used) return tl::unexpected(used.error());
  if (settings.crl.empty()) return ctx;
  if (auto used = use_crl(ctx.get(), settings.crl); !used) return tl::unexpected(used.error());
  return ctx;
}

std::vector<std::uint64_t> stamps_of(const TlsSettings& settings) {
  std::vector<std::uint64_t> stamps;
  for (const auto* file : {&settings.certificate.cert, &settings.certificate.key, &settings.ca, &settings.crl}) {
    add_stamp(*file, stamps);
  }
  for (const auto& one : settings.sni) {
    add_stamp(one.cert, stamps);
    add_stamp(one.key, stamps);
  }
  return stamps;
}

std::vector<TlsFinding> check_files(const TlsSettings& settings) {
  std::vector<TlsFinding> findings;
  check_certificate(settings.certificate, 0, findings);
  for (std::size_t i = 0; i < settings.sni.size(); ++i) check_certificate(settings.sni[i], i + 1, findings);
  if (settings.client_certificate == ClientCertificate::None) return findings;
  if (const auto roots = read_certificates(settings.ca); !roots) {
    findings.push_back(fault(Part::Ca, roots.error()));
  }
  check_dates(settings.ca, Part::Ca, 0, findings);
  if (settings.crl.empty()) return findings;
  const auto lists = read_crl(settings.crl);
  if (!lists) findings.push_back(lists.error());
  for (std::size_t i = 0; lists && i < lists->size(); ++i) {
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate((*lists)[i].get());
    if (next == nullptr || X509_cmp_current_time(next) > 0) continue;
    findings.push_back(
        fault(Part::Crl, fmt::format("the revocation list {} was to be renewed by {}: no client of its CA "
                                     "can be verified",
                                     quote(settings.crl), date_of(next))));
    findings.back().warning = true;
  }
  return findings;
}

}  // namespace ferrule::mqtt
