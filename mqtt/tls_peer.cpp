#include "mqtt/tls_peer.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>

#include "mqtt/address.hpp"
#include "mqtt/openssl_ptr.hpp"

namespace ferrule::mqtt {

namespace {

using Bio = OpensslPtr<BIO, BIO_free>;
using Names = OpensslPtr<GENERAL_NAMES, GENERAL_NAMES_free>;

std::string text_of(const ASN1_STRING* string) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, string);
  if (size < 0) return {};
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

/// Exactly one, so that no second one can be slipped in.
std::string common_name_of(const X509_NAME* name) {
  const int first = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (first < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, first) >= 0) return {};
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, first)));
}

std::string ip_text(const ASN1_OCTET_STRING* address) {
  const auto* bytes = ASN1_STRING_get0_data(address);
  std::array<std::uint8_t, 16> v6{};
  std::array<std::uint8_t, 4> v4{};
  if (ASN1_STRING_length(address) == 4) {
    std::copy_n(bytes, 4, v4.begin());
    return Address::v4(v4, 0).host();
  }
  if (ASN1_STRING_length(address) != 16) return {};
  std::copy_n(bytes, 16, v6.begin());
  return Address::v6(v6, 0).host();
}

void read_alternative_names(const X509* certificate, PeerCertificate& peer) {
  const Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    switch (name->type) {
      case GEN_DNS:
        peer.dns.push_back(text_of(name->d.dNSName));
        break;
      case GEN_EMAIL:
        peer.emails.push_back(text_of(name->d.rfc822Name));
        break;
      case GEN_URI:
        peer.uris.push_back(text_of(name->d.uniformResourceIdentifier));
        break;
      case GEN_IPADD:
        peer.addresses.push_back(ip_text(name->d.iPAddress));
        break;
      default:
        break;
    }
  }
}

std::string identity_of(const PeerCertificate& peer, CertificateIdentity wanted) {
  const auto first = [](const std::vector<std::string>& names) {
    return names.empty() ? std::string() : names.front();
  };
  std::string identity;
  switch (wanted) {
    case CertificateIdentity::CommonName:
      identity = peer.common_name;
      break;
    case CertificateIdentity::SanDns:
      identity = first(peer.dns);
      break;
    case CertificateIdentity::SanEmail:
      identity = first(peer.emails);
      break;
    case CertificateIdentity::SanUri:
      identity = first(peer.uris);
      break;
    case CertificateIdentity::Subject:
      identity = peer.subject;
      break;
  }
  // A name with a NUL or another control character is meant to be read differently by different readers.
  const bool plain =
      std::ranges::none_of(identity, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  return plain ? identity : std::string();
}

}  // namespace

std::string subject_of(const X509_NAME* name) {
  const Bio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

std::optional<PeerCertificate> peer_certificate(const ssl_st* ssl, CertificateIdentity wanted) {
  const OpensslPtr<X509, X509_free> certificate(SSL_get1_peer_certificate(ssl));
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return std::nullopt;
  PeerCertificate peer;
  const X509_NAME* name = X509_get_subject_name(certificate.get());
  peer.subject = subject_of(name);
  peer.common_name = common_name_of(name);
  read_alternative_names(certificate.get(), peer);
  peer.identity = identity_of(peer, wanted);
  return peer;
}

}  // namespace ferrule::mqtt
