// Room on the disk that is given back when the disk is full.
#pragma once

#include <cstdint>
#include <filesystem>

namespace ferrule::mqtt {

/// A file of blocks that nobody uses. On a full disk even a deletion needs room: for its entries in the log, and where
/// the log is written back to a database that grows by it. Thread: one, the store's.
class DiskReserve {
 public:
  /// Nothing is taken yet. `path` is the reserve's own file.
  explicit DiskReserve(std::filesystem::path path);

  /// Bytes: 8 MB, or less on a small disk.
  std::uint64_t size() const { return size_; }
  /// Takes the room, if there is twice as much; true when all of it is held.
  bool take();
  void give_back() noexcept;

 private:
  const std::filesystem::path path_;
  const std::uint64_t size_;
};

}  // namespace ferrule::mqtt
