#include "drivers/serial/settings_frame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace ferrule::drivers::serial {

namespace {

using config::Choice;
using config::Node;
using std::chrono::milliseconds;

constexpr std::array kWritten{Choice<bool>{"binary", false}, Choice<bool>{"hex", true}};
constexpr std::array kOrders{Choice<bool>{"big", false}, Choice<bool>{"little", true}};

struct Algorithm {
  ChecksumRule::Kind kind = ChecksumRule::Kind::None;
  const CrcModel* crc = nullptr;
  bool nmea = false;
};

std::vector<Choice<Algorithm>> algorithms() {
  using Kind = ChecksumRule::Kind;
  std::vector<Choice<Algorithm>> words{
      {"none", {}},           {"nmea", {Kind::Xor, nullptr, true}},        {"xor", {Kind::Xor}},
      {"sum8", {Kind::Sum8}}, {"sum8-complement", {Kind::Sum8Complement}}, {"sum16", {Kind::Sum16}}};
  for (const auto& model : crc_models()) words.push_back({model.name, {Kind::Crc, &model}});
  return words;
}

// `checksum: nmea`, or a map with `algorithm` and how it is written.
ChecksumRule read_checksum(const Node& node, std::size_t start) {
  ChecksumRule rule;
  if (!node.present()) return rule;
  const auto name = node.is_map() ? node["algorithm"] : node;
  if (node.is_map()) name.required_text();
  const auto words = algorithms();
  const auto algorithm = name.one_of<Algorithm>({}, words);
  rule.kind = algorithm.kind;
  rule.crc = algorithm.crc;
  rule.hex = algorithm.nmea;
  rule.after = algorithm.nmea ? "*" : "";
  rule.from = algorithm.nmea ? start : 0;
  rule.little = algorithm.crc != nullptr && algorithm.crc->reflected;
  if (!node.is_map()) return rule;
  rule.hex = node["written"].one_of(rule.hex, kWritten);
  rule.little = node["byte_order"].one_of(rule.little, kOrders);
  rule.after = read_bytes(node["after"], rule.after);
  rule.from = static_cast<std::size_t>(node["from"].integer(static_cast<std::int64_t>(rule.from), 0, 64));
  return rule;
}

LengthField read_length_field(const Node& node) {
  LengthField field;
  field.at = static_cast<std::size_t>(node["at"].required_integer(0, 64));
  field.bytes = static_cast<std::uint8_t>(node["bytes"].integer(1, 1, 2));
  field.little = node["byte_order"].one_of(false, kOrders);
  field.add = static_cast<int>(node["add"].integer(0, -65535, 1024));
  return field;
}

void read_end(const Node& node, FrameRule& rule) {
  const auto length = node["length"];
  const auto gap = node["gap"];
  if (length.is_map()) {
    rule.length_field = read_length_field(length);
  } else {
    rule.length = static_cast<std::size_t>(length.integer(0, 1, kLongestCounted));
  }
  rule.gap = gap.duration(rule.gap, milliseconds{5}, milliseconds{1000});
  if (rule.counted() && rule.gap.count() > 0) gap.mistake("a frame with a length needs no silence to end it");
  if (!rule.counted() && rule.gap.count() == 0 && rule.end.empty()) {
    node.mistake("what ends a frame?", "end: \"\\r\\n\", length: 9, length: {at: 2}, or gap: 20ms");
    rule.end = "\n";
  }
}

}  // namespace

std::string read_bytes(const Node& node, std::string_view fallback) {
  const auto text = node.present() ? node.text(fallback) : std::string(fallback);
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) {
      node.mistake("a byte above 127 is written as \\x and two hexadecimal digits", R"(e.g. '\xFF', in single quotes)");
      return bytes;
    }
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    const char escape = ++i < text.size() ? text[i] : ' ';
    constexpr std::string_view kEscapes = R"(rnt0\)";
    if (const auto known = kEscapes.find(escape); known != std::string_view::npos) {
      bytes += std::string_view("\r\n\t\0\\", 5)[known];
      continue;
    }
    unsigned int value = 0;
    const auto digits = std::string_view(text).substr(std::min(i + 1, text.size()), 2);
    const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (escape != 'x' || digits.size() != 2 || error != std::errc{} || rest != digits.data() + 2) {
      node.mistake(R"(an escape is one of \r \n \t \0 \\ and \xHH)", R"(a backslash itself is \\)");
      return bytes;
    }
    bytes += static_cast<char>(value);
    i += 2;
  }
  return bytes;
}

FrameRule read_frame(const Node& node) {
  FrameRule rule;
  rule.start = read_bytes(node["start"], {});
  rule.end = read_bytes(node["end"], {});
  if (!node.present()) {
    node.mistake("is required", "e.g. frame: {end: \"\\r\\n\"}");
    rule.end = "\n";
    return rule;
  }
  if (rule.start.size() > 16) node["start"].mistake("at most 16 bytes");
  if (rule.end.size() > 16) node["end"].mistake("at most 16 bytes");
  read_end(node, rule);
  const auto longest = rule.counted() ? kLongestCounted : kLongestText;
  rule.max_length = static_cast<std::size_t>(node["max_length"].integer(
      static_cast<std::int64_t>(std::max(rule.max_length, rule.length)), 1, static_cast<std::int64_t>(longest)));
  rule.checksum = read_checksum(node["checksum"], rule.start.size());
  const auto longest_here = rule.length > 0 ? rule.length : rule.max_length;
  if (rule.overhead() > longest_here || rule.length > rule.max_length) {
    node["max_length"].mistake(
        fmt::format("no frame fits: start, checksum and end alone are {} bytes", rule.overhead()));
  }
  return rule;
}

}  // namespace ferrule::drivers::serial
