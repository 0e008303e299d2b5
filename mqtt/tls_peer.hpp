// What a TLS client's certificate says about it.
#pragma once

#include <optional>

#include "mqtt/peer_identity.hpp"
#include "mqtt/settings.hpp"

struct X509_name_st;
struct ssl_st;

namespace ferrule::mqtt {

/// Nothing when the client showed none, or its chain was not verified.
std::optional<PeerCertificate> peer_certificate(const ssl_st* ssl, CertificateIdentity wanted);
/// RFC 2253.
std::string subject_of(const X509_name_st* name);

}  // namespace ferrule::mqtt
