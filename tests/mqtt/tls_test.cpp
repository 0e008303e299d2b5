// TLS listeners, with real handshakes on the loopback interface.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <filesystem>
#include <fstream>

#include "config/error.hpp"
#include "mqtt/tls.hpp"
#include "mqtt/tls_files.hpp"
#include "tls_client.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ListenSettings with(TlsSettings tls) {
  auto settings = on("127.0.0.1");
  settings.tls = std::move(tls);
  return settings;
}

TEST(Tls, ServesMqttInBothVersions) {
  LiveBroker broker(with(tls_of()));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(broker.port(), {.version = version});
    ASSERT_TRUE(client.connected());
    client.send(kConnect);
    client.expect("20 02 00 00");
    client.send("82 [ 0001 ('t') 01 ] 32 [ ('t') 0001 'x' ] C0 00");
    client.expect("90 [ 0001 01 ] 32 [ ('t') 0001 'x' ] 40 [ 0001 ] D0 00");
  }
  EXPECT_TRUE(broker.last_identity().encrypted);
  EXPECT_FALSE(broker.last_identity().certificate);
}

TEST(Tls, CarriesPacketsOfManyRecordsToAClientThatReadsSlowly) {
  LiveBroker broker(with(tls_of()));
  TlsClient client(broker.port());
  client.send("10 [ ('MQTT') 04 02 0000 ('a') ] 82 [ 0001 ('t') 00 ]");
  client.expect("20 02 00 00 90 [ 0001 00 ]");
  std::string expected;
  for (int i = 0; i < 30; ++i) {
    const auto packet = wire("30 [ ('t') '" + std::string(100'000, static_cast<char>('a' + i % 26)) + "' ]");
    client.send_bytes(packet);
    expected += packet;
  }
  EXPECT_TRUE(client.receive(expected.size()) == expected);
}

TEST(Tls, RefusesVersionsBelowTheLeastAndSaysSo) {
  auto tls = tls_of();
  tls.only_tls13 = true;
  LiveBroker broker(with(tls));
  EXPECT_FALSE(TlsClient(broker.port(), {.version = TLS1_2_VERSION}).connected());
  EXPECT_TRUE(TlsClient(broker.port(), {.version = TLS1_3_VERSION}).connected());
  EXPECT_EQ(broker.counters().failed_tls, 1U);
}

TEST(Tls, CountsPlainMqttAndGarbageAsFailedHandshakes) {
  LiveBroker broker(with(tls_of()));
  for (const std::string& bytes : {wire(kConnect), std::string("GET / HTTP/1.1\r\n\r\n"), std::string(300, '\xff')}) {
    SocketClient client(broker.port());
    client.send_bytes(bytes);
    client.receive_all();
  }
  EXPECT_EQ(broker.counters().failed_tls, 3U);
  TlsClient client(broker.port());
  client.send(kConnect);
  client.expect("20 02 00 00");
}

TEST(Tls, TakesTheIdentityFromTheCertificateOfTheClient) {
  LiveBroker broker(with(tls_of("server", ClientCertificate::Required)));
  TlsClient client(broker.port(), {.certificate = "client"});
  client.send(kConnect);
  client.expect("20 02 00 00");
  const auto identity = broker.last_identity();
  EXPECT_EQ(identity.listener, 3U);
  EXPECT_EQ(identity.address, "127.0.0.1");
  ASSERT_TRUE(identity.certificate);
  EXPECT_EQ(identity.certificate->identity, "hmi");
  EXPECT_EQ(identity.certificate->common_name, "hmi");
  EXPECT_EQ(identity.certificate->subject, "O=Plant,CN=hmi");
  EXPECT_THAT(identity.certificate->dns, ElementsAre("hmi.plant"));
  EXPECT_THAT(identity.certificate->emails, ElementsAre("hmi@plant.example"));
  EXPECT_THAT(identity.certificate->uris, ElementsAre("urn:plant:hmi"));
  EXPECT_THAT(identity.certificate->addresses, ElementsAre("192.0.2.7"));
}

TEST(Tls, TakesTheIdentityFromWhereTheListenerSays) {
  for (const auto& [where, expected] : {std::pair{CertificateIdentity::SanDns, "hmi.plant"},
                                        {CertificateIdentity::SanEmail, "hmi@plant.example"},
                                        {CertificateIdentity::SanUri, "urn:plant:hmi"},
                                        {CertificateIdentity::Subject, "O=Plant,CN=hmi"}}) {
    auto tls = tls_of("server", ClientCertificate::Required);
    tls.identity = where;
    LiveBroker broker(with(tls));
    TlsClient client(broker.port(), {.certificate = "client"});
    client.send(kConnect);
    client.expect("20 02 00 00");
    EXPECT_EQ(broker.last_identity().certificate.value_or(PeerCertificate{}).identity, expected);
  }
}

/// True when the broker serves a client with that certificate ("" for none).
bool serves(LiveBroker& broker, const std::string& certificate) {
  TlsClient client(broker.port(), {.certificate = certificate});
  if (!client.connected()) return false;
  const auto connect = wire(kConnect);
  client.send_bytes(connect);  // in TLS 1.3 the handshake of the client ends before the server's
  return client.receive(4).size() == 4;
}

TEST(Tls, RefusesStrangersAndTheRevoked) {
  auto tls = tls_of("server", ClientCertificate::Required);
  tls.crl = certificates() + "/ca.crl";
  LiveBroker broker(with(tls));
  EXPECT_TRUE(serves(broker, "client"));
  EXPECT_FALSE(serves(broker, ""));
  EXPECT_FALSE(serves(broker, "stranger"));
  EXPECT_FALSE(serves(broker, "revoked"));
  EXPECT_EQ(broker.counters().failed_tls, 3U);
}

TEST(Tls, AnOptionalCertificateMayBeMissingButNotWrong) {
  LiveBroker broker(with(tls_of("server", ClientCertificate::Optional)));
  EXPECT_TRUE(serves(broker, ""));
  EXPECT_FALSE(broker.last_identity().certificate);
  EXPECT_TRUE(serves(broker, "client"));
  EXPECT_TRUE(broker.last_identity().certificate);
  EXPECT_FALSE(serves(broker, "stranger"));
}

TEST(Tls, ChoosesTheCertificateByTheNameThatIsAskedFor) {
  auto tls = tls_of();
  tls.sni.push_back(tls_of("other").certificate);
  LiveBroker broker(with(tls));
  for (const auto& [name, server] : {std::pair{"localhost", "localhost"},
                                     {"other.plant", "other.plant"},
                                     {"a.wild.plant", "other.plant"},
                                     {"nobody.example", "localhost"}}) {
    EXPECT_EQ(TlsClient(broker.port(), {.server_name = name}).server(), server) << name;
  }
}

TEST(Tls, ResumesSessionsByTicketWithTheIdentityOfBefore) {
  LiveBroker broker(with(tls_of("server", ClientCertificate::Required)));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient first(broker.port(), {.certificate = "client", .version = version});
    first.send(kConnect);
    first.expect("20 02 00 00");
    SSL_SESSION* session = first.session();
    TlsClient second(broker.port(), {.certificate = "client", .version = version, .session = session});
    SSL_SESSION_free(session);
    EXPECT_TRUE(second.resumed());
    second.send("10 [ ('MQTT') 04 02 0000 ('b') ]");
    second.expect("20 02 00 00");
    EXPECT_EQ(broker.last_identity().certificate.value_or(PeerCertificate{}).identity, "hmi");
  }
  EXPECT_EQ(broker.counters().resumed_tls, 2U);
}

/// A copy of the certificates that a test may replace.
class TlsFiles : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string file(const std::string& name) const { return directory_ + "/" + name; }
  void place(const std::string& from, const std::string& to) const {
    std::filesystem::copy_file(certificates() + "/" + from, file(to + ".new"));
    std::filesystem::rename(file(to + ".new"), file(to));
  }

  TlsSettings placed(const std::string& certificate) const {
    place(certificate + ".crt", "x.crt");
    place(certificate + ".key", "x.key");
    TlsSettings tls;
    tls.certificate = {file("x.crt"), file("x.key"), {"ferrule.yaml", 3, 4}, {"ferrule.yaml", 5, 6}};
    return tls;
  }
  std::string directory_ = certificates() + "/replaced";
};

TEST_F(TlsFiles, AreReadAgainWithoutDroppingSessions) {
  LiveBroker broker(with(placed("server")));
  TlsClient old(broker.port());
  old.send(kConnect);
  old.expect("20 02 00 00");
  EXPECT_EQ(old.server(), "localhost");
  SSL_SESSION* ticket = old.session();
  placed("other");
  broker.reload_certificates();
  EXPECT_EQ(TlsClient(broker.port()).server(), "other.plant");
  EXPECT_FALSE(TlsClient(broker.port(), {.session = ticket}).resumed()) << "what was verified before is verified again";
  SSL_SESSION_free(ticket);
  old.send("C0 00");
  old.expect("D0 00");
}

TEST_F(TlsFiles, ThatCannotBeUsedLeaveTheOldOnesInForce) {
  LiveBroker broker(with(placed("server")));
  place("other.crt", "x.crt");  // the key is still that of `server`
  broker.reload_certificates();
  EXPECT_EQ(TlsClient(broker.port()).server(), "localhost");
  place("other.key", "x.key");
  broker.reload_certificates();
  EXPECT_EQ(TlsClient(broker.port()).server(), "other.plant");
}

std::string finding_of(const TlsSettings& tls, TlsFinding::Part part, bool warning) {
  for (const auto& finding : check_files(tls)) {
    if (finding.part == part && finding.warning == warning) return finding.message;
  }
  return "none";
}

TEST_F(TlsFiles, AreCheckedOneByOne) {
  using Part = TlsFinding::Part;
  auto tls = placed("server");
  EXPECT_TRUE(check_files(tls).empty());
  EXPECT_THAT(finding_of(placed("expired"), Part::Cert, true), HasSubstr("expired on 2020-01-01"));
  tls = placed("server");
  place("other.key", "x.key");
  EXPECT_THAT(finding_of(tls, Part::Key, false), HasSubstr("is not that of the certificate"));
  std::ofstream(file("x.key")) << "nonsense";
  EXPECT_THAT(finding_of(tls, Part::Key, false), HasSubstr("holds no private key"));
  std::ofstream(file("x.crt")) << "nonsense";
  EXPECT_THAT(finding_of(tls, Part::Cert, false), HasSubstr("holds no certificate"));
  std::filesystem::remove(file("x.crt"));
  EXPECT_THAT(finding_of(tls, Part::Cert, false), HasSubstr("No such file"));
  tls = placed("server");
  tls.client_certificate = ClientCertificate::Required;
  tls.ca = file("x.key");
  tls.crl = file("x.crt");
  EXPECT_THAT(finding_of(tls, Part::Ca, false), HasSubstr("holds no certificate"));
  EXPECT_THAT(finding_of(tls, Part::Crl, false), HasSubstr("holds no revocation list"));
}

TEST_F(TlsFiles, ThatAreWrongAtTheStartAreAMistakeAtTheirPlace) {
  auto tls = placed("server");
  place("other.key", "x.key");
  try {
    const TlsContext context(tls);
    FAIL() << "used a key of another certificate";
  } catch (const config::Error& error) {
    EXPECT_EQ(error.mistakes().at(0).where.line, 5);
    EXPECT_EQ(error.mistakes().at(0).where.column, 6);
  }
}

}  // namespace
}  // namespace ferrule::mqtt::testing
