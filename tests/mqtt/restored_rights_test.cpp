// Whose a session is, and what that one may do, after a restart and after a reload.
#include <gtest/gtest.h>

#include "access_world.hpp"
#include "machine.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

constexpr const char* kUsers = R"(
  listen: [{port: 1, name: plant}, {port: 2, name: office}]
  users:
    hmi:   {password: h, subscribe: ["t/#"], publish: ["t/#"]}
    other: {password: o, subscribe: ["t/#"], publish: ["t/#"]}
)";
constexpr const char* kLess = R"(
  listen: [{port: 1, name: plant}, {port: 2, name: office}]
  users:
    hmi:   {password: h, subscribe: ["t/b"], publish: ["t/b"]}
    other: {password: o, subscribe: ["t/#"], publish: ["t/#"]}
)";
constexpr const char* kWithoutHmi = R"(
  listen: [{port: 1, name: plant}, {port: 2, name: office}]
  users: {other: {password: o, subscribe: ["t/#"], publish: ["t/#"]}}
  everyone: {subscribe: ["t/#"], publish: ["t/#"]}
)";
constexpr const char* kHmi = "10 [ ('MQTT') 05 C0 0000 [ 11 00000E10 ] ('panel') ('hmi') ('h') ]";

class RestoredRights : public Persistence {
 protected:
  RestoredRights() { machine_ = std::make_unique<Machine>(fresh_, broker_settings(kUsers)); }
  /// A gateway that was killed, and started with this configuration.
  void restart(const char* yaml) {
    killed_.push_back(machine_->killed(killed_.empty() ? fresh_ : *killed_.back()));
    machine_ = std::make_unique<Machine>(*killed_.back(), broker_settings(yaml));
  }
  Peer connect(const std::string& packet, std::size_t listener = 0) {
    Peer peer = world().connect(from("192.0.2.1", listener));
    peer.send(packet);
    machine_->sync();
    return peer;
  }
  Peer subscribed() {
    Peer hmi = connect(kHmi);
    hmi.send("82 [ 0001 [] ('t/+') 01 ]");
    machine_->sync();
    hmi.take();
    return hmi;
  }

  Directory fresh_;
};

TEST_F(RestoredRights, HoldForWhatComesWhileItsClientIsAway) {
  subscribed().drop();
  machine_->sync();
  restart(kLess);
  world().publish("t/a", "", Qos::AtLeastOnce);
  world().publish("t/b", "", Qos::AtLeastOnce);
  EXPECT_EQ(world().broker.counters().deliveries_denied, 1U);
  EXPECT_EQ(world().broker.counters().queued, 1U);
}

TEST_F(RestoredRights, HoldForWhatWasQueuedAndForWhatWasInFlight) {
  Peer hmi = subscribed();
  world().publish("t/a", "sent", Qos::AtLeastOnce);
  world().publish("t/b", "sent", Qos::AtLeastOnce);
  machine_->sync();
  hmi.expect("32 [ ('t/a') 0001 [] 'sent' ] 32 [ ('t/b') 0002 [] 'sent' ]").drop();
  world().publish("t/a", "queued", Qos::AtLeastOnce);
  world().publish("t/b", "queued", Qos::AtLeastOnce);
  machine_->sync_all();
  restart(kLess);
  Peer back = connect(kHmi);
  machine_->sync();
  const std::string came = back.take();
  EXPECT_EQ(came.find("t/a"), std::string::npos);
  EXPECT_NE(came.find("sent"), std::string::npos);
  EXPECT_NE(came.find("queued"), std::string::npos);
  EXPECT_EQ(world().broker.counters().deliveries_denied, 2U);
}

TEST_F(RestoredRights, AreNoneForAUserWhoIsGoneWhateverEveryoneMay) {
  subscribed().drop();
  machine_->sync();
  restart(kWithoutHmi);
  world().publish("t/a", "", Qos::AtLeastOnce);
  EXPECT_EQ(world().broker.counters().queued, 0U);
  EXPECT_EQ(world().broker.counters().deliveries_denied, 1U);
}

TEST_F(RestoredRights, HoldForAWillThatWasDue) {
  Peer hmi =
      connect("10 [ ('MQTT') 05 CE 0000 [ 11 00000E10 ] ('panel') [ 18 0000000A ] ('t/a') ('dead') ('hmi') ('h') ]");
  hmi.take();
  restart(kLess);
  Peer watch = connect(login("watch", "other", "o"));
  watch.send("82 [ 0001 ('#') 00 ]").expect("20020000 90 [ 0001 00 ]");
  world().advance(std::chrono::seconds(11));
  watch.expect_nothing();
  EXPECT_EQ(world().broker.counters().publications_denied, 1U);
}

TEST_F(RestoredRights, KeepTheSessionForItsUser) {
  subscribed().drop();
  machine_->sync();
  restart(kUsers);
  connect("10 [ ('MQTT') 05 C0 0000 [] ('panel') ('other') ('o') ]")
      .expect("20 [ 00 85 [ 1F ('client identifier belongs to another user') ] ]")
      .expect_closed();
  restart(kWithoutHmi);  // nobody's now
  Peer other = connect("10 [ ('MQTT') 05 C0 0000 [] ('panel') ('other') ('o') ]");
  EXPECT_EQ(other.take().substr(2, 2), std::string(2, '\0'));  // no session present
}

TEST_F(RestoredRights, DependOnTheListenerByItsNameNotItsNumber) {
  const std::string anonymous = "10 [ ('MQTT') 05 00 0000 [ 11 00000E10 ] ('guest') ]";
  const auto yaml = [](const std::string& listen) {
    return "  listen: [" + listen + "]\n  users: {other: {password: o}}\n  everyone: {subscribe: [\"t/#\"]}\n";
  };
  machine_.reset();
  Directory own;
  const std::string closed = "{port: 1, name: plant}", open = "{port: 2, name: office, anonymous: true}";
  machine_ = std::make_unique<Machine>(own, broker_settings(yaml(closed + ", " + open)));
  Peer guest = connect(anonymous, 1);
  guest.send("82 [ 0001 [] ('t/+') 01 ]");
  machine_->sync();
  guest.drop();
  machine_->sync();
  const auto queued_with = [&](const std::string& listen) {
    const auto copy = machine_->killed(own);
    Machine after(*copy, broker_settings(yaml(listen)));
    after.world.publish("t/a", "", Qos::AtLeastOnce);
    after.sync();
    return after.world.broker.counters().queued;
  };
  EXPECT_EQ(queued_with(open + ", " + closed), 1U);
  EXPECT_EQ(queued_with("{port: 1, name: plant, anonymous: true}, {port: 2, name: office}"), 0U);
  EXPECT_EQ(queued_with("{port: 3, name: elsewhere, anonymous: true}"), 1U);  // it would be let in there
  EXPECT_EQ(queued_with("{port: 3, name: elsewhere}"), 0U);
}

// Share groups

constexpr const char* kGroup = "82 [ 0001 [] ('$share/g/t/+') 01 ]";

Peer member(World& world, const std::string& id, const std::string& user) {
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 05 C2 0000 [ 11 00000E10 ] ('" + id + "') ('" + user + "') ('" + user.substr(0, 1) + "') ]")
      .expect(kConnack5);
  peer.send(kGroup).expect("90 [ 0001 [] 01 ]");
  return peer;
}

TEST(SharedRights, LostByAReloadPassTheMemberOver) {
  World world{broker_settings(kUsers)};
  Peer hmi = member(world, "panel", "hmi"), other = member(world, "desk", "other");
  world.broker.set_access(access(kLess));  // t/+ is more than hmi may receive
  for (const char* payload : {"1", "2"}) world.publish("t/a", payload, Qos::AtLeastOnce);
  other.expect("32 [ ('t/a') 0001 [] '1' ] 32 [ ('t/a') 0002 [] '2' ]");
  hmi.expect_nothing();
  world.broker.set_access(access(kUsers));  // and back
  for (const char* payload : {"3", "4"}) world.publish("t/a", payload, Qos::AtLeastOnce);
  hmi.expect("32 [ ('t/a') 0001 [] '3' ]");
  other.expect("32 [ ('t/a') 0003 [] '4' ]");
}

TEST(SharedRights, LostByAReloadPassOnWhatTheMemberHadNotGot) {
  World world{broker_settings(kUsers)};
  Peer hmi = member(world, "panel", "hmi");
  world.publish("t/a", "1", Qos::AtLeastOnce);
  hmi.expect("32 [ ('t/a') 0001 [] '1' ]").drop();
  for (const char* topic : {"t/a", "t/b", "t/a"}) world.publish(topic, "2", Qos::AtLeastOnce);
  Peer other = member(world, "desk", "other");
  world.broker.set_access(access(kLess));
  world.turn();
  other.expect("32 [ ('t/a') 0001 [] '1' ] 32 [ ('t/a') 0002 [] '2' ] 32 [ ('t/a') 0003 [] '2' ]");
  Peer back = world.connect();
  back.send("10 [ ('MQTT') 05 C0 0000 [ 11 00000E10 ] ('panel') ('hmi') ('h') ]");
  back.expect(std::string(kConnack5Present) + " 32 [ ('t/b') 0003 [] '2' ]");  // which it still may receive
  EXPECT_EQ(world.broker.counters().deliveries_denied, 0U);
}

TEST(SharedRights, OfNobodyKeepNothing) {
  World world{broker_settings(kUsers)};
  Peer hmi = member(world, "panel", "hmi");
  world.broker.set_access(access(kLess));
  world.publish("t/a", "1", Qos::AtLeastOnce);
  hmi.expect_nothing();
}

}  // namespace
}  // namespace ferrule::mqtt::testing
