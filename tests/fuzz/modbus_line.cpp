// A hostile device on a serial line, RTU or ASCII: whatever it sends, a read ends in a failure or in exactly the data
// that was asked for, and what it says it is has been parsed within its bytes. Input: framing and requests (1 byte) |
// what the device sends after each request, up to 0xFF 0xFE, then the next
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>

#include "drivers/modbus/identity.hpp"
#include "drivers/modbus/wire_client.hpp"
#include "tests/drivers/scripted_peer.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::drivers;
using namespace ferrule::drivers::modbus;

/// A wire on which the device answers in the moment in which a request has gone out.
class AnsweringPort final : public Port {
 public:
  AnsweringPort(const StopSignal& stop, std::span<const std::uint8_t> answers)
      : Port(stop), pair_(std::make_unique<PairPort>(stop)), answers_(answers) {
    descriptor_ = pair_->descriptor();
  }
  tl::expected<void, Fault> open(TimePoint) override { return {}; }
  void close() override { descriptor_ = -1; }
  std::string name() const override { return "fuzz"; }
  void end_send() override {
    constexpr std::array<std::uint8_t, 2> kEnd{0xFF, 0xFE};
    const auto end = std::search(answers_.begin(), answers_.end(), kEnd.begin(), kEnd.end());
    const auto size = static_cast<std::size_t>(end - answers_.begin());
    [[maybe_unused]] const auto sent = ::send(pair_->peer, answers_.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
    answers_ = answers_.subspan(std::min(answers_.size(), size + kEnd.size()));
  }

 private:
  std::unique_ptr<PairPort> pair_;
  std::span<const std::uint8_t> answers_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  parse_identity({data, size});
  parse_server_id({data, size});

  const StopSignal stop;
  AnsweringPort port(stop, {data + 1, size - 1});
  const Timing timing{.timeout = std::chrono::milliseconds(1)};
  const bool ascii = (data[0] & 1) != 0;
  const auto client = ascii ? make_ascii_client(port, stop, timing) : make_rtu_client(port, stop, timing);
  if (!client->opened()) return 0;
  constexpr std::array kTables{Table::Coil, Table::Discrete, Table::Input, Table::Holding};
  for (int i = 0; i < 2 && port.is_open(); ++i) {
    Request request;
    request.table = kTables[static_cast<std::size_t>(data[0] >> (1 + 2 * i)) % 4];
    request.count = static_cast<std::uint16_t>(1 + data[0] / 64);
    const auto answer = client->read(request);
    ferrule::fuzz::require(!answer || answer->size() == data_bytes(request), "an answer is as long as was asked for");
  }
  return 0;
}
