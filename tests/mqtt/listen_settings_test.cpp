// The `broker.listen` section, given as YAML; and the places it names, on real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/error.hpp"
#include "live_broker.hpp"
#include "mqtt/settings.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using ::testing::HasSubstr;

struct Parsed {
  std::vector<ListenSettings> listen;
  std::string mistakes, warnings;
};

/// Of `broker: {listen: [LISTENER]}`, in a file beside the certificates.
Parsed parsed(const std::string& listener) {
  Parsed result;
  const auto document =
      config::Document::parse("broker:\n  listen:\n  - " + listener + "\n", certificates() + "/ferrule.yaml");
  try {
    result.listen = read_broker(document.root()["broker"]).listen;
    document.finish();
  } catch (const config::Error& error) {
    result.mistakes = error.what();
  }
  for (const auto& warning : document.warnings()) result.warnings += warning.text();
  return result;
}

ListenSettings listen(const std::string& text) {
  const auto result = parsed(text);
  EXPECT_EQ(result.mistakes, "");
  return result.listen.at(0);
}

TEST(ListenSettings, ReadTls) {
  const auto settings = listen(
      "{tls: {cert: server.crt, key: server.key, ca: ca.crt, crl: ca.crl, client_certificate: optional, identity: "
      "san-uri, "
      "min_version: 1.3, sni: [{cert: other.crt, key: other.key}]}}");
  EXPECT_EQ(settings.port, 8883);
  ASSERT_TRUE(settings.tls);
  EXPECT_EQ(settings.tls->certificate.cert, certificates() + "/server.crt");
  EXPECT_EQ(settings.tls->client_certificate, ClientCertificate::Optional);
  EXPECT_EQ(settings.tls->identity, CertificateIdentity::SanUri);
  EXPECT_TRUE(settings.tls->only_tls13);
  EXPECT_EQ(settings.tls->sni.at(0).key, certificates() + "/other.key");
}

TEST(ListenSettings, WhoNamesACaRequiresCertificates) {
  EXPECT_EQ(listen("{tls: {cert: server.crt, key: server.key, ca: ca.crt}}").tls->client_certificate,
            ClientCertificate::Required);
  EXPECT_EQ(listen("{tls: {cert: server.crt, key: server.key}}").tls->client_certificate, ClientCertificate::None);
}

TEST(ListenSettings, ReadTheOtherPlaces) {
  auto settings = listen("{unix: m.sock, mode: 0600, name: tools, max_connections: 7}");
  EXPECT_EQ(settings.unix_path, certificates() + "/m.sock");
  EXPECT_EQ(settings.mode, 0600U);
  EXPECT_EQ(settings.name, "tools");
  EXPECT_EQ(settings.max_connections, 7U);
  EXPECT_EQ(listen("{systemd: mqtt, anonymous: true}").systemd, "mqtt");
  settings = listen("{protocol: websocket, path: /mqtt, origins: [\"https://hmi.plant\"]}");
  EXPECT_EQ(settings.port, 8083);
  EXPECT_EQ(settings.protocol, Protocol::WebSocket);
  EXPECT_EQ(settings.path, "/mqtt");
  EXPECT_EQ(settings.origins.at(0), "https://hmi.plant");
  EXPECT_EQ(listen("{port: 0, proxy_protocol: [10.0.0.2, \"fd00::/8\"]}").proxies.size(), 2U);
}

struct Mistaken {
  const char* name;
  const char* listener;
  const char* message;
};

class WrongListeners : public ::testing::TestWithParam<Mistaken> {};

TEST_P(WrongListeners, AreExplained) {
  EXPECT_THAT(parsed(GetParam().listener).mistakes, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongListeners,
    ::testing::Values(
        Mistaken{"NoKey", "{tls: {cert: server.crt}}", "listen[0].tls.key: is missing"},
        Mistaken{"NoFile", "{tls: {cert: gone.crt, key: server.key}}", "tls.cert: cannot read"},
        Mistaken{"OtherKey", "{tls: {cert: server.crt, key: other.key}}", "tls.key: the key"},
        Mistaken{"OtherKeyBySni",
                 "{tls: {cert: server.crt, key: server.key, sni: [{cert: other.crt, key: server.key}]}}",
                 "tls.sni[0].key: the key"},
        Mistaken{"NoCa", "{tls: {cert: server.crt, key: server.key, client_certificate: required}}", "needs a ca"},
        Mistaken{"UselessCrl", "{tls: {cert: server.crt, key: server.key, crl: ca.crl}}", "tls.crl: has no use"},
        Mistaken{"OldVersion", "{tls: {cert: server.crt, key: server.key, min_version: 1.1}}",
                 "must be one of 1.2, 1.3"},
        Mistaken{"TwoPlaces", "{unix: m.sock, port: 1883}", "listen[0].port: cannot stand beside unix"},
        Mistaken{"LongPath",
                 "{unix: "
                 "/run/"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                 "xxxxx}",
                 "is too long for a socket"},
        Mistaken{"Mode", "{unix: m.sock, mode: rw}", "must be a file mode in octal"},
        Mistaken{"DualStackOfOne", "{port: 1883, bind: \"::1\", dual_stack: true}",
                 "is for the bind address \"::\" only"},
        Mistaken{"PathOfMqtt", "{port: 1883, path: /mqtt}", "is for protocol: websocket only"},
        Mistaken{"RelativePath", "{protocol: websocket, path: mqtt}", "must begin with /"},
        Mistaken{"Origin", "{protocol: websocket, origins: [hmi.plant]}", "must be an origin"},
        Mistaken{"Proxy", "{port: 0, proxy_protocol: [proxy.plant]}", "must be the address of a proxy"},
        Mistaken{"NoProxies", "{port: 0, proxy_protocol: []}", "must list the proxies"},
        Mistaken{"ProxyOnUnix", "{unix: m.sock, proxy_protocol: [10.0.0.2]}", "works with TCP only"}),
    [](const auto& wrong) { return wrong.param.name; });

TEST(ListenSettings, AnExpiredCertificateIsAWarningAtItsPlace) {
  const auto result = parsed("{tls: {cert: expired.crt, key: expired.key}}");
  EXPECT_EQ(result.mistakes, "");
  EXPECT_THAT(result.warnings, HasSubstr("ferrule.yaml:3:18: warning: broker.listen[0].tls.cert: the certificate"));
  EXPECT_THAT(result.warnings, HasSubstr("expired on 2020-01-01"));
}

// Unix sockets

ListenSettings unix_socket() {
  auto settings = on("");
  settings.unix_path = certificates() + "/live.sock";
  settings.mode = 0620;
  return settings;
}

TEST(UnixSocket, TellsWhoTheClientIs) {
  LiveBroker broker(unix_socket());
  struct stat status {};
  ASSERT_EQ(::stat(unix_socket().unix_path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0620U);
  SocketClient client(unix_socket().unix_path);
  client.send(kConnect);
  client.expect("20 02 00 00");
  const auto identity = broker.last_identity();
  EXPECT_EQ(identity.address, "");
  ASSERT_TRUE(identity.process);
  EXPECT_EQ(identity.process->uid, ::geteuid());
  EXPECT_EQ(identity.process->pid, ::getpid());
}

TEST(UnixSocket, ReplacesWhatADeadProgramLeftAndIsGoneWithItsListener) {
  {
    Loop loop;
    const Listener first(loop, unix_socket(), 0, [](auto) {});
    std::filesystem::rename(unix_socket().unix_path, unix_socket().unix_path + ".kept");
  }
  std::filesystem::rename(unix_socket().unix_path + ".kept", unix_socket().unix_path);
  {
    LiveBroker broker(unix_socket());
    SocketClient client(unix_socket().unix_path);
    client.send(kConnect);
    client.expect("20 02 00 00");
  }
  EXPECT_FALSE(std::filesystem::exists(unix_socket().unix_path));
}

std::string refusal_of(const ListenSettings& settings) {
  Loop loop;
  try {
    const Listener listener(loop, settings, 0, [](auto) {});
  } catch (const config::Error& error) {
    return error.mistakes().at(0).message;
  }
  return "none";
}

TEST(UnixSocket, LeavesALiveProgramsSocketAndOtherFilesAlone) {
  {
    LiveBroker broker(unix_socket());
    EXPECT_THAT(refusal_of(unix_socket()), HasSubstr("is in use by another program"));
    SocketClient client(unix_socket().unix_path);
  }
  std::ofstream(unix_socket().unix_path) << "a file";
  EXPECT_THAT(refusal_of(unix_socket()), HasSubstr("exists and is no socket"));
  std::filesystem::remove(unix_socket().unix_path);
}

// Others

TEST(SystemdSocket, MustHaveBeenPassed) {
  auto settings = on("");
  settings.systemd = "mqtt";
  EXPECT_THAT(refusal_of(settings), HasSubstr("systemd passed no socket \"mqtt\""));
}

TEST(Listener, RefusesConnectionsBeyondItsOwnLimit) {
  auto settings = on("127.0.0.1");
  settings.max_connections = 2;
  LiveBroker broker(settings);
  SocketClient first(broker.port());
  first.send(kConnect);
  first.expect("20 02 00 00");
  {
    SocketClient second(broker.port());
    second.send("10 [ ('MQTT') 04 02 0000 ('b') ]");
    second.expect("20 02 00 00");
    SocketClient third(broker.port());
    EXPECT_EQ(third.receive_all(), "");
    EXPECT_EQ(broker.counters().refused_full, 1U);
    second.send("E0 00");
    EXPECT_TRUE(second.ended());
  }
  while (broker.ask([](Broker& one) { return one.counters().connections; }) > 1) std::this_thread::yield();
  broker.ask([](Broker& one) { return one.tick(), true; });
  SocketClient next(broker.port());
  next.send("10 [ ('MQTT') 04 02 0000 ('c') ]");
  next.expect("20 02 00 00");
}

}  // namespace
}  // namespace ferrule::mqtt::testing
