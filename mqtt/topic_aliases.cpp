#include "mqtt/topic_aliases.hpp"

#include <algorithm>

namespace ferrule::mqtt {

OutboundAliases::Choice OutboundAliases::choose(std::string_view topic) const {
  if (topic.size() < kShortest || topic.size() > kLongest) return {};
  const auto found = std::ranges::find(entries_, topic, &Entry::topic);
  const bool known = found != entries_.end();
  const auto place = known                        ? found
                     : entries_.size() < maximum_ ? entries_.end()
                                                  : std::ranges::min_element(entries_, {}, &Entry::last_sent);
  return {static_cast<std::uint16_t>(place - entries_.begin() + 1), known};  // never 0 [MQTT-3.3.2-8]
}

void OutboundAliases::sent(const Choice& choice, std::string_view topic) {
  const std::size_t index = choice.alias - 1U;
  if (index == entries_.size()) entries_.emplace_back();
  if (!choice.known) entries_[index].topic = topic;
  entries_[index].last_sent = ++sent_;
}

}  // namespace ferrule::mqtt
