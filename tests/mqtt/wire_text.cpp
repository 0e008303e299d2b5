#include "wire_text.hpp"

#include <fmt/format.h>

#include <cctype>
#include <stdexcept>

namespace ferrule::mqtt::testing {
namespace {

std::string varint(std::size_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>((value & 0x7F) | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}

/// Reads up to `end` (or to the end of the text when it is 0) and leaves `text` behind it.
std::string bytes_until(std::string_view& text, char end) {
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == end) return out;
    if (std::isspace(static_cast<unsigned char>(c)) != 0) continue;
    if (c == '\'') {
      const std::size_t close = text.find('\'');
      out.append(text.substr(0, close));
      text.remove_prefix(close + 1);
    } else if (c == '[') {
      const std::string inner = bytes_until(text, ']');
      out += varint(inner.size()) + inner;
    } else if (c == '(') {
      const std::string inner = bytes_until(text, ')');
      out.push_back(static_cast<char>(inner.size() >> 8));
      out.push_back(static_cast<char>(inner.size()));
      out += inner;
    } else {
      out.push_back(static_cast<char>(std::stoi(std::string{c, text.at(0)}, nullptr, 16)));
      text.remove_prefix(1);
    }
  }
  if (end != 0) throw std::invalid_argument("unbalanced wire text");
  return out;
}

std::string quote(std::string_view bytes) { return fmt::format("<{}>", hex(bytes)); }

std::string describe_one(const Connect& p) {
  std::string out = fmt::format("CONNECT version={} clean={} keep_alive={} id={}", static_cast<int>(p.version),
                                p.clean_start, p.keep_alive.count(), quote(p.client_id));
  if (p.will) {
    out += fmt::format(" will(topic={} payload={} qos={} retain={}{})", quote(p.will->topic), quote(p.will->payload),
                       static_cast<int>(p.will->qos), p.will->retain, describe(p.will->properties));
  }
  if (p.user_name) out += " user=" + quote(*p.user_name);
  if (p.password) out += " password=" + quote(*p.password);
  return out + describe(p.properties);
}

std::string describe_one(const Connack& p) {
  return fmt::format("CONNACK present={} reason={}{}", p.session_present, name(p.reason), describe(p.properties));
}

std::string describe_one(const Publish& p) {
  return fmt::format("PUBLISH topic={} payload={} qos={} retain={} dup={} id={}{}", quote(p.topic), quote(p.payload),
                     static_cast<int>(p.qos), p.retain, p.dup, p.packet_id, describe(p.properties));
}

std::string describe_one(const Ack& p) {
  return fmt::format("ACK type={} id={} reason={}{}", static_cast<int>(p.type), p.packet_id, name(p.reason),
                     describe(p.properties));
}

std::string describe_one(const Subscribe& p) {
  std::string out = fmt::format("SUBSCRIBE id={}", p.packet_id);
  for (const SubscribeEntry& e : p.entries) {
    out += fmt::format(" entry({} group={} filter={} qos={} no_local={} rap={} handling={})", quote(e.text),
                       quote(e.group), quote(e.filter), static_cast<int>(e.options.qos), e.options.no_local,
                       e.options.retain_as_published, e.options.retain_handling);
  }
  return out + describe(p.properties);
}

std::string describe_one(const Suback& p) {
  return fmt::format("SUBACK id={} codes={}{}", p.packet_id, quote(p.codes), describe(p.properties));
}

std::string describe_one(const Unsubscribe& p) {
  std::string out = fmt::format("UNSUBSCRIBE id={}", p.packet_id);
  for (const std::string_view filter : p.filters) out += " filter=" + quote(filter);
  return out + describe(p.properties);
}

std::string describe_one(const Unsuback& p) {
  return fmt::format("UNSUBACK id={} codes={}{}", p.packet_id, quote(p.codes), describe(p.properties));
}

std::string describe_one(const Pingreq&) { return "PINGREQ"; }
std::string describe_one(const Pingresp&) { return "PINGRESP"; }

std::string describe_one(const Disconnect& p) {
  return fmt::format("DISCONNECT reason={}{}", name(p.reason), describe(p.properties));
}

std::string describe_one(const Auth& p) {
  return fmt::format("AUTH reason={}{}", name(p.reason), describe(p.properties));
}

}  // namespace

std::string wire(std::string_view text) { return bytes_until(text, 0); }

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{}{:02X}", out.empty() ? "" : " ", static_cast<unsigned char>(c));
  return out;
}

std::string describe(const Properties& properties) {
  std::string out;
  for (const Property& p : properties) {
    out += fmt::format(" {}({} {} {})", rule_of(static_cast<std::uint8_t>(p.id))->name, p.number, quote(p.text),
                       quote(p.value));
  }
  return out;
}

std::string describe(const Packet& packet) {
  return std::visit([](const auto& one) { return describe_one(one); }, packet);
}

}  // namespace ferrule::mqtt::testing
