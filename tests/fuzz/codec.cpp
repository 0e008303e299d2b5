// Hostile bytes through the framer and the decoder of one version (FERRULE_FUZZ_VERSION) and both directions. What is
// accepted must survive a round trip, however the stream is cut.
// Input: sender and length of the pieces (1 byte) | the stream
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "mqtt/codec.hpp"
#include "mqtt/framer.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::mqtt;
using ferrule::fuzz::require;

constexpr auto kVersion = static_cast<Version>(FERRULE_FUZZ_VERSION);
constexpr std::size_t kMaxPacket = 64 * 1024;

std::string encoded(const Packet& packet, Version version) {
  BlockPool pool;
  OutputBuffer out(pool);
  encode(packet, version, out);
  require(out.size() == encoded_size(packet, version), "a packet is as long as encoded_size says");
  return out.text();
}

void check_round_trip(const Packet& packet, Version version, Sender sender) {
  const std::string once = encoded(packet, version);
  Framer framer(kMaxPacket * 2);
  framer.feed(once);
  const auto frame = framer.next();
  require(frame && *frame, "what was encoded is one frame");
  const auto again = decode(**frame, version, sender);
  require(again && encoded(*again, version) == once, "what was encoded decodes to the same");
}

/// Walks everything that a decoded packet offers.
void visit(const Packet& packet, std::string& scratch) {
  std::size_t sum = 0;
  if (const auto* publish = std::get_if<Publish>(&packet)) sum += forwardable(publish->properties, scratch).size();
  if (const auto* subscribe = std::get_if<Subscribe>(&packet)) {
    for (const SubscribeEntry& entry : subscribe->entries) sum += entry.filter.size() + entry.group.size();
    require(subscribe->entries.begin() != subscribe->entries.end(), "a SUBSCRIBE has a filter [MQTT-3.8.3-2]");
  }
  if (const auto* unsubscribe = std::get_if<Unsubscribe>(&packet)) {
    for (const std::string_view filter : unsubscribe->filters) sum += filter.size();
  }
  require(sum <= 10 * kMaxPacket, "a packet offers no more than it holds");
}

/// Returns false when the framer has refused the stream.
bool drain(Framer& framer, Sender sender, std::string& scratch) {
  for (;;) {
    const auto frame = framer.next();
    if (!frame) return false;
    if (!*frame) return true;
    const auto packet = decode(**frame, kVersion, sender);
    if (!packet) continue;
    visit(*packet, scratch);
    const auto* connect = std::get_if<Connect>(&*packet);
    check_round_trip(*packet, connect != nullptr ? connect->version : kVersion, sender);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto sender = static_cast<Sender>(data[0] % 2);
  const std::size_t piece = 1 + data[0] / 2;
  const std::string stream(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string scratch;

  Framer whole(kMaxPacket);
  whole.feed(stream);
  const bool accepted = drain(whole, sender, scratch);

  Framer cut(kMaxPacket);
  bool accepted_in_pieces = true;
  for (std::size_t at = 0; at < stream.size() && accepted_in_pieces; at += piece) {
    const std::string part = stream.substr(at, piece);  // a buffer of its own, gone afterwards
    cut.feed(part);
    accepted_in_pieces = drain(cut, sender, scratch);
  }
  require(accepted == accepted_in_pieces, "a stream means the same in pieces");
  return 0;
}
