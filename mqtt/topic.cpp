#include "mqtt/topic.hpp"

#include <cstdint>
#include <cstring>

namespace ferrule::mqtt {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101, kHighBits = 0x8080808080808080;

unsigned char byte_at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

/// Bytes of the well-formed multi-byte character that `rest` begins with; 0 when there is none (Unicode 15 table 3-7).
std::size_t character_size(std::string_view rest) {
  const unsigned char lead = byte_at(rest, 0);
  const std::size_t size = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (size == 0 || rest.size() < size) return 0;
  const unsigned char second = byte_at(rest, 1);
  const unsigned char lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;  // no longer form than needed
  const unsigned char highest = lead == 0xED   ? 0x9F
                                : lead == 0xF4 ? 0x8F
                                               : 0xBF;  // no surrogates, nothing above U+10FFFF
  if (second < lowest || second > highest) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if ((byte_at(rest, i) & 0xC0) != 0x80) return 0;
  }
  return size;
}

tl::unexpected<Refusal> refuse(Reason code, const char* statement, std::string_view detail) {
  return tl::unexpected(Refusal{code, statement, detail});
}

/// What one pass over a topic sees.
struct Glance {
  bool ascii = true;  ///< all of it, without U+0000; otherwise the rest does not count
  bool wildcards = false;
  std::size_t slashes = 0;
};

/// A bit for each byte of `word` that is `c`, if all its bytes are below 0x80: then no subtraction borrows from the
/// next byte.
constexpr std::uint64_t bytes_equal(std::uint64_t word, char c) {
  return (kHighBits - (word ^ kOnes * static_cast<unsigned char>(c))) & kHighBits;
}

/// How many bytes of `word`, each 0x80 or 0. Without the processor's own instruction std::popcount is a call.
constexpr std::size_t count_marks(std::uint64_t word) { return ((word >> 7) * kOnes) >> 56; }

/// Eight bytes at a time: this runs for every PUBLISH.
Glance glance_at(std::string_view text) {
  std::uint64_t not_ascii = 0, wildcards = 0;
  Glance seen;
  std::size_t i = 0;
  for (; text.size() - i >= sizeof(std::uint64_t); i += sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + i, sizeof word);
    not_ascii |= (word & kHighBits) | bytes_equal(word, '\0');
    wildcards |= bytes_equal(word, '+') | bytes_equal(word, '#');
    seen.slashes += count_marks(bytes_equal(word, '/'));
  }
  for (; i < text.size(); ++i) {
    not_ascii |= (byte_at(text, i) & 0x80U) | (text[i] == '\0');
    wildcards |= std::uint64_t{text[i] == '+'} | std::uint64_t{text[i] == '#'};
    seen.slashes += text[i] == '/';
  }
  seen.ascii = not_ascii == 0;
  seen.wildcards = wildcards != 0;
  return seen;
}

/// The same for a topic that is not ASCII.
Glance look_at(std::string_view text) {
  Glance seen{false};
  for (const char c : text) {
    seen.wildcards |= c == '+' || c == '#';
    seen.slashes += c == '/';
  }
  return seen;
}

/// What topic names and filters have in common; `code` for text that is well-formed and yet no topic.
Decoded<Glance> check_text(std::string_view text, Reason code) {
  if (text.empty()) return refuse(code, "MQTT-4.7.3-1", "empty topic");
  if (text.size() > kMaxTopicBytes) return refuse(code, "MQTT-4.7.3-3", "topic longer than 65,535 bytes");
  Glance seen = glance_at(text);
  if (!seen.ascii) {
    if (!is_valid_utf8(text)) {
      const bool null = text.find('\0') != std::string_view::npos;
      return refuse(Reason::MalformedPacket, null ? "MQTT-4.7.3-2" : "MQTT-1.5.4-1",
                    null ? "null character in a topic" : "topic is not UTF-8");
    }
    seen = look_at(text);
  }
  if (seen.slashes >= kMaxTopicLevels) return refuse(code, "MQTT5 4.7.3", "topic with too many levels");
  return seen;
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    if (text.size() - i >= sizeof(std::uint64_t)) {
      std::uint64_t word;
      std::memcpy(&word, text.data() + i, sizeof word);
      const std::uint64_t zero_bytes = (word - kOnes) & ~word & kHighBits;  // not 0 when one of the eight is 0
      if ((zero_bytes | (word & kHighBits)) == 0) {
        i += sizeof word;
        continue;
      }
    }
    const unsigned char c = byte_at(text, i);
    if (c == 0) return false;  // [MQTT-1.5.4-2]
    const std::size_t size = c < 0x80 ? 1 : character_size(text.substr(i));
    if (size == 0) return false;  // [MQTT-1.5.4-1]
    i += size;                    // U+FEFF is a character like others [MQTT-1.5.4-3]
  }
  return true;
}

bool is_valid_topic_name(std::string_view name) { return check_topic_name(name).has_value(); }
bool is_valid_topic_filter(std::string_view filter) { return check_topic_filter(filter).has_value(); }

Decoded<void> check_topic_name(std::string_view name) {
  const auto seen = check_text(name, Reason::TopicNameInvalid);
  if (!seen) return tl::unexpected(seen.error());
  if (seen->wildcards) return refuse(Reason::TopicNameInvalid, "MQTT-4.7.0-1", "wildcard in a topic name");
  return {};
}

Decoded<void> check_topic_filter(std::string_view filter) {
  const auto seen = check_text(filter, Reason::TopicFilterInvalid);
  if (!seen) return tl::unexpected(seen.error());
  if (!seen->wildcards) return {};
  for (std::size_t i = 0; i < filter.size(); ++i) {
    if (filter[i] != '+' && filter[i] != '#') continue;
    const bool begins_level = i == 0 || filter[i - 1] == '/';
    const bool ends_filter = i + 1 == filter.size();
    if (filter[i] == '#' && !(begins_level && ends_filter)) {
      return refuse(Reason::TopicFilterInvalid, "MQTT-4.7.1-1", "# is not the last level by itself");
    }
    if (filter[i] == '+' && !(begins_level && (ends_filter || filter[i + 1] == '/'))) {
      return refuse(Reason::TopicFilterInvalid, "MQTT-4.7.1-2", "+ is not a level by itself");
    }
  }
  return {};
}

Decoded<ShareFilter> split_share(std::string_view subscription) {
  constexpr std::string_view kPrefix = "$share/";
  ShareFilter parts{{}, subscription};
  if (subscription.substr(0, kPrefix.size()) == kPrefix) {
    const std::string_view rest = subscription.substr(kPrefix.size());
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) {
      return refuse(Reason::TopicFilterInvalid, "MQTT-4.8.2-2", "$share without a topic filter");
    }
    parts = {rest.substr(0, slash), rest.substr(slash + 1)};
    if (parts.group.empty()) {
      return refuse(Reason::TopicFilterInvalid, "MQTT-4.8.2-1", "$share with an empty name");
    }
    if (parts.group.find_first_of("+#") != std::string_view::npos) {
      return refuse(Reason::TopicFilterInvalid, "MQTT-4.8.2-2", "wildcard in a share name");
    }
    if (parts.filter.empty()) {
      return refuse(Reason::TopicFilterInvalid, "MQTT-4.8.2-2", "$share without a topic filter");
    }
    if (auto checked = check_text(subscription, Reason::TopicFilterInvalid); !checked) {
      return tl::unexpected(checked.error());
    }
  }
  if (auto checked = check_topic_filter(parts.filter); !checked) return tl::unexpected(checked.error());
  return parts;
}

tl::expected<Topic, Reason> Topic::parse(std::string text) {
  if (!is_valid_topic_name(text)) return tl::unexpected(Reason::TopicNameInvalid);
  return Topic(std::move(text));
}

tl::expected<TopicFilter, Reason> TopicFilter::parse(std::string text) {
  const auto parts = split_share(text);
  if (!parts || !parts->group.empty()) return tl::unexpected(Reason::TopicFilterInvalid);
  return TopicFilter(std::move(text));
}

bool TopicFilter::matches(std::string_view topic) const {
  std::string_view filter = text_;
  const bool begins_wild = filter.front() == '+' || filter.front() == '#';
  if (begins_wild && topic.substr(0, 1) == "$") return false;  // [MQTT-4.7.2-1]
  for (;;) {
    if (filter == "#") return true;
    const std::size_t filter_end = filter.find('/');
    const std::size_t topic_end = topic.find('/');
    const std::string_view level = filter.substr(0, filter_end);
    if (level != "+" && level != topic.substr(0, topic_end)) return false;  // [MQTT-4.7.3-4]
    if (filter_end == std::string_view::npos) return topic_end == std::string_view::npos;
    filter.remove_prefix(filter_end + 1);
    if (topic_end == std::string_view::npos) return filter == "#";  // "a/#" matches "a" too
    topic.remove_prefix(topic_end + 1);
  }
}

}  // namespace ferrule::mqtt
