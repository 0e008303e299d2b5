// Any bytes as a DBC file: it is read or has a mistake at a place in it; what was read can be decoded, encoded and
// written as configuration.
#include <string>
#include <string_view>

#include "drivers/can/dbc.hpp"
#include "drivers/can/import.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::drivers;
using namespace ferrule::drivers::can;

void try_signal(const DbcMessage& message, const DbcSignal& signal) {
  using ferrule::fuzz::require;
  if (message.size > Frame::kMostBytes) return;
  require(bytes_for(signal.signal) <= message.size, "a signal lies within its message");
  Frame frame{message.id, message.size, {0xA5, 0x5A, 0xC3, 0x3C, 0xFF, 0x00, 0x81, 0x7E}};
  static_cast<void>(is_selected(signal.signal, frame));
  const auto raw = extract(frame.data, signal.signal.place);
  auto copy = frame;
  insert(copy.data, signal.signal.place, raw);
  require(copy == frame, "what is put back is what was there");
  const auto decoded = decode(signal.signal, frame);
  if (decoded.quality == Quality::Good) static_cast<void>(encode(signal.signal, decoded.value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto dbc = parse_dbc(text);
  if (!dbc) {
    ferrule::fuzz::require(dbc.error().line >= 1 && dbc.error().column >= 1, "a mistake has a place");
    ferrule::fuzz::require(!dbc.error().message.empty(), "a mistake says what is wrong");
    return 0;
  }
  for (const auto& message : dbc->messages) {
    for (const auto& signal : message.signals) try_signal(message, signal);
  }
  static_cast<void>(as_yaml(*dbc, {"fuzz.dbc", "can", "can0", "fuzz"}));
  return 0;
}
