#include "tests/bridge/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>

namespace ferrule::bridge::testing {

namespace {

using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
using Certificate = std::unique_ptr<X509, void (*)(X509*)>;

Key new_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

void extend(X509* certificate, int id, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate new_certificate(const std::string& name, EVP_PKEY* key, int from, int to) {
  static long serial = 1;
  constexpr long kDay = 24 * 3600;
  Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), to * kDay);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

void write(const std::filesystem::path& path, X509* certificate) {
  FILE* file = std::fopen(path.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
}

void write(const std::filesystem::path& path, EVP_PKEY* key) {
  FILE* file = std::fopen(path.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

}  // namespace

struct Certificates::Authority {
  Key key = new_key();
  Certificate certificate{nullptr, X509_free};
};

Certificates::Certificates(std::filesystem::path directory, const std::string& name)
    : directory_(std::move(directory)), name_(name), authority_(std::make_unique<Authority>()) {
  auto& certificate = authority_->certificate;
  certificate = new_certificate(name, authority_->key.get(), -10, 10);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  extend(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(certificate.get(), authority_->key.get(), EVP_sha256());
  write(ca(), certificate.get());
}

Certificates::~Certificates() = default;

std::filesystem::path Certificates::ca() const { return directory_ / (name_ + ".pem"); }

void Certificates::issue(const std::string& name, const std::string& names, int from, int to) const {
  const auto key = new_key();
  const auto certificate = new_certificate(name, key.get(), from, to);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(authority_->certificate.get()));
  extend(certificate.get(), NID_subject_alt_name, names);
  X509_sign(certificate.get(), authority_->key.get(), EVP_sha256());
  write(directory_ / (name + ".pem"), certificate.get());
  write(directory_ / (name + ".key"), key.get());
}

}  // namespace ferrule::bridge::testing
