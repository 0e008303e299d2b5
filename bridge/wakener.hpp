// Ends a poll of a thread that waits for more than its descriptors.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

namespace ferrule::bridge {

/// Any thread wakes; the one that polls `descriptor` for POLLIN clears.
class Wakener {
 public:
  Wakener() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Wakener() { ::close(descriptor_); }
  Wakener(const Wakener&) = delete;
  Wakener& operator=(const Wakener&) = delete;
  void wake() const { static_cast<void>(eventfd_write(descriptor_, 1)); }
  void clear() const {
    eventfd_t count = 0;
    static_cast<void>(eventfd_read(descriptor_, &count));
  }
  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

}  // namespace ferrule::bridge
