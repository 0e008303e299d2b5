// Who is let in: by password, by certificate, by SCRAM, or without a name.
#include <gtest/gtest.h>

#include "access_world.hpp"
#include "mqtt/crypto.hpp"
#include "mqtt/scram.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kUsers = R"(
  users:
    hmi: {password: right, subscribe: ["#"], publish: ["#"]}
    scada: {password: other, subscribe: ["#"], publish: ["#"]}
)";
constexpr const char* kWrong5 = "20 [ 00 86 [ 1F ('wrong user name or password') ] ]";

PeerIdentity with_certificate(std::string name, std::size_t listener = 0) {
  PeerIdentity identity = from("192.0.2.1", listener);
  identity.certificate.emplace().identity = std::move(name);
  return identity;
}

// By password

TEST(Login, WithTheRightPasswordIsLetIn) {
  World world(broker_settings(kUsers));
  world.connect().send(login("a", "hmi", "right")).expect("20 02 00 00");
  world.connect().send(login5("b", "scada", "other")).expect(kConnack5);  // and nothing of a method [MQTT-4.12.0-6]
  EXPECT_EQ(world.broker.counters().clients_connected, 2U);
}

TEST(Login, WithAnotherPasswordOrNameIsRefused_MQTT_3_1_4_2) {
  World world(broker_settings(kUsers));
  for (const auto& [user, password] : {std::pair("hmi", "wrong"), {"hmi", ""}, {"hmi", "other"}, {"nobody", "right"}}) {
    world.connect().send(login("a", user, password)).expect("20 02 00 04").expect_closed();
    world.advance(10min);
    world.connect().send(login5("a", user, password)).expect(kWrong5).expect_closed();
    world.advance(10min);
  }
  EXPECT_EQ(world.broker.counters().logins_failed, 8U);
  EXPECT_EQ(world.broker.counters().clients_connected, 0U);
}

TEST(Login, IsNeededOnceAUserExists) {
  World world(broker_settings(kUsers));
  world.connect().send("10 [ ('MQTT') 04 02 0000 ('a') ]").expect("20 02 00 05").expect_closed();
  world.connect()
      .send("10 [ ('MQTT') 05 02 0000 [] ('a') ]")
      .expect("20 [ 00 87 [ 1F ('needs a user name and a password') ] ]")
      .expect_closed();
  world.connect().send("10 [ ('MQTT') 04 82 0000 ('a') ('hmi') ]").expect("20 02 00 04").expect_closed();
}

TEST(Login, IsIgnoredWhereNoUsersExist) {
  World world;
  world.connect().send(login("a", "anybody", "anything")).expect("20 02 00 00");
}

TEST(Login, ByAPasswordFileOfMosquittoIsLetIn) {
  BrokerSettings settings;
  settings.access.restricted = true;
  settings.access.users["alice"].credentials.hash = *PasswordHash::parse(
      "$7$101$lf1sIFC0HQf+sdPZ$Qy4GRbFWoDdIflPeGSImur5fZCoKkK+zI5T8eZYjyCqa8ZE5unsfuZS1h2cKxGg1D6C8T1Ue7hlTzRZVAwO06A="
      "=");
  World world(settings);
  world.connect().send(login("a", "alice", "right horse")).expect("20 02 00 00");
  world.connect().send(login("b", "alice", "wrong horse")).expect("20 02 00 04").expect_closed();
}

TEST(Login, MayBeLimitedToSomeUsersOfAListener) {
  World world(broker_settings(std::string(kUsers) + "  listen: [{port: 1}, {port: 2, users: [scada]}]\n"));
  world.connect(from("192.0.2.1", 1)).send(login("a", "scada", "other")).expect("20 02 00 00");
  // The right password is answered as a wrong one: whoever guesses here learns nothing.
  world.connect(from("192.0.2.1", 1)).send(login5("b", "hmi", "right")).expect(kWrong5).expect_closed();
  world.connect(from("192.0.2.1", 0)).send(login("b", "hmi", "right")).expect("20 02 00 00");
}

TEST(Login, AnonymousIsLetInWhereAListenerSaysSo) {
  World world(broker_settings(std::string(kUsers) + "  listen: [{port: 1, anonymous: true}, {port: 2}]\n"));
  world.connect(from("127.0.0.1", 0)).send("10 [ ('MQTT') 04 02 0000 ('a') ]").expect("20 02 00 00");
  world.connect(from("127.0.0.1", 1)).send("10 [ ('MQTT') 04 02 0000 ('b') ]").expect("20 02 00 05").expect_closed();
  world.connect(from("127.0.0.1", 0)).send(login("c", "hmi", "wrong")).expect("20 02 00 04").expect_closed();
}

// Checks that take their time

TEST(Login, KeepsWhatComesWhileThePasswordIsChecked) {
  HeldChecks checks;
  World world(broker_settings(kUsers));
  world.broker.check_passwords_with(checks);
  Peer peer = world.connect();
  peer.send(login("a", "hmi", "right") + " 82 [ 0001 ('x') 00 ] C000").expect_nothing();
  EXPECT_TRUE(peer.wire().paused);
  peer.send("30 [ ('x') 'late' ]").expect_nothing();
  checks.run_one();
  world.turn();
  peer.expect("20020000 90 [ 0001 00 ] D000 30 [ ('x') 'late' ]");
  EXPECT_FALSE(peer.wire().paused);
}

TEST(Login, OfOthersGoesOnWhileOnePasswordIsChecked) {
  HeldChecks checks;
  World world(broker_settings(kUsers));
  world.broker.check_passwords_with(checks);
  Peer one = world.connect(), other = world.connect();
  one.send(login("a", "hmi", "wrong"));
  other.send(login("b", "hmi", "right"));
  EXPECT_EQ(checks.waiting(), 2U);
  checks.run_one();
  checks.run_one();
  world.turn();
  one.expect("20020004").expect_closed();
  other.expect("20020000");
}

TEST(Login, BeyondTheQueueOfChecksIsToldBusy) {
  HeldChecks checks;
  checks.limit = 1;
  World world(broker_settings(kUsers));
  world.broker.check_passwords_with(checks);
  Peer first = world.connect();
  first.send(login("a", "hmi", "right"));
  world.connect()
      .send(login5("b", "hmi", "right"))
      .expect("20 [ 00 89 [ 1F ('too many logins at once; try again later') ] ]")
      .expect_closed();
  world.connect().send(login("c", "hmi", "right")).expect("20 02 00 03").expect_closed();
  EXPECT_EQ(world.broker.counters().logins_busy, 2U);
  checks.run_one();
  world.turn();
  first.expect("20020000");
}

TEST(Login, ThatIsGoneWhenItsPasswordWasCheckedIsForgotten) {
  HeldChecks checks;
  World world(broker_settings(kUsers));
  world.broker.check_passwords_with(checks);
  Peer gone = world.connect(), slow = world.connect();
  gone.send(login("a", "hmi", "right")).drop();
  slow.send(login("b", "hmi", "right"));
  world.advance(10s);
  slow.expect_closed();
  checks.run_one();
  checks.run_one();
  world.turn();
  EXPECT_EQ(world.broker.counters().clients_connected, 0U);
  EXPECT_EQ(world.broker.counters().connect_timeouts, 1U);
}

TEST(Login, OfAUserWhoVanishedMeanwhileIsRefused) {
  HeldChecks checks;
  World world(broker_settings(kUsers));
  world.broker.check_passwords_with(checks);
  Peer peer = world.connect();
  peer.send(login("a", "hmi", "right"));
  world.broker.set_access(access("  users: {scada: {password: other, subscribe: [\"#\"]}}\n"));
  checks.run_one();
  world.turn();
  peer.expect("20020004").expect_closed();
}

// Guessing

TEST(Login, ThatFailsTooOftenShutsItsAddressOutForGrowingTimes) {
  World world(broker_settings(kUsers));
  const auto guess = [&](const char* password) {
    Peer peer = world.connect(from("198.51.100.7"));
    peer.send(login5("a", "hmi", password));
    return peer.take();
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(hex(guess("wrong")), hex(wire(kWrong5)));
  const std::string shut_out = hex(wire("20 [ 00 8A [ 1F ('too many failed logins; try again later') ] ]"));
  EXPECT_EQ(hex(guess("right")), shut_out);
  world.connect(from("192.0.2.9")).send(login("b", "hmi", "right")).expect("20 02 00 00");  // others are not
  world.advance(1s);
  EXPECT_EQ(hex(guess("wrong")), hex(wire(kWrong5)));
  world.advance(1s);
  EXPECT_EQ(hex(guess("right")), shut_out);  // two seconds now
  world.advance(1s);
  EXPECT_EQ(hex(guess("right")), hex(wire(kConnack5)));
  EXPECT_EQ(world.broker.counters().logins_shut_out, 2U);
}

TEST(Login, FromLoopbackIsNeverShutOutForLong) {
  World world(broker_settings(kUsers));
  for (int i = 0; i < 200; ++i) {
    world.connect(from("127.0.0.1")).send(login("a", "hmi", "wrong")).take();
    world.advance(100ms);
  }
  world.advance(5s);
  world.connect(from("127.0.0.1")).send(login("a", "hmi", "right")).expect("20 02 00 00");
}

TEST(Login, WithoutANameIsNotShutOut) {
  World world(broker_settings(std::string(kUsers) + "  listen: [{port: 1, anonymous: true}]\n"));
  for (int i = 0; i < 6; ++i) world.connect().send(login("a", "hmi", "wrong"));
  world.connect().send("10 [ ('MQTT') 04 02 0000 ('b') ]").expect("20 02 00 00");
}

// By certificate

constexpr const char* kCertificates = R"(
  listen:
    - {port: 1}
    - {port: 2}
  users: {press4: {password: x, publish: ["press4/#"]}}
  everyone: {publish: ["clients/%u/#"]}
)";

BrokerSettings certificate_settings() {
  auto settings = broker_settings(kCertificates);
  settings.access.listeners[0].certificate_login = true;
  return settings;
}

TEST(Login, ByCertificateTakesItsNameAsTheUser) {
  World world(certificate_settings());
  Peer peer = world.connect(with_certificate("press4"));
  peer.send("10 [ ('MQTT') 05 02 0000 [] ('a') ]").expect(kConnack5);
  peer.send("32 [ ('press4/x') 0001 [] ]").expect("40 [ 0001 10 ]");
  Peer unknown = world.connect(with_certificate("press5"));
  unknown.send("10 [ ('MQTT') 05 02 0000 [] ('b') ]").expect(kConnack5);
  unknown.send("32 [ ('press4/x') 0001 [] ]").expect("40 [ 0001 87 [ 1F ('no rule allows it') ] ]");
  unknown.send("32 [ ('clients/press5/x') 0002 [] ]").expect("40 [ 0002 10 ]");
}

TEST(Login, ByCertificateIsForListenersThatSaySo) {
  World world(certificate_settings());
  world.connect(with_certificate("press4", 1)).send("10 [ ('MQTT') 04 02 0000 ('a') ]").expect("20020005");
  world.connect(with_certificate("", 0)).send("10 [ ('MQTT') 04 02 0000 ('a') ]").expect("20020005");
  // A user name beside it has to be the same, or needs its password.
  world.connect(with_certificate("press4")).send("10 [ ('MQTT') 04 82 0000 ('a') ('press4') ]").expect("20020000");
  world.connect(with_certificate("press4")).send("10 [ ('MQTT') 04 82 0000 ('b') ('press5') ]").expect("20020004");
  world.connect(with_certificate("press5")).send(login("c", "press4", "x")).expect("20020000");
}

// By SCRAM: RFC 5802's client, from its formulas

struct ScramClient {
  std::string user, password;
  std::string bare = "n=" + user + ",r=client-nonce";
  std::string auth_message = {}, salted = {};

  std::string first() const { return "n,," + bare; }
  /// The final message that answers a challenge.
  std::string final(const std::string& challenge) {
    const auto at = challenge.find(",s="), i = challenge.find(",i=");
    salted = pbkdf2_sha256(password, *from_base64(challenge.substr(at + 3, i - at - 3)),
                           static_cast<std::uint32_t>(std::stoul(challenge.substr(i + 3))));
    const std::string without_proof = "c=biws," + challenge.substr(0, at);
    auth_message = bare + "," + challenge + "," + without_proof;
    std::string key = hmac_sha256(salted, "Client Key");
    const std::string signature = hmac_sha256(sha256(key), auth_message);
    for (std::size_t n = 0; n < key.size(); ++n) key[n] = static_cast<char>(key[n] ^ signature[n]);
    return without_proof + ",p=" + to_base64(key);
  }
  std::string verifier() const {
    return "v=" + to_base64(hmac_sha256(hmac_sha256(salted, "Server Key"), auth_message));
  }
};

std::string scram_connect(const std::string& data, const std::string& method = "SCRAM-SHA-256") {
  return "10 [ ('MQTT') 05 02 0000 [ 15 ('" + method + "') 16 ('" + data + "') ] ('a') ]";
}

std::string auth(const char* reason, const std::string& data) {
  return "F0 [ " + std::string(reason) + " [ 15 ('SCRAM-SHA-256') 16 ('" + data + "') ] ]";
}

/// The data of an AUTH 0x18, everything before which is checked.
std::string challenge_of(Peer& peer) {
  const std::string bytes = peer.take();
  const auto at = bytes.find("r=client-nonce");
  if (at == std::string::npos) return "none";
  const std::string data = bytes.substr(at);
  EXPECT_EQ(hex(bytes), hex(wire(auth("18", data))));
  return data;
}

Peer scram_client(World& world, ScramClient client) {
  Peer peer = world.connect();
  peer.send(scram_connect(client.first()));
  peer.send(auth("18", client.final(challenge_of(peer))));
  peer.expect("20 [ 00 00 [ 21 0400 27 00100000 22 0020 15 ('SCRAM-SHA-256') 16 ('" + client.verifier() + "') ] ]");
  return peer;
}

TEST(LoginByScram, ProvesBothSides_MQTT_4_12_0_2) {  // AUTH and CONNACK in the client's method [MQTT-4.12.0-5]
  World world(broker_settings(kUsers));
  Peer peer = scram_client(world, {"hmi", "right"});
  peer.send("32 [ ('x') 0001 [] ]").expect("40 [ 0001 10 ]");
}

TEST(LoginByScram, WithAWrongPasswordOrAnUnknownNameIsRefusedAlike_MQTT_4_12_0_4) {
  World world(broker_settings(kUsers));
  for (ScramClient client : {ScramClient{"hmi", "wrong"}, ScramClient{"nobody", "right"}}) {
    Peer peer = world.connect();
    peer.send(scram_connect(client.first()));
    peer.send(auth("18", client.final(challenge_of(peer)))).expect(kWrong5).expect_closed();
  }
  EXPECT_EQ(world.broker.counters().logins_failed, 2U);
}

TEST(LoginByScram, OfAnUnknownNameSeesTheSameSaltEachTime) {
  World world(broker_settings(kUsers));
  std::vector<std::string> salts;
  for (int i = 0; i < 2; ++i) {
    Peer peer = world.connect();
    peer.send(scram_connect("n,,n=nobody,r=client-nonce"));
    const std::string challenge = challenge_of(peer);
    salts.push_back(challenge.substr(challenge.find(",s=")));
  }
  EXPECT_EQ(salts[0], salts[1]);
}

TEST(LoginByScram, TakesNothingButAuthBeforeConnack_MQTT_3_1_2_33) {
  World world(broker_settings(kUsers));
  Peer peer = world.connect();
  peer.send(scram_connect("n,,n=hmi,r=client-nonce"));
  challenge_of(peer);
  peer.send("C000").expect_closed();
  Peer leaving = world.connect();
  leaving.send(scram_connect("n,,n=hmi,r=client-nonce"));
  challenge_of(leaving);
  leaving.send("E000").expect_closed();
  EXPECT_EQ(world.broker.counters().protocol_errors, 1U);
}

TEST(LoginByScram, GoesOnInTheSameMethodAndInItsTurn_MQTT_4_12_0_3) {
  World world(broker_settings(kUsers));
  const auto begun = [&] {
    Peer peer = world.connect();
    peer.send(scram_connect("n,,n=hmi,r=client-nonce"));
    challenge_of(peer);
    return peer;
  };
  begun().send("F0 [ 18 [ 15 ('OTHER') 16 ('x') ] ]").expect_closed();
  begun().send("F000").expect_closed();  // without a method
  begun().send(auth("19", "n,,n=hmi,r=b")).expect_closed();
  EXPECT_EQ(world.broker.counters().protocol_errors, 3U);
}

TEST(LoginByScram, ByAnUnknownMethodIsRefused_MQTT_4_12_0_1) {
  const std::string refusal = "20 [ 00 8C [ 1F ('unknown authentication method') ] ]";
  World world(broker_settings(kUsers));
  world.connect().send(scram_connect("x", "GS2-KRB5")).expect(refusal).expect_closed();
  World open;
  open.connect().send(scram_connect("n,,n=hmi,r=x")).expect(refusal).expect_closed();
}

TEST(LoginByScram, WithAMalformedMessageIsRefused) {
  World world(broker_settings(kUsers));
  world.connect()
      .send(scram_connect("n,,r=x"))
      .expect("20 [ 00 87 [ 1F ('malformed SCRAM message') ] ]")
      .expect_closed();
}

TEST(LoginByScram, NeedsTimeAsAnyConnectDoes) {
  World world(broker_settings(kUsers));
  Peer peer = world.connect();
  peer.send(scram_connect("n,,n=hmi,r=client-nonce"));
  challenge_of(peer);
  world.advance(10s);
  peer.expect_closed();
  EXPECT_EQ(world.broker.counters().connect_timeouts, 1U);
}

TEST(LoginByScram, IsRepeatedWhileConnected_MQTT_4_12_1_1) {
  World world(broker_settings(kUsers));
  Peer peer = scram_client(world, {"hmi", "right"});
  for (int i = 0; i < 2; ++i) {
    ScramClient again{"hmi", "right"};
    peer.send(auth("19", again.first()));
    const std::string challenge = challenge_of(peer);
    peer.send("C000").expect("D000");  // under what it proved before
    peer.send(auth("18", again.final(challenge))).expect(auth("00", again.verifier()));
  }
}

TEST(LoginByScram, ThatFailsWhileConnectedEndsTheConnection_MQTT_4_12_1_2) {
  World world(broker_settings(kUsers));
  Peer wrong = scram_client(world, {"hmi", "right"});
  ScramClient again{"hmi", "wrong"};
  wrong.send(auth("19", again.first()));
  wrong.send(auth("18", again.final(challenge_of(wrong))))
      .expect("E0 [ 86 [ 1F ('wrong user name or password') ] ]")
      .expect_closed();
  Peer other = scram_client(world, {"hmi", "right"});
  other.send(auth("19", "n,,n=scada,r=x")).expect("E0 [ 87 [ 1F ('logs in again as another user') ] ]").expect_closed();
}

TEST(LoginByScram, AuthWithoutAMethodInConnectIsAViolation_MQTT_4_12_0_7) {
  World world(broker_settings(kUsers));
  Peer peer = world.connect();
  peer.send(login5("a", "hmi", "right")).expect(kConnack5);
  peer.send(auth("19", "n,,n=hmi,r=x"))
      .expect("E0 [ 82 [ 1F ('AUTH without an Authentication Method in CONNECT') ] ]")
      .expect_closed();
}

}  // namespace
}  // namespace ferrule::mqtt::testing
