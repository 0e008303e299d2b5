#include "mqtt/disk_reserve.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace ferrule::mqtt {

namespace {

constexpr std::uint64_t kLargest = 8 << 20, kSmallest = 128 << 10;  // bytes
constexpr std::uint64_t kShare = 16;                                // of the disk, at most

std::uint64_t size_for(const std::filesystem::path& path) {
  std::error_code error;
  const auto space = std::filesystem::space(path.has_parent_path() ? path.parent_path() : ".", error);
  return error ? kLargest : std::clamp<std::uint64_t>(space.capacity / kShare, kSmallest, kLargest);
}

}  // namespace

DiskReserve::DiskReserve(std::filesystem::path path) : path_(std::move(path)), size_(size_for(path_)) {}

bool DiskReserve::take() {
  const int descriptor = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return false;
  struct stat now {};
  bool held = fstat(descriptor, &now) == 0 && static_cast<std::uint64_t>(now.st_blocks) * 512 >= size_;
  if (!held) {
    std::error_code error;
    const auto space = std::filesystem::space(path_, error);
    held = !error && space.available >= 2 * size_ && posix_fallocate(descriptor, 0, static_cast<off_t>(size_)) == 0;
  }
  ::close(descriptor);
  return held;
}

void DiskReserve::give_back() noexcept {
  const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return;
  [[maybe_unused]] const int ignored = ftruncate(descriptor, 0);  // it is ours, and there is nothing else to try
  ::close(descriptor);
}

}  // namespace ferrule::mqtt
