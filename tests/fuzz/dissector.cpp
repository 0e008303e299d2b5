// A hostile wire that somebody watches: whatever goes over it, every byte is shown once, as a frame or as none.
// Input: framing (1 byte) | (direction and length (1 byte) | bytes)*
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "drivers/modbus/dissector.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ferrule::drivers;
  using namespace ferrule::drivers::modbus;
  constexpr std::size_t kMostWaits = 2 * 513;  // the longest frame of each direction
  if (size == 0) return 0;
  constexpr FrameForm kForms[] = {FrameForm::Tcp, FrameForm::Rtu, FrameForm::Ascii};
  Dissector dissector(kForms[data[0] % 3]);
  std::span<const std::uint8_t> rest(data + 1, size - 1);
  std::size_t in = 0;
  std::size_t out = 0;
  const auto take = [&](const std::vector<Dissected>& frames) {
    for (const auto& frame : frames) {
      ferrule::fuzz::require(!frame.bytes.empty() && !frame.text.empty(), "a frame has bytes, and words for them");
      out += frame.bytes.size();
    }
  };
  while (!rest.empty()) {
    const auto direction = (rest[0] & 0x80) != 0 ? WireEvent::Kind::Sent : WireEvent::Kind::Received;
    const auto bytes = rest.subspan(1, std::min<std::size_t>(rest[0] & 0x7F, rest.size() - 1));
    rest = rest.subspan(1 + bytes.size());
    in += bytes.size();
    take(dissector.next(direction, bytes));
    ferrule::fuzz::require(out <= in && in - out <= kMostWaits, "no more than a frame of each direction waits");
  }
  take(dissector.flush());
  ferrule::fuzz::require(in == out, "every byte is shown once");
  return 0;
}
