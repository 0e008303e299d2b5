// libFuzzer: hostile bytes through the framer and the decoder, in every version and direction. What is accepted must
// survive a round trip. The first byte of the input chooses version, sender and how the stream is cut.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mqtt/codec.hpp"
#include "mqtt/framer.hpp"

namespace {

using namespace ferrule::mqtt;

constexpr std::size_t kMaxPacket = 64 * 1024;

std::string encoded(const Packet& packet, Version version) {
  BlockPool pool;
  OutputBuffer out(pool);
  encode(packet, version, out);
  if (out.size() != encoded_size(packet, version)) std::abort();
  return out.text();
}

/// What `packet` encodes to, decodes to a packet that encodes to the same.
void check_round_trip(const Packet& packet, Version version, Sender sender) {
  const std::string once = encoded(packet, version);
  Framer framer(kMaxPacket * 2);
  framer.feed(once);
  const auto frame = framer.next();
  if (!frame || !*frame) std::abort();
  const auto again = decode(**frame, version, sender);
  if (!again || encoded(*again, version) != once) std::abort();
}

/// Walks everything that a decoded packet offers.
void visit(const Packet& packet, std::string& scratch) {
  std::size_t sum = 0;
  if (const auto* publish = std::get_if<Publish>(&packet)) sum += forwardable(publish->properties, scratch).size();
  if (const auto* subscribe = std::get_if<Subscribe>(&packet)) {
    for (const SubscribeEntry& entry : subscribe->entries) sum += entry.filter.size() + entry.group.size();
    if (subscribe->entries.begin() == subscribe->entries.end()) std::abort();  // [MQTT-3.8.3-2]
  }
  if (const auto* unsubscribe = std::get_if<Unsubscribe>(&packet)) {
    for (const std::string_view filter : unsubscribe->filters) sum += filter.size();
  }
  if (sum > 10 * kMaxPacket) std::abort();
}

/// Returns false when the framer has refused the stream.
bool drain(Framer& framer, Version version, Sender sender, std::string& scratch) {
  for (;;) {
    const auto frame = framer.next();
    if (!frame) return false;
    if (!*frame) return true;
    const auto packet = decode(**frame, version, sender);
    if (!packet) continue;
    visit(*packet, scratch);
    const auto* connect = std::get_if<Connect>(&*packet);
    check_round_trip(*packet, connect != nullptr ? connect->version : version, sender);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto version = static_cast<Version>(3 + data[0] % 3);
  const auto sender = static_cast<Sender>(data[0] / 3 % 2);
  const std::size_t piece = 1 + data[0] / 6;
  std::string stream(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string scratch;

  Framer whole(kMaxPacket);
  whole.feed(stream);
  const bool accepted = drain(whole, version, sender, scratch);

  Framer cut(kMaxPacket);
  bool accepted_in_pieces = true;
  for (std::size_t at = 0; at < stream.size() && accepted_in_pieces; at += piece) {
    const std::string part = stream.substr(at, piece);  // a buffer of its own, gone afterwards
    cut.feed(part);
    accepted_in_pieces = drain(cut, version, sender, scratch);
  }
  if (accepted != accepted_in_pieces) std::abort();
  return 0;
}
