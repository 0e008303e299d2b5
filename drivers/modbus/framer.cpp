#include "drivers/modbus/framer.hpp"

#include <fmt/format.h>
#include <modbus/modbus.h>
#include <sys/select.h>

#include <cerrno>
#include <new>

namespace ferrule::drivers::modbus {

static_assert(kMaxFrame == MODBUS_MAX_ADU_LENGTH);

namespace {

constexpr std::uint32_t kReceiveMicroseconds = 60'000;

}  // namespace

Framer::Framer(Framing framing)
    : context_(framing == Framing::Tcp ? ::modbus_new_tcp("127.0.0.1", MODBUS_TCP_DEFAULT_PORT)
                                       : ::modbus_new_rtu("/dev/null", 9600, 'N', 8, 1)) {
  if (context_ == nullptr) throw std::bad_alloc();
  ::modbus_set_error_recovery(context_, MODBUS_ERROR_RECOVERY_NONE);
  // No time per byte: the response timeout then bounds the whole call.
  ::modbus_set_byte_timeout(context_, 0, 0);
  ::modbus_set_response_timeout(context_, 0, kReceiveMicroseconds);
}

Framer::~Framer() { ::modbus_free(context_); }

tl::expected<void, Fault> Framer::attach(int descriptor) {
  // Beyond FD_SETSIZE, select() writes past the end of its set.
  if (descriptor >= FD_SETSIZE) {
    return tl::unexpected(
        Fault{Failure::PortLost,
              fmt::format("descriptor {} is beyond the {} that libmodbus can wait for", descriptor, FD_SETSIZE)});
  }
  ::modbus_set_socket(context_, descriptor);
  return {};
}

int Framer::send(std::span<const std::uint8_t> request) {
  ::modbus_set_slave(context_, request[0]);  // whose answers `receive` takes for Frame
  if (::modbus_send_raw_request(context_, request.data(), static_cast<int>(request.size())) >= 0) return 0;
  return errno == EMBBADDATA ? EAGAIN : errno;  // a part was written
}

Framer::Received Framer::receive() {
  size = 0;
  const int received = ::modbus_receive_confirmation(context_, frame.data());
  if (received > 0) {
    size = static_cast<std::size_t>(received);
    return Received::Frame;
  }
  if (received == 0) return Received::OtherUnit;
  const int number = errno;
  error = number == ECONNRESET ? "connection closed by the peer" : ::modbus_strerror(number);
  if (number == ETIMEDOUT) error = "incomplete answer";
  return number == ETIMEDOUT || number == EAGAIN || number > MODBUS_ENOBASE ? Received::Nonsense : Received::Lost;
}

}  // namespace ferrule::drivers::modbus
