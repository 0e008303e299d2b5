#include "drivers/serial_port.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <libserialport.h>
#include <linux/serial.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace ferrule::drivers {

struct SerialPort::Handle {
  ~Handle() {
    if (open) ::sp_close(port);
    ::sp_free_port(port);
  }
  sp_port* port = nullptr;
  bool open = false;
  bool exclusive = false;
};

namespace {

/// Majors 136 to 143 are the Unix98 pseudo-terminals (Linux Documentation/admin-guide/devices.txt).
bool is_pseudo_terminal(const struct stat& status) {
  const auto number = major(status.st_rdev);
  return S_ISCHR(status.st_mode) && number >= 136 && number <= 143;
}

std::string library_error(sp_return result) {
  switch (result) {
    case SP_ERR_ARG:
      return "not a serial port";
    case SP_ERR_SUPP:
      return "not supported by the port";
    case SP_ERR_MEM:
      return "out of memory";
    default:
      break;
  }
  char* words = ::sp_last_error_message();
  std::string text = words != nullptr ? words : "unknown error";
  ::sp_free_error_message(words);
  return text;
}

sp_parity library_parity(Parity parity) {
  switch (parity) {
    case Parity::None:
      return SP_PARITY_NONE;
    case Parity::Even:
      return SP_PARITY_EVEN;
    case Parity::Odd:
      return SP_PARITY_ODD;
  }
  return SP_PARITY_NONE;
}

}  // namespace

SerialPort::SerialPort(std::string path, const LineSettings& line, const StopSignal& stop)
    : Port(stop), path_(std::move(path)), line_(line) {}

SerialPort::~SerialPort() { SerialPort::close(); }

tl::expected<void, Fault> SerialPort::open(TimePoint) {
  std::error_code error;
  const auto device = std::filesystem::canonical(path_, error);
  if (error) return failed(error.message());
  struct stat status {};
  if (::stat(device.c_str(), &status) != 0) return failed(std::strerror(errno));
  if (!S_ISCHR(status.st_mode)) return failed("not a serial port");
  return is_pseudo_terminal(status) ? open_pseudo_terminal(device) : open_line(device);
}

tl::expected<void, Fault> SerialPort::open_line(const std::string& device) {
  auto handle = std::make_unique<Handle>();
  if (const auto result = ::sp_get_port_by_name(device.c_str(), &handle->port); result != SP_OK) {
    return failed(library_error(result));
  }
  if (const auto result = ::sp_open(handle->port, SP_MODE_READ_WRITE); result != SP_OK) {
    return failed(library_error(result));
  }
  handle->open = true;

  handle_ = std::move(handle);
  auto* port = handle_->port;
  if (::sp_get_port_handle(port, &descriptor_) != SP_OK) return failed("no descriptor");
  if (auto claimed = claim(); !claimed) return claimed;  // before anything is set on a line that may be another's
  handle_->exclusive =
      ::ioctl(descriptor_, TIOCEXCL) == 0;  // not on a pseudo-terminal, where it outlives the one who asked for it
  for (const auto result :
       {::sp_set_baudrate(port, line_.baud), ::sp_set_bits(port, line_.data_bits),
        ::sp_set_parity(port, library_parity(line_.parity)), ::sp_set_stopbits(port, line_.stop_bits),
        ::sp_set_flowcontrol(port, SP_FLOWCONTROL_NONE)}) {
    if (result != SP_OK) return failed(library_error(result));
  }
  return set_up_transmitter();
}

tl::expected<void, Fault> SerialPort::open_pseudo_terminal(const std::string& device) {
  descriptor_ = ::open(device.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor_ < 0) return failed(std::strerror(errno));
  if (auto claimed = claim(); !claimed) return claimed;
  termios mode{};
  if (::tcgetattr(descriptor_, &mode) != 0) return failed(std::strerror(errno));
  ::cfmakeraw(&mode);
  if (::tcsetattr(descriptor_, TCSANOW, &mode) != 0) return failed(std::strerror(errno));
  return set_up_transmitter();
}

tl::expected<void, Fault> SerialPort::set_up_transmitter() {
  if (!line_.rs485) return {};
  if (drives_rts()) {
    if (set_rts(false)) return {};
    return failed(fmt::format("it has no RTS to drive: {}", std::strerror(errno)));
  }
  // Linux Documentation/driver-api/serial/serial-rs485.rst
  serial_rs485 config{};
  config.flags = SER_RS485_ENABLED | (line_.rs485->rts_high ? SER_RS485_RTS_ON_SEND : SER_RS485_RTS_AFTER_SEND);
  config.delay_rts_before_send = static_cast<std::uint32_t>(line_.rs485->before.count());
  config.delay_rts_after_send = static_cast<std::uint32_t>(line_.rs485->after.count());
  if (::ioctl(descriptor_, TIOCSRS485, &config) == 0) return {};
  return failed(fmt::format("its driver does not do RS-485 (by: rts lets Ferrule do it): {}", std::strerror(errno)));
}

bool SerialPort::set_rts(bool sending) const {
  const int rts = TIOCM_RTS;
  return ::ioctl(descriptor_, sending == line_.rs485->rts_high ? TIOCMBIS : TIOCMBIC, &rts) == 0;
}

void SerialPort::begin_send() {
  if (!drives_rts()) return;
  set_rts(true);
  stop_.sleep_until(std::chrono::steady_clock::now() + line_.rs485->before);
}

void SerialPort::end_send() {
  if (!drives_rts()) return;
  ::tcdrain(descriptor_);  // nothing holds bytes back: there is no flow control
  stop_.sleep_until(std::chrono::steady_clock::now() + line_.rs485->after);
  set_rts(false);
}

tl::expected<void, Fault> SerialPort::claim() {
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return {};
  return failed(errno == EWOULDBLOCK ? "in use by another program" : std::strerror(errno));
}

tl::unexpected<Fault> SerialPort::failed(const std::string& why) {
  SerialPort::close();
  return tl::unexpected(Fault{Failure::PortLost, fmt::format("cannot open {}: {}", path_, why)});
}

void SerialPort::close() {
  if (handle_) {
    if (handle_->exclusive) ::ioctl(descriptor_, TIOCNXCL);
    handle_.reset();
  } else if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
  descriptor_ = -1;
}

}  // namespace ferrule::drivers
