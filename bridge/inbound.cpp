#include "bridge/inbound.hpp"

#include <algorithm>
#include <memory>

namespace ferrule::bridge {

namespace {

constexpr std::string_view kOrigin = "$uplink/";
constexpr std::size_t kMaxWaiting = 10'000;  // for the broker's thread

}  // namespace

bool is_from_cloud(const mqtt::Publication& publication) { return publication.origin.starts_with(kOrigin); }

std::string from_cloud(const std::string& uplink) { return std::string(kOrigin) + uplink; }

void Inbound::subscribe(Link& link) const {
  for (const auto& route : settings_.in) link.subscribe(route.from.text(), route.qos);
}

void Inbound::take_over(const Inbound& before) {
  on_disk_ = before.on_disk_;
  received_ = before.received_;
  dropped_ = before.dropped_.load();
}

bool Inbound::arrived(mqtt::Publication publication, Arrival arrival) {
  const std::lock_guard lock(mutex_);
  if (arrival == 0 && arrived_.size() >= kMaxWaiting) {
    ++dropped_;
    return false;
  }
  arrived_.emplace_back(std::move(publication), arrival);
  return arrived_.size() == 1;
}

Inbound::Arrivals Inbound::take_arrived() {
  const std::lock_guard lock(mutex_);
  return std::exchange(arrived_, {});
}

void Inbound::pass_on(mqtt::Publication publication, Arrival arrival, std::chrono::steady_clock::time_point now) {
  const auto taken = publish(std::move(publication), now);
  if (!taken) ++dropped_;
  owe(arrival, taken.value_or(0), taken ? mqtt::Reason::Success : taken.error());
}

void Inbound::owe(Arrival arrival, mqtt::Ticket ticket, mqtt::Reason reason) {
  if (arrival != 0) owed_.push_back({ticket, arrival, reason});
}

void Inbound::on_disk(mqtt::Ticket ticket) { on_disk_ = std::max(on_disk_, ticket); }

void Inbound::answer(Link& link) {
  for (; !owed_.empty() && owed_.front().ticket <= on_disk_; owed_.pop_front()) {
    link.acknowledge(owed_.front().arrival, owed_.front().reason);
  }
}

tl::expected<mqtt::Ticket, mqtt::Reason> Inbound::publish(mqtt::Publication publication,
                                                          std::chrono::steady_clock::time_point now) {
  const auto route =
      std::ranges::find_if(settings_.in, [&](const InRoute& one) { return one.from.matches(publication.topic); });
  if (route == settings_.in.end()) {
    ++dropped_;
    return 0;
  }
  publication.topic = rewrite(route->to, publication.topic);
  if (!mqtt::is_valid_topic_name(publication.topic)) {
    ++dropped_;
    return 0;
  }
  if (route->max_age.count() > 0) {
    const auto end = now + route->max_age;
    publication.expires = publication.expires ? std::min(*publication.expires, end) : end;
  }
  publication.qos = std::min(publication.qos, route->qos);
  publication.retain = false;
  publication.origin = from_cloud(settings_.name);
  ++received_;
  const bool durable = publication.qos != mqtt::Qos::AtMostOnce;
  return publish_(std::make_shared<const mqtt::Publication>(std::move(publication)), durable);
}

}  // namespace ferrule::bridge
