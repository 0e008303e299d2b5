#include "gateway/acknowledgements.hpp"

#include <utility>

namespace ferrule::gateway {

Acknowledgements::Acknowledgements(std::vector<AlarmPlace> places, Way way) : way_(std::move(way)) {
  for (auto& place : places) {
    auto topic = place.topic;
    places_.emplace(std::move(topic), std::move(place));
  }
}

tl::expected<mqtt::Ticket, mqtt::Reason> Acknowledgements::append(const mqtt::PublicationPtr& publication, bool) {
  const auto found = places_.find(publication->topic);
  if (found == places_.end() || publication->origin.empty()) return mqtt::Ticket{0};
  const auto who = "client " + publication->origin;
  if (publication->retain) {
    way_.post([this, who, topic = found->first] { way_.note(who, topic + ": refused: it is retained"); });
    return mqtt::Ticket{0};
  }
  way_.post([this, who, &place = found->second, by = publication->origin] {
    auto news = way_.acknowledge(place, by);
    if (!news) return;
    way_.note(who, news->topic);
    way_.publish(std::move(news));
  });
  return mqtt::Ticket{0};
}

bool Acknowledgements::subscribes(std::string_view topic) const { return places_.contains(std::string(topic)); }

}  // namespace ferrule::gateway
