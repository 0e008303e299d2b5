// An outbox on a disk that loses power, fails, or is slow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "tests/bridge/faulty_disk.hpp"
#include "tests/bridge/uplink_fixture.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using testing::Directory;
using ::testing::ElementsAre;
using testing::FaultyDisk;

/// How many seeds: few, or all of them with FERRULE_FAULTS=full.
int seeds(int few, int all) {
  const char* how = std::getenv("FERRULE_FAULTS");
  return how != nullptr && how == std::string_view("full") ? all : few;
}

Row row_of(Seq seq, std::mt19937& random) {
  Row row;
  row.seq = seq;
  row.topic = "plant/" + std::to_string(seq % 5);
  row.payload =
      std::to_string(seq) + ':' + std::string(std::uniform_int_distribution<std::size_t>(0, 6000)(random), 'x');
  return row;
}

/// One life of a file until the power fails: transactions that add and remove rows.
class Life {
 public:
  Life(const std::filesystem::path& path, std::mt19937& random) : path_(path), random_(random) {}

  void run() {
    try {
      OutboxFile file(path_);
      for (const Seq first = next_; next_ < first + 400;) transaction(file);
    } catch (const std::runtime_error&) {  // the power failed
    }
  }

  /// The file has what was committed, and of the transaction that the power interrupted all or nothing.
  void check() {
    OutboxFile file(path_);
    ASSERT_EQ(file.times_set_aside(), 0U);
    std::map<Seq, std::string> found;
    for (auto& row : file.load(0, 1'000'000, 1 << 30).rows) found.emplace(row.seq, std::move(row.payload));
    EXPECT_EQ(file.rows(), found.size());
    if (found != rows_) {
      EXPECT_EQ(found, after_);
    }
    rows_ = after_ = found;
  }

 private:
  void transaction(OutboxFile& file) {
    after_ = rows_;
    file.begin();
    for (auto count = std::uniform_int_distribution(1, 30)(random_); count > 0; --count) {
      const auto row = row_of(next_++, random_);
      file.insert(row);
      after_[row.seq] = row.payload;
    }
    while (after_.size() > 60) {
      file.erase({after_.begin()->first});
      after_.erase(after_.begin());
    }
    file.commit();
    rows_ = after_;
  }

  const std::filesystem::path path_;
  std::mt19937& random_;
  Seq next_ = 1;
  std::map<Seq, std::string> rows_, after_;
};

// FAULTS 4, 5
TEST(TornDisk, LosesNothingThatWasSyncedWhicheverSectorsGetThere) {
  int cut = 0;
  for (int seed = 0; seed < seeds(30, 1000); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    const Directory directory;
    FaultyDisk disk;
    Life life(directory.path() / "outbox.db", random);
    for (int power_cuts = 0; power_cuts < 3; ++power_cuts) {
      disk.lose_power_at(std::uniform_int_distribution<std::uint64_t>(40, 2'000)(random));
      life.run();
      cut += disk.lost_power() ? 1 : 0;
      disk.restore_power(random);
      life.check();
      if (::testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(cut, seeds(30, 1000));
}

// FAULTS 7
TEST(DamagedFile, IsReadOrSetAsideWhicheverBitsFlip) {
  for (int seed = 0; seed < seeds(30, 200); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    const Directory directory;
    const auto path = directory.path() / "outbox.db";
    {
      FaultyDisk disk;
      disk.lose_power_at(1'200);  // so that there is a log
      Life(path, random).run();
    }
    for (const auto* suffix : {"", "-wal"}) {
      const auto name = path.string() + suffix;
      const auto size = std::filesystem::exists(name) ? std::filesystem::file_size(name) : 0;
      if (size == 0) continue;
      std::fstream file(name, std::ios::in | std::ios::out | std::ios::binary);
      for (int flips = std::uniform_int_distribution(1, 20)(random); flips > 0; --flips) {
        const auto at = static_cast<std::streamoff>(std::uniform_int_distribution<std::uintmax_t>(0, size - 1)(random));
        const auto byte = static_cast<char>(file.seekg(at).get() ^ (1 << std::uniform_int_distribution(0, 7)(random)));
        file.seekp(at).put(byte);
      }
    }
    OutboxFile file(path);
    try {
      file.load(0, 1'000'000, 1 << 30);
    } catch (const std::runtime_error&) {  // the next transaction sets it aside
    }
    file.begin();
    file.insert(row_of(1'000'000, random));
    file.commit();
    const auto rows = file.load(999'999, 10, 1 << 20).rows;
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows.front().seq, 1'000'000U);
  }
}

class FaultyDiskTest : public testing::UplinkFixture {
 protected:
  FaultyDisk disk_;

  ~FaultyDiskTest() override { close(); }

  /// What is sent until the store has nothing more to do, acknowledged at once.
  std::vector<std::string> drain_some() {
    std::vector<std::string> payloads;
    do {
      for (const auto& one : std::exchange(link_->sent, {})) {
        payloads.push_back(one.payload);
        settle(one.seq);
      }
      desk_.run_until([] { return false; }, 20ms);
    } while (!link_->sent.empty());
    return payloads;
  }
};

// FAULTS 10
TEST_F(FaultyDiskTest, NothingIsAcknowledgedThatIsNotSynced) {
  for (const auto what : {FaultyDisk::Operation::Write, FaultyDisk::Operation::Sync}) {
    open();
    disk_.fail_if(
        [what](auto operation, std::string_view path, auto) { return operation == what && path.ends_with("-wal"); });
    const auto ticket = append("1", true);
    ASSERT_TRUE(ticket);
    ASSERT_TRUE(desk_.run_until([&] { return !status().last_error.empty(); }));
    EXPECT_TRUE(uplink_->owes_disk());
    EXPECT_FALSE(append("refused", true));
    disk_.fail_if(nullptr);
    for (int i = 0; i < 40 && uplink_->owes_disk(); ++i) {
      advance(1s);
      wait_for_commit();
    }
    EXPECT_FALSE(uplink_->owes_disk());
    EXPECT_GE(committed_, *ticket);
    crash();
    start();
    EXPECT_THAT(drain(), ElementsAre("1"));
    close();
  }
}

// FAULTS 10
TEST_F(FaultyDiskTest, AfterAFailedSyncAllIsWrittenAnewBeforeItIsAcknowledged) {
  for (int seed = 0; seed < seeds(30, 300); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    const auto up_to = [&](int most) { return std::uniform_int_distribution(1, most)(random); };
    start();
    std::vector<std::string> accepted;
    const auto accept = [&] {
      const auto payload = std::to_string(seed) + '.' + std::to_string(accepted.size());
      if (append(payload, true)) accepted.push_back(payload);
    };
    offline();
    for (int count = up_to(5); count > 0; --count) accept();
    wait_for_commit();
    std::atomic<int> failing = up_to(6);
    disk_.fail_if(
        [&](auto operation, auto, auto) { return operation == FaultyDisk::Operation::Sync && failing-- > 0; });
    for (int count = up_to(5); count > 0; --count) accept();
    ASSERT_TRUE(desk_.run_until([&] { return uplink_->owes_disk(); }));
    for (int i = 0; i < 60 && uplink_->owes_disk(); ++i) {
      advance(1s);
      wait_for_commit();
    }
    ASSERT_FALSE(uplink_->owes_disk());  // all of it is acknowledged now
    disk_.fail_if(nullptr);
    disk_.lose_power_at(1);
    crash();
    disk_.restore_power(random);
    start();
    EXPECT_EQ(drain(), accepted);
    EXPECT_EQ(status().set_aside, 0U);
    close();
    if (HasFailure()) return;
  }
}

// FAULTS 4
TEST_F(FaultyDiskTest, APowerCutTakesNoReadingThatIsOlderThanTheCommitInterval) {
  for (int seed = 0; seed < seeds(20, 200); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    open();
    const int last = std::uniform_int_distribution(30, 60)(random);
    for (int tenth = 0; tenth <= last; ++tenth) {
      append(std::to_string(tenth));  // nobody waits for it
      advance(100ms);
      wait_for_commit();
    }
    disk_.lose_power_at(1);
    crash();
    disk_.restore_power(random);
    start();
    const auto found = drain();
    const auto interval = settings_.queue.commit_interval / 100ms;
    EXPECT_GE(static_cast<std::int64_t>(found.size()), last - interval);
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], std::to_string(i));
    close();
    if (HasFailure()) return;
  }
}

// FAULTS 11
TEST_F(FaultyDiskTest, WhatCannotBeReadIsLeftAndTheOthersFlow) {
  const std::string large(2'000, 'x');
  open();
  for (int i = 1; i <= 6'000; ++i) append(std::to_string(i) + large);
  close();
  const auto bad = [](auto operation, std::string_view path, std::int64_t offset) {
    const auto page = offset / 4'096;
    return operation == FaultyDisk::Operation::Read && path.ends_with(".db") && (page == 40 || page == 2'500);
  };
  disk_.fail_if(bad);
  settings_.window = 10'000;
  start();
  std::set<int> arrived;
  for (int i = 0; i < 100 && status().queued > 0; ++i) {
    for (const auto& payload : drain_some()) arrived.insert(std::stoi(payload));
    advance(1s);
  }
  EXPECT_EQ(status().queued, 0U);
  EXPECT_GE(arrived.size(), 5'990U);
  EXPECT_LT(arrived.size(), 6'000U);
  EXPECT_EQ(status().unreadable, 6'000 - arrived.size());
  append("live", true);
  EXPECT_THAT(drain(), ElementsAre("live"));
  // A commit that met a bad page is tried again a second later, and nothing is wrong any more when it has succeeded.
  EXPECT_TRUE(desk_.run_until([&] {
    advance(1s);
    return status().last_error.empty();
  })) << status().last_error;
}

// FAULTS 12
TEST_F(FaultyDiskTest, ASlowDiskHoldsUpAcknowledgementsAndNothingElse) {
  settings_.window = 100;
  start();
  disk_.slow_down(200ms);
  const auto began = std::chrono::steady_clock::now();
  const auto ticket = append("1", true);
  for (int i = 2; i <= 50; ++i) append(std::to_string(i));
  EXPECT_EQ(link_->take_payloads().size(), 50U);  // sent while the disk is at it
  EXPECT_LT(committed_, *ticket);
  ASSERT_TRUE(desk_.run_until([&] { return committed_ >= *ticket; }));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 200ms);
}

}  // namespace
}  // namespace ferrule::bridge
