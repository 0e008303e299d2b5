// The store thread: groups, order, failures, and what others are told.
#include "mqtt/store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>


namespace ferrule::mqtt {
namespace {

/// Writes down what the store asks of it; can be told to wait in its commit, and to fail.
class FakeFile : public StoreFile {
 public:
  explicit FakeFile(std::vector<std::string>& journal, std::string name) : journal_(journal), name_(std::move(name)) {}

  void begin() override {
    if (fail_begin) throw std::runtime_error("cannot begin");
    journal_.push_back(name_ + " begin");
  }
  void commit() override {
    std::unique_lock lock(mutex_);
    committing_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    committing_ = false;
    if (fail_commit) throw std::runtime_error("disk is full");
    journal_.push_back(name_ + " commit");
  }
  void rollback() noexcept override { journal_.push_back(name_ + " rollback"); }

  std::function<void()> job(std::string text) {
    return [this, text = std::move(text)] { journal_.push_back(name_ + " " + text); };
  }

  /// From now on `commit` does not return until `let_go`.
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void wait_until_committing() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return committing_; });
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }

  std::atomic<bool> fail_begin = false, fail_commit = false;

 private:
  std::vector<std::string>& journal_;
  std::string name_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false, committing_ = false;
};

/// The broker's thread as far as the store sees it: the test's own, which runs what was posted when it says so.
class StoreTest : public ::testing::Test {
 protected:
  Store::Post post() {
    return [this](std::function<void()> task) {
      const std::lock_guard lock(mutex_);
      posted_.push_back(std::move(task));
      arrived_.notify_all();
    };
  }
  Store::Committed committed() {
    return [this](Ticket ticket) { told.push_back("committed " + std::to_string(ticket)); };
  }
  Store::Failed failed() {
    return [this](StoreFile& file, const std::string& what) {
      told.push_back((&file == &a ? "a" : "b") + (" failed: " + what));
    };
  }

  void run_one() {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return !posted_.empty(); });
      task = std::move(posted_.front());
      posted_.pop_front();
    }
    task();
  }
  void run_until(const std::string& what) {
    while (told.empty() || told.back() != what) run_one();
  }
  void run_all() {
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        if (posted_.empty()) return;
      }
      run_one();
    }
  }

  std::vector<std::string> journal;  ///< written by the store thread; read when it is known to wait
  std::vector<std::string> told;
  FakeFile a{journal, "a"}, b{journal, "b"};
  std::unique_ptr<Store> store = std::make_unique<Store>(post(), committed(), failed());

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> posted_;
};

using Lines = std::vector<std::string>;

TEST_F(StoreTest, CommitsAJobAndTellsItsTicket) {
  EXPECT_EQ(store->last_ticket(), 0u);
  EXPECT_EQ(store->write(a, a.job("1")), 1u);
  EXPECT_EQ(store->last_ticket(), 1u);
  run_until("committed 1");
  store.reset();
  EXPECT_EQ(journal, (Lines{"a begin", "a 1", "a commit"}));
}

TEST_F(StoreTest, CommitsAFileThatRefersToOthersAfterThem) {
  struct LastFile final : FakeFile {
    using FakeFile::FakeFile;
    bool commits_last() const override { return true; }
  } last(journal, "last");
  b.hold();
  store->write(b, b.job("0"));
  b.wait_until_committing();
  store->write(last, last.job("1"));
  store->write(b, b.job("2"));
  b.let_go();
  run_until("committed 3");
  store.reset();
  EXPECT_EQ(journal,
            (Lines{"b begin", "b 0", "b commit", "last begin", "last 1", "b begin", "b 2", "b commit", "last commit"}));
}

TEST_F(StoreTest, CommitsTogetherWhatGathersDuringACommit) {
  a.hold();
  store->write(a, a.job("1"));
  a.wait_until_committing();
  for (int i = 2; i <= 5; ++i) store->write(a, a.job(std::to_string(i)));
  EXPECT_EQ(store->backlog(), 5u);
  a.let_go();
  run_until("committed 5");
  EXPECT_EQ(told, (Lines{"committed 1", "committed 5"}));
  store.reset();
  EXPECT_EQ(journal, (Lines{"a begin", "a 1", "a commit", "a begin", "a 2", "a 3", "a 4", "a 5", "a commit"}));
}

TEST_F(StoreTest, RunsTheJobsOfAllFilesInTheOrderTheyWerePosted) {
  a.hold();
  store->write(a, a.job("1"));
  a.wait_until_committing();
  store->write(b, b.job("2"));
  store->write(a, a.job("3"));
  store->write(b, b.job("4"));
  a.let_go();
  run_until("committed 4");
  store.reset();
  EXPECT_EQ(journal,
            (Lines{"a begin", "a 1", "a commit", "b begin", "b 2", "a begin", "a 3", "b 4", "b commit", "a commit"}));
}

TEST_F(StoreTest, GroupsAtMostAThousandJobs) {
  a.hold();
  store->write(a, a.job("x"));
  a.wait_until_committing();
  for (int i = 0; i < 2500; ++i) store->write(a, [] {});
  a.let_go();
  run_until("committed 2501");
  EXPECT_EQ(told, (Lines{"committed 1", "committed 1001", "committed 2001", "committed 2501"}));
}

TEST_F(StoreTest, IsDueInThePastWhileACommitTakesItsTime) {
  constexpr auto kIdle = std::chrono::steady_clock::time_point::max();
  a.hold();
  store->write(a, a.job("1"));
  a.wait_until_committing();
  EXPECT_LE(store->due(), std::chrono::steady_clock::now());
  a.let_go();
  while (store->due() != kIdle) std::this_thread::yield();
}

TEST_F(StoreTest, CommitsBeforeItIsDestroyed) {
  a.hold();
  store->write(a, a.job("1"));
  a.wait_until_committing();
  store->write(a, a.job("2"));
  store->write(b, b.job("3"));
  std::thread destroyer([this] { store.reset(); });
  a.let_go();
  destroyer.join();
  EXPECT_EQ(journal.back(), "b commit");
  run_all();
  EXPECT_EQ(told.back(), "committed 3");
}

TEST_F(StoreTest, ReadsOutsideATransactionWhatWasWrittenBefore) {
  a.hold();
  store->write(a, a.job("1"));
  a.wait_until_committing();
  store->write(a, a.job("2"));
  store->read(a.job("read"), [this] { told.push_back("then"); });
  store->write(a, a.job("3"));
  a.let_go();
  run_until("committed 3");
  EXPECT_EQ(told, (Lines{"committed 1", "committed 2", "then", "committed 3"}));
  store.reset();
  EXPECT_EQ(journal, (Lines{"a begin", "a 1", "a commit", "a begin", "a 2", "a commit", "a read", "a begin", "a 3",
                            "a commit"}));
}

TEST_F(StoreTest, PostsThenAlsoWhenAReadThrows) {
  store->read([] { throw std::runtime_error("no such table"); }, [this] { told.push_back("then"); });
  run_until("then");
}

TEST_F(StoreTest, ReturnsFromWriteAndWaitWhenTheJobIsOnDisk) {
  store->write_and_wait(a, a.job("1"));
  EXPECT_EQ(journal, (Lines{"a begin", "a 1", "a commit"}));
}

TEST_F(StoreTest, ServesWritersOfSeveralThreads) {
  std::atomic<int> sum = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) store->write_and_wait(i % 2 == 0 ? a : b, [&] { ++sum; });
    });
  }
  for (int i = 0; i < 200; ++i) store->write(a, [&] { ++sum; });
  for (std::thread& thread : threads) thread.join();
  store.reset();
  EXPECT_EQ(sum, 400);
}

TEST_F(StoreTest, RollsBackAndTellsAFailedCommitBeforeItsTicket) {
  a.hold();
  store->write(b, b.job("1"));
  store->write(a, a.job("2"));
  a.wait_until_committing();
  store->write(a, a.job("3"));
  store->write(b, b.job("4"));
  a.fail_commit = true;
  a.let_go();
  run_until("committed 4");
  store.reset();
  EXPECT_EQ(std::count(journal.begin(), journal.end(), "a commit"), 0);
  EXPECT_EQ(std::count(journal.begin(), journal.end(), "a rollback"), 1);
  EXPECT_EQ(std::count(journal.begin(), journal.end(), "a 3"), 0);  // not even tried
  EXPECT_EQ(std::count(journal.begin(), journal.end(), "b 4"), 1);  // the other file is none the worse
  const auto first_failure = std::find(told.begin(), told.end(), "a failed: disk is full");
  const auto its_ticket = std::find(told.begin(), told.end(), "committed 2");
  EXPECT_LT(first_failure, its_ticket);
  EXPECT_EQ(told[told.size() - 2], "a failed: disk is full");  // again, for the group of ticket 3
}

TEST_F(StoreTest, FailsAGroupWhoseJobThrows) {
  a.hold();
  store->write(a, a.job("1"));
  a.wait_until_committing();
  store->write(a, a.job("2"));
  store->write(a, [] { throw std::runtime_error("constraint"); });
  store->write(a, a.job("4"));
  a.let_go();
  run_until("committed 4");
  EXPECT_EQ(told, (Lines{"committed 1", "a failed: constraint", "committed 4"}));
  store.reset();
  EXPECT_EQ(journal, (Lines{"a begin", "a 1", "a commit", "a begin", "a 2", "a rollback"}));
}

TEST_F(StoreTest, TellsWaitersWhyTheirJobIsNotOnDisk) {
  a.fail_begin = true;
  try {
    store->write_and_wait(a, a.job("1"));
    FAIL() << "no exception";
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "cannot begin");
  }
  a.fail_begin = false;
  EXPECT_THROW(store->write_and_wait(a, a.job("2")), std::runtime_error);  // still fails: nobody resumed it
  store->write_and_wait(b, b.job("3"));
  store.reset();
  EXPECT_EQ(journal, (Lines{"b begin", "b 3", "b commit"}));
}

TEST_F(StoreTest, WritesAFileAgainAfterResume) {
  a.fail_commit = true;
  EXPECT_THROW(store->write_and_wait(a, a.job("1")), std::runtime_error);
  a.fail_commit = false;
  store->write(a, a.job("2"));
  store->resume(a);
  store->write_and_wait(a, a.job("3"));
  store.reset();
  EXPECT_EQ(journal, (Lines{"a begin", "a 1", "a rollback", "a begin", "a 3", "a commit"}));
}

TEST_F(StoreTest, LeavesWhatWasPostedUsableAfterItsEnd) {
  store->write(a, a.job("1"));
  store.reset();
  run_all();
  EXPECT_EQ(told, Lines{"committed 1"});
}

}  // namespace
}  // namespace ferrule::mqtt
