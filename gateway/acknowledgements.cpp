#include "gateway/acknowledgements.hpp"

#include <utility>

namespace ferrule::gateway {

void Acknowledgements::take_for(const std::vector<AlarmPlace>& places) {
  places_.clear();
  for (const auto& place : places) places_.emplace(place.topic, place);
}

tl::expected<mqtt::Ticket, mqtt::Reason> Acknowledgements::append(const mqtt::PublicationPtr& publication, bool) {
  const auto found = places_.find(publication->topic);
  if (found == places_.end() || publication->origin.empty()) return mqtt::Ticket{0};
  const auto who = "client " + publication->origin;
  if (publication->retain) {
    way_.post([this, who, topic = found->first] { way_.note(who, topic + ": refused: it is retained"); });
    return mqtt::Ticket{0};
  }
  way_.post([this, who, topic = found->first, by = publication->origin] {
    const auto place = places_.find(topic);  // a reload may have come between
    auto news = place == places_.end() ? nullptr : way_.acknowledge(place->second, by);
    if (!news) return;
    way_.note(who, news->topic);
    way_.publish(std::move(news));
  });
  return mqtt::Ticket{0};
}

bool Acknowledgements::subscribes(std::string_view topic) const { return places_.contains(std::string(topic)); }

}  // namespace ferrule::gateway
