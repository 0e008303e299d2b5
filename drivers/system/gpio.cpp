#include "drivers/system/gpio.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/gpio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace ferrule::drivers::system {

namespace {

std::uint64_t flags_of(const PointRule& rule) {
  std::uint64_t flags = GPIO_V2_LINE_FLAG_INPUT;
  if (rule.active_low) flags |= GPIO_V2_LINE_FLAG_ACTIVE_LOW;
  switch (rule.bias) {
    case Bias::AsIs:
      return flags;
    case Bias::PullUp:
      return flags | GPIO_V2_LINE_FLAG_BIAS_PULL_UP;
    case Bias::PullDown:
      return flags | GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN;
    case Bias::Disabled:
      return flags | GPIO_V2_LINE_FLAG_BIAS_DISABLED;
  }
  return flags;
}

}  // namespace

GpioLine::GpioLine(PointRule rule)
    : GpioLine(std::move(rule), [](int descriptor, unsigned long request, void* argument) {
        return ::ioctl(descriptor, request, argument);
      }) {}

tl::expected<void, Fault> GpioLine::open() {
  const int chip = ::open(rule_.name.c_str(), O_RDWR | O_CLOEXEC);
  if (chip < 0) return failed(Failure::PointRejected, errno);
  gpio_v2_line_request request{};
  request.offsets[0] = rule_.line;
  request.num_lines = 1;
  request.config.flags = flags_of(rule_);
  constexpr std::string_view kConsumer = "ferrule";
  kConsumer.copy(request.consumer, sizeof request.consumer - 1);
  const int result = ioctl_(chip, GPIO_V2_GET_LINE_IOCTL, &request);
  const int error = errno;
  ::close(chip);
  if (result < 0) return failed(Failure::PointRejected, error);
  line_ = request.fd;
  return {};
}

tl::expected<bool, Fault> GpioLine::read() {
  if (line_ < 0) {
    if (auto opened = open(); !opened) return tl::unexpected(opened.error());
  }
  gpio_v2_line_values values{};
  values.mask = 1;
  if (ioctl_(line_, GPIO_V2_LINE_GET_VALUES_IOCTL, &values) < 0) {
    const int error = errno;
    close();
    return failed(Failure::DeviceBusy, error);
  }
  return (values.bits & 1U) != 0;
}

void GpioLine::close() {
  if (line_ >= 0) ::close(line_);
  line_ = -1;
}

tl::unexpected<Fault> GpioLine::failed(Failure failure, int error) {
  return tl::unexpected(Fault{failure, fmt::format("{} line {}: {}", rule_.name, rule_.line, std::strerror(error))});
}

}  // namespace ferrule::drivers::system
