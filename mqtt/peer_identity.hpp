// Who is at the other end of a connection, as far as its transport knows before any MQTT packet.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace ferrule::mqtt {

/// What a client's certificate says, after its chain was verified against the listener's `ca` (and `crl`).
struct PeerCertificate {
  std::string identity;     ///< what the listener's `identity` names of it; empty when it has no such thing
  std::string common_name;  ///< of the subject, UTF-8; empty when there is none
  std::string subject;      ///< RFC 2253: the last part first, e.g. "CN=hmi,O=Plant"
  std::vector<std::string> dns, emails, uris, addresses;  ///< subject alternative names, in their order
};

/// Who a Unix socket's client is, told by the kernel.
struct PeerProcess {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
};

struct PeerIdentity {
  std::string address;  ///< without port: "192.168.1.20", "fd00::1"; behind a proxy the client's; empty: Unix socket
  std::string proxy;    ///< the address of the proxy that told us `address`; empty without one
  std::size_t listener = 0;  ///< index in BrokerSettings::listen
  bool encrypted = false;    ///< TLS
  std::optional<PeerCertificate> certificate;
  std::optional<PeerProcess> process;  ///< only of a Unix socket
};

}  // namespace ferrule::mqtt
