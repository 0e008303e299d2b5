// Topic names and topic filters, valid from construction on (MQTT 5 section 4.7).
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "mqtt/reason.hpp"

namespace ferrule::mqtt {

/// Bounds of our own, below MQTT's 65,535 bytes: a peer must not make us walk a million levels.
inline constexpr std::size_t kMaxTopicBytes = 65535;
inline constexpr std::size_t kMaxTopicLevels = 128;

/// True for well-formed UTF-8 without U+0000 and surrogates [MQTT-1.5.4-1] [MQTT-1.5.4-2].
bool is_valid_utf8(std::string_view text);

/// Whether `name` may be published to: valid UTF-8, 1..65535 bytes, no wildcards [MQTT-3.3.2-2] [MQTT-4.7.3-1], at most
/// 128 levels.
bool is_valid_topic_name(std::string_view name);
/// Whether `filter` may be subscribed to, without a `$share/group/` prefix [MQTT-4.7.1-1] [MQTT-4.7.1-2].
bool is_valid_topic_filter(std::string_view filter);

/// The same two checks with the statement that was violated. Bytes that are no UTF-8 are malformed, the rest is
/// TopicNameInvalid or TopicFilterInvalid.
Decoded<void> check_topic_name(std::string_view name);
Decoded<void> check_topic_filter(std::string_view filter);

/// The two parts of `$share/group/filter` (MQTT 5 section 4.8.2), as views into what was split.
struct ShareFilter {
  std::string_view group;   ///< empty for a subscription that is not shared
  std::string_view filter;  ///< checked as by `check_topic_filter`
};

/// Splits and checks what stands in a SUBSCRIBE. Without `$share/` in front, all of it is the filter. [MQTT-4.8.2-1]
/// [MQTT-4.8.2-2]
Decoded<ShareFilter> split_share(std::string_view subscription);

/// A topic name that one can publish to.
class Topic {
 public:
  static tl::expected<Topic, Reason> parse(std::string text);  ///< TopicNameInvalid
  const std::string& text() const { return text_; }
  bool operator==(const Topic&) const = default;

 private:
  explicit Topic(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// A topic filter, perhaps with wildcards, never with `$share`.
class TopicFilter {
 public:
  static tl::expected<TopicFilter, Reason> parse(std::string text);  ///< TopicFilterInvalid
  const std::string& text() const { return text_; }
  /// Wildcards at the first level do not match topics that begin with `$` [MQTT-4.7.2-1]. Allocates nothing.
  bool matches(std::string_view topic) const;
  bool operator==(const TopicFilter&) const = default;

 private:
  explicit TopicFilter(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace ferrule::mqtt
