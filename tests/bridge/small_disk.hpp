// A file system of a few megabytes, mounted for one test.
#pragma once

#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace ferrule::bridge::testing {

/// A tmpfs on `path`, in a mount namespace of this thread and those it makes. Only the superuser may (or whoever may be
/// one in a namespace of his own), hence `mounted`.
class SmallDisk {
 public:
  SmallDisk(std::filesystem::path path, std::uint64_t bytes) : path_(std::move(path)) {
    if (unshare(CLONE_NEWNS) != 0) return;
    mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, fmt::format("size={},mode=0700", bytes).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  std::uint64_t free() const { return std::filesystem::space(path_).available; }
  /// Somebody else's file takes all but `left` bytes.
  void fill(std::uint64_t left = 0) const {
    std::ofstream other(path_ / "other", std::ios::app | std::ios::binary);
    const std::string page(4096, 'x');
    while (free() > left && other.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) {
    }
  }
  void clear() const { std::filesystem::remove(path_ / "other"); }

 private:
  const std::filesystem::path path_;
  bool mounted_ = false;
};

}  // namespace ferrule::bridge::testing
