// A world whose broker has a disk, and can be killed at any moment.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "broker_world.hpp"
#include "mqtt/session_journal.hpp"

namespace ferrule::mqtt::testing {

/// A directory that goes with it.
class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "ferrule-persistence-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Directory() { std::filesystem::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::filesystem::path path;
};

/// Keeps the store's thread busy while it is shut: nothing behind it is committed.
class Gate final : public StoreFile {
 public:
  void begin() override {}
  void commit() override {}
  void rollback() noexcept override {}
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

/// A world whose broker has a disk.
class Machine {
 public:
  explicit Machine(const Directory& directory, BrokerSettings settings = {})
      : world(std::move(settings)),
        store_([this](std::function<void()> task) { post(std::move(task)); },
               [this](Ticket ticket) {
                 world.broker.store_committed(ticket);
                 if (!world.broker.owes_disk()) world.broker.committed(ticket);
               },
               [this](StoreFile& file, const std::string& what) { world.broker.store_failed(file, what); }) {
    world.broker.persist(
        std::make_unique<SessionJournal>(directory.path / "broker.db", store_, world.clock, std::chrono::seconds(1)));
  }
  ~Machine() {
    if (gate_) gate_->open();
  }

  /// Until everything that somebody waits for is on disk, and told.
  Machine& sync() {
    for (int round = 0; round < 3; ++round) {  // what is told may be written again
      bool done = false;
      store_.read([] {}, [&] { done = true; });
      while (!done) run_one();
      world.turn();
    }
    return *this;
  }
  Machine& sync_all() {  // what nobody waits for too
    world.clock.advance(std::chrono::seconds(1));
    world.broker.tick_disk();
    return sync();
  }
  /// From now on nothing gets to the disk.
  void hold_disk() {
    gate_ = std::make_unique<Gate>();
    store_.write(*gate_, [gate = gate_.get()] { gate->wait(); });
  }
  void let_go() {
    gate_->open();
    sync();
  }
  /// What a kill of the process leaves at this moment.
  std::unique_ptr<Directory> killed(const Directory& directory) const {
    auto copy = std::make_unique<Directory>();
    for (const char* name : {"broker.db", "broker.db-wal"}) {
      if (std::filesystem::exists(directory.path / name)) {
        std::filesystem::copy_file(directory.path / name, copy->path / name);
      }
    }
    return copy;
  }

  World world;

 private:
  void post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    posted_.notify_one();
  }
  void run_one() {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      posted_.wait(lock, [this] { return !tasks_.empty(); });
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }

  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> tasks_;
  std::unique_ptr<Gate> gate_;
  Store store_;  // ends before the world, whose files it writes
};

class Persistence : public ::testing::Test {
 protected:
  Persistence() : machine_(std::make_unique<Machine>(directory_)) {}

  World& world() { return machine_->world; }
  void kill(BrokerSettings settings = {}) {
    killed_.push_back(machine_->killed(killed_.empty() ? directory_ : *killed_.back()));
    machine_ = std::make_unique<Machine>(*killed_.back(), std::move(settings));
  }
  /// A persistent session with a subscription to `t` of this QoS (a hexadecimal digit), offline.
  void subscribed(std::string_view id, std::string_view qos) {
    Peer sub = world().persistent(id, false);
    sub.send("82 [ 0001 ('t') 0" + std::string(qos) + " ]").expect("");
    machine_->sync();
    sub.expect("90 [ 0001 0" + std::string(qos) + " ]").drop();
  }

  Directory directory_;
  std::vector<std::unique_ptr<Directory>> killed_;
  std::unique_ptr<Machine> machine_;
};

}  // namespace ferrule::mqtt::testing
