// What a client may publish, subscribe to and receive, and what a new set of rules changes for those who are there.
#include <gtest/gtest.h>

#include "access_world.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPlant = R"(
  users:
    hmi:      {password: h, subscribe: ["plant1/#", "!plant1/pay/#"], publish: ["plant1/+/+/set"]}
    readonly: {password: r, subscribe: ["plant1/#"]}
    admin:    {password: a, subscribe: ["#", "$SYS/#"], publish: ["#"]}
  clients:
    press4: {publish: ["press4/#"]}
  everyone: {subscribe: ["clients/%c/#", "users/%u/#"], publish: ["clients/%c/up", "!secret/#"]}
  anonymous: {subscribe: ["public/#"]}
  listen: [{port: 1}, {port: 2, anonymous: true}]
)";

struct Plant {
  World world{broker_settings(kPlant)};

  Peer user(const std::string& name, const std::string& id = {}) {
    Peer peer = world.connect();
    peer.send(login(id.empty() ? name : id, name, name.substr(0, 1))).expect("20020000");
    return peer;
  }
  Peer user5(const std::string& name, const std::string& id = {}) {
    Peer peer = world.connect();
    peer.send(login5(id.empty() ? name : id, name, name.substr(0, 1))).expect(kConnack5);
    return peer;
  }
  Peer anonymous(const std::string& id) {
    Peer peer = world.connect(from("127.0.0.1", 1));
    peer.send("10 [ ('MQTT') 04 02 0000 ('" + id + "') ]").expect("20020000");
    return peer;
  }
};

// Publishing

TEST(Authorization, OfAPublishIsByRule) {
  Plant plant;
  Peer admin = plant.user("admin");
  admin.send("82 [ 0001 ('#') 00 ]").expect("90 [ 0001 00 ]");
  Peer hmi = plant.user5("hmi");
  hmi.send("32 [ ('plant1/boiler/mode/set') 0001 [] '1' ]").expect("40 02 0001");
  admin.expect("30 [ ('plant1/boiler/mode/set') '1' ]");
  hmi.send("32 [ ('plant1/boiler/mode') 0002 [] '1' ]").expect("40 [ 0002 87 [ 1F ('no rule allows it') ] ]");
  hmi.send("34 [ ('plant1/boiler/mode') 0003 [] '1' ]").expect("50 [ 0003 87 [ 1F ('no rule allows it') ] ]");
  hmi.send("30 [ ('plant1/boiler/mode') [] '1' ]").expect_nothing();
  admin.expect_nothing();
  // 3.1.1 cannot say so: the acknowledgement ends it [MQTT-3.3.5-2 (3.1.1)].
  Peer old = plant.user("hmi", "old");
  old.send("32 [ ('plant1/boiler/mode') 0001 '1' ]").expect("40 02 0001");
  old.send("34 [ ('plant1/boiler/mode') 0002 '1' ]").expect("50 02 0002");
  admin.expect_nothing();
  EXPECT_EQ(plant.world.broker.counters().publications_denied, 5U);
}

TEST(Authorization, DeniesPublishingWhereOnlySubscribingIsAllowed) {
  Plant plant;
  plant.user5("readonly").send("32 [ ('plant1/x') 0001 [] ]").expect("40 [ 0001 87 [ 1F ('no rule allows it') ] ]");
}

TEST(Authorization, IsKnownToWhoPublishesForAClient) {
  Plant plant;
  plant.user("hmi", "panel");
  const auto& broker = plant.world.broker;
  EXPECT_TRUE(broker.may_publish("panel", "plant1/boiler/mode/set"));
  EXPECT_FALSE(broker.may_publish("panel", "plant1/boiler/mode"));
  EXPECT_FALSE(broker.may_publish("panel", "$SYS/x"));
  EXPECT_FALSE(broker.may_publish("nobody", "plant1/boiler/mode/set"));
}

TEST(Authorization, DoesNotRetainWhatItDenies) {
  Plant plant;
  plant.user("hmi").send("31 [ ('plant1/x') '1' ]");
  plant.user("admin").send("82 [ 0001 ('plant1/#') 00 ]").expect("90 [ 0001 00 ]");
}

TEST(Authorization, ByClientIdAndByPattern) {
  Plant plant;
  Peer press = plant.user5("readonly", "press4");
  press.send("32 [ ('press4/x') 0001 [] ]").expect("40 [ 0001 10 ]");
  press.send("32 [ ('clients/press4/up') 0002 [] ]").expect("40 [ 0002 10 ]");
  press.send("32 [ ('clients/press5/up') 0003 [] ]").expect("40 [ 0003 87 [ 1F ('no rule allows it') ] ]");
  plant.user5("readonly", "press5")
      .send("32 [ ('press4/x') 0001 [] ]")
      .expect("40 [ 0001 87 [ 1F ('no rule allows it') ] ]");
  // The user's own list is nearer than everyone's.
  plant.user5("admin").send("32 [ ('secret/x') 0001 [] ]").expect("40 [ 0001 10 ]");
}

TEST(Authorization, OfAWillIsAskedAtConnect_MQTT_3_1_4_2) {
  Plant plant;
  Peer admin = plant.user("admin");
  admin.send("82 [ 0001 ('#') 00 ]").expect("90 [ 0001 00 ]");
  plant.world.connect()
      .send("10 [ ('MQTT') 04 C6 0000 ('a') ('plant1/x') ('gone') ('hmi') ('h') ]")
      .expect("20020005")
      .expect_closed();
  Peer allowed = plant.world.connect();
  allowed.send("10 [ ('MQTT') 04 C6 0000 ('a') ('plant1/b/c/set') ('gone') ('hmi') ('h') ]").expect("20020000");
  allowed.drop();
  admin.expect("30 [ ('plant1/b/c/set') 'gone' ]");
}

TEST(Authorization, OfAWillIsAskedAgainWhenItIsPublished) {
  Plant plant;
  Peer admin = plant.user("admin");
  admin.send("82 [ 0001 ('#') 00 ]").expect("90 [ 0001 00 ]");
  Peer hmi = plant.world.connect();
  hmi.send("10 [ ('MQTT') 04 C6 0000 ('a') ('plant1/b/c/set') ('gone') ('hmi') ('h') ]").expect("20020000");
  plant.world.broker.set_access(access(R"(
  users: {hmi: {password: h}, admin: {password: a, subscribe: ["#"]}}
)"));
  hmi.drop();
  admin.expect_nothing();
}

// Subscribing and receiving

TEST(Authorization, OfASubscriptionHasAReasonForEachFilter_MQTT_3_8_4_6) {
  Plant plant;
  plant.user5("hmi")
      .send("82 [ 0001 [] ('plant1/x') 01 ('plant2/x') 01 ('plant1/pay/x') 00 ('#') 02 ('$SYS/#') 00 ]")
      .expect("90 [ 0001 [ 1F ('no rule allows it') ] 01 87 87 02 87 ]");
  plant.user("hmi", "old").send("82 [ 0001 ('plant1/x') 01 ('plant2/x') 01 ]").expect("90 [ 0001 01 80 ]");
  EXPECT_EQ(plant.world.broker.counters().subscriptions_denied, 4U);
}

TEST(Authorization, OfAWideSubscriptionIsAskedAtEachDelivery) {
  Plant plant;
  Peer hmi = plant.user("hmi");
  hmi.send("82 [ 0001 ('#') 00 ]").expect("90 [ 0001 00 ]");
  for (const char* topic :
       {"plant1/a", "plant2/a", "plant1/pay/a", "clients/hmi/a", "clients/other/a", "users/hmi/x"}) {
    plant.world.publish(topic, "");
  }
  hmi.expect("30 [ ('plant1/a') ] 30 [ ('clients/hmi/a') ] 30 [ ('users/hmi/x') ]");
  EXPECT_EQ(plant.world.broker.counters().deliveries_denied, 3U);
}

TEST(Authorization, OfRetainedPublicationsIsAskedForEach) {
  Plant plant;
  for (const char* topic : {"plant1/a", "plant1/pay/a", "plant2/a"}) {
    plant.world.publish(topic, "1", Qos::AtMostOnce, true);
  }
  Peer hmi = plant.user("hmi");
  hmi.send("82 [ 0001 ('#') 00 ]").expect("90 [ 0001 00 ] 31 [ ('plant1/a') '1' ]");
}

TEST(Authorization, OfASharedSubscriptionCoversAllOfIt) {
  Plant plant;
  plant.user5("hmi")
      .send("82 [ 0001 [] ('$share/g/plant1/#') 00 ('$share/g/plant1/a/#') 00 ]")
      .expect("90 [ 0001 [ 1F ('no rule allows it') ] 87 00 ]");
}

TEST(Authorization, OfAnonymousClientsIsTheirOwnList) {
  Plant plant;
  Peer guest = plant.anonymous("guest");
  guest.send("82 [ 0001 ('public/#') 00 ('plant1/#') 00 ('users/#') 00 ]").expect("90 [ 0001 00 80 80 ]");
  plant.world.publish("public/x", "1");
  guest.expect("30 [ ('public/x') '1' ]");
}

TEST(Authorization, RefusesClientIdsThatCouldNotStandInAPattern) {
  Plant plant;
  for (const char* id : {"+", "#", "a/b", "a+"}) {
    plant.world.connect().send(login(id, "hmi", "h")).expect("20020002").expect_closed();
  }
  // An id that we assign is fit.
  Peer peer = plant.world.connect();
  peer.send(login("", "hmi", "h")).expect("20020000");
}

TEST(Authorization, AllowsAnyClientIdWhereNoPatternUsesIt) {
  World world(broker_settings("  users: {hmi: {password: h, subscribe: [\"#\"]}}\n"));
  world.connect().send(login("a/b", "hmi", "h")).expect("20020000");
}

TEST(Authorization, KeepsASessionForItsUser_MQTT_3_1_4_3) {
  Plant plant;
  Peer hmi = plant.user("hmi", "panel");
  hmi.send("82 [ 0001 ('plant1/#') 00 ]").take();
  plant.world.connect()
      .send(login5("panel", "readonly", "r"))
      .expect("20 [ 00 85 [ 1F ('client identifier belongs to another user') ] ]")
      .expect_closed();
  plant.world.publish("plant1/a", "1");
  hmi.expect("30 [ ('plant1/a') '1' ]");
  plant.user("hmi", "panel");  // its own user takes it over
  hmi.expect_closed();
}

TEST(Authorization, GivesAVanishedUsersClientIdToAnother) {
  Plant plant;
  Peer hmi = plant.world.connect();
  hmi.send("10 [ ('MQTT') 04 C0 0000 ('panel') ('hmi') ('h') ]").expect("20020000");
  hmi.send("82 [ 0001 ('plant1/#') 01 ]").take();
  hmi.drop();
  plant.world.publish("plant1/a", "for hmi", Qos::AtLeastOnce);
  plant.world.broker.set_access(access("  users: {readonly: {password: r, subscribe: [\"plant1/#\"]}}\n"));
  Peer other = plant.world.connect();
  other.send("10 [ ('MQTT') 04 C0 0000 ('panel') ('readonly') ('r') ]").expect("20020000");  // no session present
}

// New rules

TEST(NewRules, HoldForWhoIsThere) {
  Plant plant;
  Peer hmi = plant.user5("hmi");
  hmi.send("82 [ 0001 [] ('plant1/#') 00 ]").expect("90 [ 0001 [] 00 ]");
  plant.world.broker.set_access(access(R"(
  users: {hmi: {password: other, subscribe: ["plant1/b"], publish: ["new/#"]}}
)"));
  plant.world.turn();
  plant.world.publish("plant1/a", "");
  plant.world.publish("plant1/b", "");
  hmi.expect("30 [ ('plant1/b') [] ]");
  hmi.send("32 [ ('new/x') 0001 [] ]").expect("40 [ 0001 10 ]");
  hmi.send("32 [ ('plant1/boiler/mode/set') 0002 [] ]").expect("40 [ 0002 87 [ 1F ('no rule allows it') ] ]");
}

TEST(NewRules, DisconnectWhoseUserVanishedAndNobodyElse) {
  Plant plant;
  Peer hmi = plant.user5("hmi"), old = plant.user("hmi", "old"), admin = plant.user5("admin");
  Peer guest = plant.anonymous("guest");
  plant.world.broker.set_access(access(R"(
  users: {admin: {password: a, subscribe: ["#"]}}
  listen: [{port: 1}, {port: 2}]
)"));
  plant.world.turn();
  hmi.expect("E0 [ 87 [ 1F ('no longer authorized') ] ]").expect_closed();
  old.expect_closed();
  guest.expect_closed();
  admin.send("C000").expect("D000");
}

TEST(NewRules, HoldForWhatWaitsInTheQueue) {
  Plant plant;
  const std::string connect = "10 [ ('MQTT') 04 C0 0000 ('panel') ('hmi') ('h') ]";
  Peer hmi = plant.world.connect();
  hmi.send(connect).expect("20020000").send("82 [ 0001 ('plant1/#') 01 ]").expect("90 [ 0001 01 ]").drop();
  plant.world.publish("plant1/a", "", Qos::AtLeastOnce);
  plant.world.publish("plant1/b", "", Qos::AtLeastOnce);
  plant.world.broker.set_access(access("  users: {hmi: {password: h, subscribe: [\"plant1/b\"]}}\n"));
  Peer back = plant.world.connect();
  back.send(connect).expect("20020100 32 [ ('plant1/b') 0002 ]");
  EXPECT_EQ(plant.world.broker.counters().deliveries_denied, 1U);
}

TEST(NewRules, EndRestrictionsAndBeginThem) {
  World world;
  Peer early = world.client("early");
  early.send("82 [ 0001 ('#') 00 ]").expect("90 [ 0001 00 ]");
  world.broker.set_access(access("  anonymous: {subscribe: [\"a\"]}\n"));
  world.publish("a", "");
  world.publish("b", "");
  early.expect("30 [ ('a') ]");
  world.broker.set_access(access("  listen: [{port: 1}]\n"));
  world.publish("b", "");
  early.expect("30 [ ('b') ]");
  world.broker.set_access(access("  users: {hmi: {password: h, subscribe: [\"#\"]}}\n"));
  world.turn();
  early.expect_closed();
}

}  // namespace
}  // namespace ferrule::mqtt::testing
