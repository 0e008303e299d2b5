#include "mqtt/listen_settings.hpp"

#include <fmt/format.h>
#include <sys/un.h>

#include <array>
#include <charconv>

#include "mqtt/tls_files.hpp"

namespace ferrule::mqtt {

namespace {

// Where

/// Octal as in chmod: 660, 0660, 0o660.
std::uint32_t read_mode(const config::Node& node, std::uint32_t fallback) {
  const auto written = node.text();
  if (written.empty()) return fallback;
  std::string_view digits = written;
  if (digits.starts_with("0o")) digits.remove_prefix(2);
  std::uint32_t mode = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), mode, 8);
  if (error == std::errc{} && end == digits.data() + digits.size() && mode <= 0777) return mode;
  node.mistake("must be a file mode in octal, e.g. 0660");
  return fallback;
}

void read_unix(const config::Node& node, ListenSettings& listen) {
  listen.unix_path = node["unix"].file_path();
  if (listen.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
    node["unix"].mistake(fmt::format("is too long for a socket: {} bytes, at most {}", listen.unix_path.size(),
                                     sizeof(sockaddr_un::sun_path) - 1));
  }
  listen.mode = read_mode(node["mode"], listen.mode);
}

std::uint16_t usual_port(const ListenSettings& listen) {
  if (listen.protocol == Protocol::WebSocket) return listen.tls ? 8884 : 8083;
  return listen.tls ? 8883 : 1883;
}

void read_tcp(const config::Node& node, ListenSettings& listen) {
  // 0 in place of one that is wrong: it is not like another's.
  const std::int64_t fallback = node["port"].present() ? 0 : usual_port(listen);
  listen.port = static_cast<std::uint16_t>(node["port"].integer(fallback, 0, 65535));
  listen.bind = node["bind"].text(listen.bind);
  listen.dual_stack = node["dual_stack"].boolean(false);
  if (listen.dual_stack && listen.bind != "::") {
    node["dual_stack"].mistake("is for the bind address \"::\" only, which then takes IPv4 too");
  }
}

void read_place(const config::Node& node, ListenSettings& listen) {
  const auto at_once = [&](std::string_view one, std::string_view other) {
    if (!node[one].present() || !node[other].present()) return;
    node[other].mistake(fmt::format("cannot stand beside {}: a listener has one place", one));
  };
  at_once("unix", "port");
  at_once("unix", "bind");
  at_once("systemd", "unix");
  at_once("systemd", "port");
  at_once("systemd", "bind");
  listen.systemd = node["systemd"].text();
  if (node["unix"].present()) {
    read_unix(node, listen);
  } else if (listen.systemd.empty()) {
    read_tcp(node, listen);
  }
}

// TLS

CertificateSettings read_certificate(const config::Node& node) {
  CertificateSettings certificate;
  for (const char* key : {"cert", "key"}) {
    if (!node[key].present()) node[key].mistake("is missing: TLS needs a certificate and its key");
  }
  certificate.cert = node["cert"].file_path();
  certificate.key = node["key"].file_path();
  certificate.cert_where = node["cert"].where();
  certificate.key_where = node["key"].where();
  return certificate;
}

void read_client_certificates(const config::Node& node, TlsSettings& tls) {
  constexpr std::array<config::Choice<ClientCertificate>, 3> kWanted{{{"none", ClientCertificate::None},
                                                                      {"optional", ClientCertificate::Optional},
                                                                      {"required", ClientCertificate::Required}}};
  constexpr std::array<config::Choice<CertificateIdentity>, 5> kIdentities{
      {{"common-name", CertificateIdentity::CommonName},
       {"san-dns", CertificateIdentity::SanDns},
       {"san-email", CertificateIdentity::SanEmail},
       {"san-uri", CertificateIdentity::SanUri},
       {"subject", CertificateIdentity::Subject}}};
  tls.ca = node["ca"].file_path();
  tls.crl = node["crl"].file_path();
  tls.ca_where = node["ca"].where();
  tls.crl_where = node["crl"].where();
  // Whoever names a CA means that clients show certificates of it.
  const auto usual = tls.ca.empty() ? ClientCertificate::None : ClientCertificate::Required;
  tls.client_certificate = node["client_certificate"].one_of<ClientCertificate>(usual, kWanted);
  tls.identity = node["identity"].one_of<CertificateIdentity>(tls.identity, kIdentities);
  if (tls.client_certificate != ClientCertificate::None && tls.ca.empty()) {
    node["client_certificate"].mistake(
        "needs a ca: the file with the roots that client certificates are verified against");
  }
  if (tls.client_certificate == ClientCertificate::None) {
    for (const char* key : {"ca", "crl", "identity"}) {
      if (node[key].present()) node[key].mistake("has no use while client_certificate is none");
    }
  }
}

void report(const config::Node& node, const TlsFinding& finding) {
  constexpr std::array<std::string_view, 4> kKeys{"cert", "key", "ca", "crl"};  // by Part
  const auto map = finding.certificate == 0 ? node : node["sni"].items()[finding.certificate - 1];
  const auto at = map[kKeys[static_cast<std::size_t>(finding.part)]];
  if (finding.warning) {
    at.warning(finding.message);
  } else {
    at.mistake(finding.message);
  }
}

}  // namespace

TlsSettings read_tls(const config::Node& node) {
  constexpr std::array<config::Choice<bool>, 2> kVersions{{{"1.2", false}, {"1.3", true}}};
  TlsSettings tls;
  tls.certificate = read_certificate(node);
  bool complete = node["cert"].present() && node["key"].present();
  for (const auto& one : node["sni"].items()) {
    tls.sni.push_back(read_certificate(one));
    complete = complete && one["cert"].present() && one["key"].present();
  }
  read_client_certificates(node, tls);
  complete = complete && (tls.client_certificate == ClientCertificate::None || !tls.ca.empty());
  tls.only_tls13 = node["min_version"].one_of<bool>(false, kVersions);
  if (complete) {
    for (const auto& finding : check_files(tls)) report(node, finding);
  }
  return tls;
}

namespace {

// Who

void read_proxies(const config::Node& node, ListenSettings& listen) {
  if (!node.present()) return;
  for (const auto& item : node.items()) {
    if (const auto network = Network::parse(item.text())) {
      listen.proxies.push_back(*network);
    } else {
      item.mistake("must be the address of a proxy or a network of them, e.g. 10.0.0.2 or 10.0.0.0/24");
    }
  }
  if (node.items().empty()) node.mistake("must list the proxies that may connect, e.g. [10.0.0.2]");
  if (!listen.unix_path.empty())
    node.mistake("works with TCP only: a Unix socket's clients have no address to compare");
}

void read_protocol(const config::Node& node, ListenSettings& listen) {
  constexpr std::array<config::Choice<Protocol>, 2> kProtocols{
      {{"mqtt", Protocol::Mqtt}, {"websocket", Protocol::WebSocket}}};
  listen.protocol = node["protocol"].one_of<Protocol>(listen.protocol, kProtocols);
  listen.path = node["path"].text();
  if (!listen.path.empty() && listen.path.front() != '/') node["path"].mistake("must begin with /, e.g. /mqtt");
  for (const auto& item : node["origins"].items()) {
    auto origin = item.text();
    if (origin.find("://") == std::string::npos || origin.ends_with('/')) {
      item.mistake("must be an origin as browsers send it, e.g. https://hmi.plant:8443");
    }
    listen.origins.push_back(std::move(origin));
  }
  if (listen.protocol == Protocol::WebSocket) return;
  for (const char* key : {"path", "origins"}) {
    if (node[key].present()) node[key].mistake("is for protocol: websocket only");
  }
}

ListenSettings read_listen(const config::Node& node) {
  ListenSettings listen;
  listen.where = node.where();
  listen.name = node["name"].text();
  if (node["tls"].present()) listen.tls = read_tls(node["tls"]);
  read_protocol(node, listen);
  read_place(node, listen);
  read_proxies(node["proxy_protocol"], listen);
  listen.max_connections = static_cast<std::size_t>(node["max_connections"].integer(0, 1, 1'000'000));
  return listen;
}

bool same_place(const ListenSettings& a, const ListenSettings& b) {
  if (a.unix_path != b.unix_path || a.systemd != b.systemd) return false;
  if (!a.unix_path.empty() || !a.systemd.empty()) return true;
  return a.bind == b.bind && a.port == b.port && a.port != 0;
}

}  // namespace

std::vector<ListenSettings> read_listeners(const config::Node& list) {
  std::vector<ListenSettings> listeners;
  for (const auto& node : list.items()) {
    auto listen = read_listen(node);
    for (const auto& other : listeners) {
      if (!same_place(listen, other)) continue;
      node.mistake(fmt::format("{} is listed twice; first at line {}", place(listen), other.where.line));
    }
    listeners.push_back(std::move(listen));
  }
  return listeners;
}

}  // namespace ferrule::mqtt
