// One input line of a GPIO chip.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>

#include "drivers/fault.hpp"
#include "drivers/system/settings.hpp"

namespace ferrule::drivers::system {

/// Holds a line by the kernel's character device, ABI v2 (Linux Documentation/userspace-api/gpio/chardev.rst;
/// Linux 5.10 and later). Opened at the first reading, again after one that failed.
class GpioLine {
 public:
  using Ioctl = int (*)(int descriptor, unsigned long request, void* argument);
  explicit GpioLine(PointRule rule);
  GpioLine(PointRule rule, Ioctl ioctl) : rule_(std::move(rule)), ioctl_(ioctl) {}
  ~GpioLine() { close(); }
  GpioLine(const GpioLine&) = delete;
  GpioLine& operator=(const GpioLine&) = delete;

  /// True: active. PointRejected: no such chip or line, or another program has it.
  tl::expected<bool, Fault> read();

 private:
  tl::expected<void, Fault> open();
  void close();
  tl::unexpected<Fault> failed(Failure failure, int error);

  const PointRule rule_;
  const Ioctl ioctl_;
  int line_ = -1;
};

}  // namespace ferrule::drivers::system
