// The disk under SQLite as tests want it: it loses power, fails, or is slow.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string_view>

namespace ferrule::bridge::testing {

/// While it lives, every database of this process lies on it: a VFS of SQLite above the ordinary one, which knows of
/// each 512-byte sector what it held at the last sync and after each write since. One at a time.
class FaultyDisk {
 public:
  enum class Operation : std::uint8_t { Read, Write, Sync };
  /// Asked before each; true: it fails with EIO, and does nothing; no later sync makes good for one that failed: what
  /// it should have brought to the disk has to be written again. `path` ends in "-wal" for a log. Any thread.
  using Fails = std::function<bool(Operation operation, std::string_view path, std::int64_t offset)>;

  FaultyDisk();
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  void fail_if(Fails fails);                     ///< null: nothing fails
  void slow_down(std::chrono::milliseconds by);  ///< each sync
  /// From the `operation`th write or sync on (the first is 1) nothing reaches the disk, as all of them fail.
  void lose_power_at(std::uint64_t operation);
  bool lost_power() const;
  std::uint64_t operations() const;  ///< writes and syncs so far

  /// The power is back. Every database has to be closed. Each sector that was written and not synced holds, by chance,
  /// what it held at any moment since the last sync, or half of one and half of another.
  void restore_power(std::mt19937& random);

  struct Impl;

 private:
  const std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::bridge::testing
