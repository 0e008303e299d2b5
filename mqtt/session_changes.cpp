#include "mqtt/session_changes.hpp"

namespace ferrule::mqtt {

namespace {

/// 7 bits a byte, the lowest first; the last has its upper bit clear.
void put(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

bool take(std::string_view& from, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(from.front());
    from.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

}  // namespace

void encode_receiver(std::string& to, SessionRow session, const StoredDelivery& delivery) {
  put(to, static_cast<std::uint64_t>(session));
  put(to, delivery.number);
  to.push_back(static_cast<char>(static_cast<int>(delivery.qos) | (delivery.retain ? 4 : 0)));
  put(to, delivery.identifiers.size());
  for (const auto identifier : delivery.identifiers) put(to, identifier);
}

bool decode_receiver(std::string_view& from, SessionRow& session, StoredDelivery& delivery) {
  std::uint64_t row = 0, flags = 0, identifiers = 0;
  if (!take(from, row) || !take(from, delivery.number) || !take(from, flags) || !take(from, identifiers)) return false;
  session = static_cast<SessionRow>(row);
  delivery.qos = (flags & 3) == 2 ? Qos::ExactlyOnce : Qos::AtLeastOnce;
  delivery.retain = (flags & 4) != 0;
  delivery.identifiers.clear();
  for (; identifiers > 0; --identifiers) {
    std::uint64_t identifier = 0;
    if (!take(from, identifier)) return false;
    delivery.identifiers.push_back(static_cast<std::uint32_t>(identifier));
  }
  return true;
}

}  // namespace ferrule::mqtt
