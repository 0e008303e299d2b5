#include "drivers/modbus/framer.hpp"

#include <fmt/format.h>
#include <modbus/modbus.h>
#include <sys/select.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "drivers/modbus/owed.hpp"

namespace ferrule::drivers::modbus {

static_assert(kMaxFrame >= MODBUS_RTU_MAX_ADU_LENGTH);

namespace {

constexpr std::uint32_t kReceiveMicroseconds = 60'000;

class RtuFramer final : public Framer {
 public:
  RtuFramer();
  ~RtuFramer() override { ::modbus_free(context_); }

  tl::expected<void, Fault> attach(int descriptor) override;
  int send(std::span<const std::uint8_t> request) override;
  Received receive() override;
  std::vector<std::uint8_t> taken() const override;
  std::vector<std::uint8_t> image(std::span<const std::uint8_t> request) const override;
  std::size_t wire_size(std::size_t rtu) const override { return rtu; }
  std::vector<std::uint8_t> frames_in(std::span<const std::uint8_t> bytes) const override {
    return {bytes.begin(), bytes.end()};
  }

 private:
  modbus_t* context_;
  bool whole_ = false;  // what was received last is as long as its head says, whatever is wrong with it
};

RtuFramer::RtuFramer() : context_(::modbus_new_rtu("/dev/null", 9600, 'N', 8, 1)) {
  if (context_ == nullptr) throw std::bad_alloc();
  ::modbus_set_error_recovery(context_, MODBUS_ERROR_RECOVERY_NONE);
  // No time per byte: the response timeout then bounds the whole call.
  ::modbus_set_byte_timeout(context_, 0, 0);
  ::modbus_set_response_timeout(context_, 0, kReceiveMicroseconds);
}

tl::expected<void, Fault> RtuFramer::attach(int descriptor) {
  // Beyond FD_SETSIZE, select() writes past the end of its set.
  if (descriptor >= FD_SETSIZE) {
    return tl::unexpected(
        Fault{Failure::PortLost,
              fmt::format("descriptor {} is beyond the {} that libmodbus can wait for", descriptor, FD_SETSIZE)});
  }
  ::modbus_set_socket(context_, descriptor);
  return {};
}

int RtuFramer::send(std::span<const std::uint8_t> request) {
  ::modbus_set_slave(context_, request[0]);  // whose answers `receive` takes for Frame
  if (::modbus_send_raw_request(context_, request.data(), static_cast<int>(request.size())) >= 0) return 0;
  return errno == EMBBADDATA ? EAGAIN : errno;  // a part was written
}

Framer::Received RtuFramer::receive() {
  size = 0;
  frame.fill(0);
  const int received = ::modbus_receive_confirmation(context_, frame.data());
  if (received > 0) {
    size = static_cast<std::size_t>(received);
    return Received::Frame;
  }
  const int number = received == 0 ? 0 : errno;
  whole_ = number != ETIMEDOUT && number != EAGAIN;
  if (received == 0) return Received::OtherUnit;
  error = number == ECONNRESET ? "connection closed by the peer" : ::modbus_strerror(number);
  if (number == ETIMEDOUT) error = "incomplete answer";
  return number == ETIMEDOUT || number == EAGAIN || number > MODBUS_ENOBASE ? Received::Nonsense : Received::Lost;
}

/// Of what is no frame libmodbus does not say how much it read: at least what is not 0, and where there is a head, what
/// that announces.
std::vector<std::uint8_t> RtuFramer::taken() const {
  if (size > 0) return {frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size)};
  auto end = frame.size();
  while (end > 0 && frame[end - 1] == 0) --end;
  if (whole_ && end > 0) end = std::max(end, std::min(frame.size(), size_of(shape_of(frame))));
  return {frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(end)};
}

std::vector<std::uint8_t> RtuFramer::image(std::span<const std::uint8_t> request) const {
  std::vector<std::uint8_t> bytes(request.begin(), request.end());
  const auto crc = crc16(request);
  bytes.push_back(static_cast<std::uint8_t>(crc));
  bytes.push_back(static_cast<std::uint8_t>(crc >> 8));
  return bytes;
}

}  // namespace

std::unique_ptr<Framer> make_rtu_framer() { return std::make_unique<RtuFramer>(); }

}  // namespace ferrule::drivers::modbus
