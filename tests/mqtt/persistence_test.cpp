// What survives when the broker's process is killed: sessions, what they hold, retained publications and wills.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "machine.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

TEST_F(Persistence, AcknowledgesWhenItIsOnDiskAndKeepsWhatItAcknowledged) {
  subscribed("sub", "1");
  Peer pub = world().client("pub");
  machine_->hold_disk();
  pub.send("32 [ ('t') 0001 'one' ]").expect_nothing();
  machine_->let_go();
  pub.expect("40 [ 0001 ]");
  machine_->hold_disk();
  pub.send("32 [ ('t') 0002 'two' ]").expect_nothing();
  kill();
  Peer sub = world().persistent("sub", true);
  machine_->sync();
  sub.expect("32 [ ('t') 0001 'one' ]");
}

TEST_F(Persistence, DoesNotLetOthersWaitForTheDisk) {
  subscribed("sub", "1");
  machine_->hold_disk();
  Peer pub = world().client("pub");
  pub.send("32 [ ('u') 0001 ]").expect("40 [ 0001 ]");
  Peer online = world().client("online");
  online.send("82 [ 0001 ('t') 02 ]").expect("90 [ 0001 02 ]");
  pub.send("34 [ ('t') 0002 ]").expect_nothing();
  online.expect("34 [ ('t') 0001 ]");  // a session that ends with its connection
}

TEST_F(Persistence, RepeatsQos1UnderItsPacketIdentifier_MQTT_4_4_0_1) {
  Peer sub = world().persistent("sub", false);
  sub.send("82 [ 0001 ('t') 01 ]");
  machine_->sync();
  Peer pub = world().client("pub");
  pub.send("32 [ ('t') 0001 'a' ] 32 [ ('t') 0002 'b' ] 32 [ ('t') 0003 'c' ]");
  machine_->sync();
  sub.expect("90 [ 0001 01 ] 32 [ ('t') 0001 'a' ] 32 [ ('t') 0002 'b' ] 32 [ ('t') 0003 'c' ]");
  sub.send("40 [ 0001 ]");
  machine_->sync_all();
  kill();
  Peer again = world().persistent("sub", true);
  machine_->sync();
  again.expect("3A [ ('t') 0002 'b' ] 3A [ ('t') 0003 'c' ]");
  again.send("40 [ 0002 ] 40 [ 0003 ]");
  world().publish("t", "d", Qos::AtLeastOnce);
  again.expect("32 [ ('t') 0004 'd' ]");
}

TEST_F(Persistence, SendsQos2OnlyOnceItIsOnDisk) {
  Peer sub = world().persistent("sub", false);
  sub.send("82 [ 0001 ('t') 02 ]");
  machine_->sync();
  sub.expect("90 [ 0001 02 ]");
  machine_->hold_disk();
  world().publish("t", "x", Qos::ExactlyOnce);
  sub.expect_nothing();
  machine_->let_go();
  sub.expect("34 [ ('t') 0001 'x' ]");
  machine_->hold_disk();
  sub.send("50 [ 0001 ]").expect_nothing();
  sub.send("50 [ 0001 ]").expect_nothing();  // its PUBREL waits
  machine_->let_go();
  sub.expect("62 [ 0001 ]");
}

TEST_F(Persistence, DoesNotRepeatAQos2PublicationThatWasReceived) {
  Peer sub = world().persistent("sub", false);
  sub.send("82 [ 0001 ('t') 02 ]");
  machine_->sync();
  for (const char* payload : {"a", "b", "c"}) world().publish("t", payload, Qos::ExactlyOnce);
  machine_->sync();
  sub.expect("90 [ 0001 02 ] 34 [ ('t') 0001 'a' ] 34 [ ('t') 0002 'b' ] 34 [ ('t') 0003 'c' ]");
  sub.send("50 [ 0001 ] 50 [ 0002 ]");
  machine_->sync();
  sub.expect("62 [ 0001 ] 62 [ 0002 ]").send("70 [ 0002 ]");
  machine_->sync_all();
  kill();
  Peer again = world().persistent("sub", true);
  machine_->sync();
  again.expect("62 [ 0001 ] 3C [ ('t') 0003 'c' ]");
}

TEST_F(Persistence, RemembersTheQos2PublicationsOfAClient_MQTT_4_3_3_10) {
  subscribed("sub", "2");
  Peer pub = world().persistent("pub", false);
  pub.send("34 [ ('t') 0007 'x' ] 34 [ ('t') 0008 'y' ]");
  machine_->sync();
  pub.expect("50 [ 0007 ] 50 [ 0008 ]");
  machine_->hold_disk();
  pub.send("62 [ 0008 ]").expect_nothing();  // the identifier is not free before that is on disk
  machine_->let_go();
  pub.expect("70 [ 0008 ]");
  kill();
  Peer again = world().persistent("pub", true);
  again.send("3C [ ('t') 0007 'x' ]").expect("50 [ 0007 ]");
  again.send("34 [ ('t') 0008 'z' ]");
  machine_->sync();
  again.expect("50 [ 0008 ]");
  Peer sub = world().persistent("sub", true);
  machine_->sync();
  sub.expect("34 [ ('t') 0001 'x' ] 34 [ ('t') 0002 'y' ] 34 [ ('t') 0003 'z' ]");
}

TEST_F(Persistence, IsCommittedAfterWhatItRefersTo) {
  Gate uplink;
  std::deque<std::function<void()>> told;
  std::mutex mutex;
  Directory directory;
  const auto post = [&](std::function<void()> task) {
    const std::lock_guard lock(mutex);
    told.push_back(std::move(task));
  };
  std::unique_ptr<SessionJournal> journal;
  Store store(
      post, [](Ticket) {}, [](StoreFile&, const std::string&) {});
  journal = std::make_unique<SessionJournal>(directory.path / "broker.db", store, world().clock, 1s);
  Gate gate;
  store.write(gate, [&] { gate.wait(); });
  journal->add_incoming(1, 6, 6);
  const Ticket before = journal->post();
  const Ticket row = store.write(uplink, [] {});  // while the batch before it still takes changes
  {
    const SessionJournal::Whole whole(journal.get());
    journal->follow(row);
    journal->add_incoming(1, 7, 7);
  }
  EXPECT_LT(before, row);
  EXPECT_GT(journal->post(), row);
  {
    const SessionJournal::Whole whole(journal.get());
    journal->follow(row);  // it does already
    journal->add_incoming(1, 8, 8);
  }
  EXPECT_EQ(journal->post(), row + 1);
  gate.open();
  store.write_and_wait(uplink, [] {});
}

TEST_F(Persistence, KeepsSubscriptionsWithTheirOptions) {
  Peer sub = world().persistent5("sub", false);
  sub.send("82 [ 0001 [ 0B 07 ] ('a/+') 09 ('$share/g/b') 01 ('c') 01 ]");  // 09: retain as published
  machine_->sync();
  sub.expect("90 [ 0001 [] 01 01 01 ]");
  sub.send("A2 [ 0002 [] ('c') ]");
  machine_->sync();
  sub.expect("B0 [ 0002 [] 00 ]");
  kill();
  EXPECT_EQ(world().broker.counters().subscriptions, 2U);
  world().publish("a/x", "", Qos::AtLeastOnce, true);
  world().publish("b", "y", Qos::AtLeastOnce);
  world().publish("c", "z", Qos::AtLeastOnce);
  Peer again = world().persistent5("sub", true);
  machine_->sync();
  again.expect("33 [ ('a/x') 0001 [ 0B 07 ] ] 32 [ ('b') 0002 [ 0B 07 ] 'y' ]");
}

TEST_F(Persistence, EndsWhatACleanStartEnds) {
  subscribed("sub", "1");
  world().publish("t", "x", Qos::AtLeastOnce);
  world().client("sub");
  machine_->sync_all();
  kill();
  world().persistent("sub", false).expect_nothing();
}

TEST_F(Persistence, GivesOneCopyToManySessionsAndForgetsItWithTheLast) {
  for (const char* id : {"one", "two", "three"}) subscribed(id, "1");
  world().publish("t", "x", Qos::AtLeastOnce);
  machine_->sync_all();
  Peer one = world().persistent("one", true);
  one.expect("32 [ ('t') 0001 'x' ]").send("40 [ 0001 ]");
  machine_->sync_all();
  kill();
  for (const char* id : {"two", "three"}) {
    Peer peer = world().persistent(id, true);
    machine_->sync();
    peer.expect("32 [ ('t') 0001 'x' ]").send("40 [ 0001 ]");
  }
  world().persistent("one", true).expect_nothing();
  machine_->sync_all();
  const auto left = machine_->killed(*killed_.back());
  SessionFile file(left->path / "broker.db", {}, std::chrono::system_clock::now());
  EXPECT_EQ(file.sessions().next_change, 1U);  // no publication is there
}

std::string publish_text(int number, bool repeated) {
  return fmt::format("{} [ ('t') {:04X} '{}' ] ", repeated ? "3A" : "32", number + 1, number);
}

TEST_F(Persistence, ReadsALongQueueBackPageByPage) {
  constexpr int kQueued = 5000, kWindow = 1024;
  subscribed("sub", "1");
  for (int i = 0; i < kQueued; ++i) world().publish("t", std::to_string(i), Qos::AtLeastOnce);
  machine_->sync_all();
  Peer first = world().persistent("sub", true);
  std::string expected;
  for (int i = 0; i < kWindow; ++i) expected += publish_text(i, false);
  first.expect(expected);  // these were in memory
  machine_->sync_all();
  kill();
  Peer sub = world().persistent("sub", true);
  std::string came;
  expected.clear();
  for (int begin = 0; begin < kQueued; begin += kWindow) {
    for (int rounds = 0; rounds < 4; ++rounds) machine_->sync();
    came += sub.take();
    std::string acks;
    for (int i = begin; i < std::min(begin + kWindow, kQueued); ++i) {
      expected += publish_text(i, i < kWindow);
      acks += fmt::format("40 [ {:04X} ] ", i + 1);
    }
    sub.send(acks);
  }
  EXPECT_EQ(came.size(), testing::wire(expected).size());
  EXPECT_TRUE(came == testing::wire(expected));
  EXPECT_EQ(world().broker.counters().publications_lost, 0U);
  EXPECT_EQ(world().broker.counters().queued, 0U);
}

TEST_F(Persistence, KeepsRetainedPublicationsOfClientsOnly) {
  Peer pub = world().client("pub");
  pub.send("33 [ ('a') 0001 'x' ] 33 [ ('b') 0002 'x' ] 33 [ ('c') 0003 'x' ] 33 [ ('a') 0004 'y' ]");
  machine_->sync();
  pub.expect("40 [ 0001 ] 40 [ 0002 ] 40 [ 0003 ] 40 [ 0004 ]");
  pub.send("33 [ ('b') 0005 ]");
  world().publish("c", "reading", Qos::AtMostOnce, true);
  world().publish("d", "reading", Qos::AtMostOnce, true);
  machine_->sync_all();
  pub.expect("40 [ 0005 ]");
  kill();
  Peer sub = world().client("sub");
  sub.send("82 [ 0001 ('#') 01 ]").expect("90 [ 0001 01 ] 33 [ ('a') 0001 'y' ]");
}

TEST_F(Persistence, PublishesTheWillsOfThoseWhoWereConnectedByTheirDelay) {
  subscribed("sub", "1");
  Peer now = world().connect();
  now.send("10 [ ('MQTT') 04 0E 0000 ('now') ('t') ('now') ]").expect("20 02 00 00");
  Peer later = world().connect();
  later.send("10 [ ('MQTT') 05 0C 0000 [ 11 00000E10 ] ('later') [ 18 0000003C ] ('t') ('later') ]").take();
  Peer gone = world().connect();
  gone.send("10 [ ('MQTT') 04 0E 0000 ('gone') ('t') ('gone') ]").expect("20 02 00 00");
  gone.send("E0 00");
  machine_->sync();
  kill();
  Peer sub = world().persistent("sub", true);
  sub.expect_nothing();
  world().advance(1s);
  sub.expect("32 [ ('t') 0001 'now' ]");
  world().advance(58s);
  sub.expect_nothing();
  world().advance(1s);
  sub.expect("32 [ ('t') 0002 'later' ]");
  machine_->sync_all();
  kill();
  world().advance(100s);
  Peer again = world().persistent("sub", true);
  machine_->sync();
  again.expect("3A [ ('t') 0001 'now' ] 3A [ ('t') 0002 'later' ]");
}

TEST_F(Persistence, CountsTheSessionExpiryOnAcrossARestart) {
  Peer sub = world().persistent5("sub", false);  // one hour
  sub.drop();
  machine_->sync();
  world().advance(3000s);
  machine_->sync_all();
  kill();
  world().advance(301s);
  EXPECT_EQ(world().broker.counters().sessions, 1U);  // the calendar says that no time has passed
  world().advance(3300s);
  EXPECT_EQ(world().broker.counters().sessions, 0U);
}

TEST_F(Persistence, SetsADamagedFileAsideAndBeginsANewOne) {
  subscribed("sub", "1");
  killed_.push_back(machine_->killed(directory_));
  std::filesystem::remove(killed_.back()->path / "broker.db-wal");
  std::ofstream(killed_.back()->path / "broker.db", std::ios::trunc) << "this is not a database, and long enough";
  machine_ = std::make_unique<Machine>(*killed_.back());
  world().persistent("sub", false);
  EXPECT_EQ(world().broker.counters().database_set_aside, 1U);
  int aside = 0;
  for (const auto& entry : std::filesystem::directory_iterator(killed_.back()->path)) {
    aside += entry.path().string().find(".corrupt-") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(aside, 1);
}

TEST_F(Persistence, RefusesAFileThatAnotherProcessHas) { EXPECT_THROW(Machine second(directory_), std::runtime_error); }

/// No file of this process can grow beyond `bytes`, as if the disk were full, until it is destroyed.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
};

TEST_F(Persistence, RefusesWhatItCannotWriteAndGoesOnWhenItCan) {
  subscribed("sub", "1");
  Peer pub = world().client5("pub");
  {
    const FullDisk full(4096);
    pub.send("32 [ ('t') 0001 [] 'held' ]");
    machine_->sync();
    pub.expect_nothing();  // not on disk, so not acknowledged
    pub.send("32 [ ('t') 0002 [] 'refused' ]").take();
    pub.send("32 [ ('u') 0003 [] 'for nobody' ]");
    EXPECT_TRUE(world().broker.owes_disk());
    EXPECT_EQ(world().broker.counters().publications_refused, 1U);
  }
  machine_->sync_all().sync_all();
  EXPECT_FALSE(world().broker.owes_disk());
  EXPECT_NE(hex(pub.take()).find(hex(testing::wire("40 [ 0001 ]"))), std::string::npos);
  kill();
  Peer sub = world().persistent("sub", true);
  machine_->sync();
  sub.expect("32 [ ('t') 0001 'held' ]");
}

}  // namespace
}  // namespace ferrule::mqtt::testing
