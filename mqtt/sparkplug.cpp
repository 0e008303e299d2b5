#include "mqtt/sparkplug.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace ferrule::mqtt::sparkplug {
namespace {

/// The topic's levels behind the namespace: group, type, edge node, device; empty where there are none.
struct Levels {
  std::array<std::string_view, 4> at;
  std::size_t count = 0;
};

Levels levels_of(std::string_view rest) {
  Levels levels;
  for (;;) {
    const std::size_t slash = rest.find('/');
    if (levels.count == levels.at.size()) return {};  // one too many
    levels.at[levels.count++] = rest.substr(0, slash);
    if (slash == std::string_view::npos) return levels;
    rest.remove_prefix(slash + 1);
  }
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

/// A base-128 varint of at most ten bytes, taken from the front.
bool take_varint(std::string_view& in, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 70 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    if (shift < 64) value |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool take_bytes(std::string_view& in, std::uint64_t n) {
  if (n > in.size()) return false;
  in.remove_prefix(static_cast<std::size_t>(n));
  return true;
}

/// Field: key (varint: number << 3 | type) | type 0: varint, 1: 8 bytes, 2: length (varint) and bytes, 5: 4 bytes
bool take_field(std::string_view& in, std::uint64_t& number) {
  std::uint64_t key = 0, value = 0;
  if (!take_varint(in, key)) return false;
  number = key >> 3;
  if (number == 0) return false;
  switch (key & 7) {
    case 0:
      return take_varint(in, value);
    case 1:
      return take_bytes(in, 8);
    case 2:
      return take_varint(in, value) && take_bytes(in, value);
    case 5:
      return take_bytes(in, 4);
    default:
      return false;
  }
}

}  // namespace

Kind kind_of(std::string_view topic) {
  if (!topic.starts_with(kNamespace)) return Kind::Other;
  topic.remove_prefix(kNamespace.size());
  if (!topic.starts_with('/')) return Kind::Other;
  const Levels levels = levels_of(topic.substr(1));
  const std::string_view type = levels.at[1];
  if (levels.count == 3 && type == "NBIRTH") return Kind::Birth;
  if (levels.count == 4 && type == "DBIRTH") return Kind::Birth;
  if (levels.count == 3 && type == "NDEATH") return Kind::NodeDeath;
  return Kind::Other;
}

std::string certificate_topic(std::string_view birth_topic) {
  return "$sparkplug/certificates/" + std::string(birth_topic);
}

std::optional<std::string> with_timestamp(std::string_view payload, std::chrono::system_clock::time_point now) {
  const auto since_epoch = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  std::string dated = "\x08";  // field 1, varint
  put_varint(dated, static_cast<std::uint64_t>(since_epoch.count()));
  while (!payload.empty()) {
    const std::string_view before = payload;
    std::uint64_t number = 0;
    if (!take_field(payload, number)) return std::nullopt;
    if (number != 1) dated.append(before.substr(0, before.size() - payload.size()));
  }
  return dated;
}

}  // namespace ferrule::mqtt::sparkplug
