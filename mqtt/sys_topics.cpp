// The broker's own figures as retained publications below `$SYS/broker`: topics and texts are those of mosquitto 2.0.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "mqtt/broker_core.hpp"

namespace ferrule::mqtt {

namespace {

struct LoadSource {
  std::string_view topic;
  std::uint64_t BrokerCounters::*counter;
};

constexpr std::array<LoadSource, BrokerCore::kLoads> kLoadSources{{
    {"messages/received", &BrokerCounters::packets_received},
    {"messages/sent", &BrokerCounters::packets_sent},
    {"publish/dropped", &BrokerCounters::publications_dropped},
    {"publish/received", &BrokerCounters::publications_received},
    {"publish/sent", &BrokerCounters::publications_sent},
    {"bytes/received", &BrokerCounters::bytes_received},
    {"bytes/sent", &BrokerCounters::bytes_sent},
    {"sockets", &BrokerCounters::sockets_accepted},
    {"connections", &BrokerCounters::connects_received},
}};
constexpr std::array<std::string_view, LoadAverage::kPeriods.size()> kPeriodNames{"1min", "5min", "15min"};

constexpr NamedCounter kOwn[] = {
    {"connections_refused", &BrokerCounters::connections_refused},
    {"sessions_refused", &BrokerCounters::sessions_refused},
    {"half_open_dropped", &BrokerCounters::half_open_dropped},
    {"connect_timeouts", &BrokerCounters::connect_timeouts},
    {"keep_alive_timeouts", &BrokerCounters::keep_alive_timeouts},
    {"connects_rejected", &BrokerCounters::connects_rejected},
    {"takeovers", &BrokerCounters::takeovers},
    {"protocol_errors", &BrokerCounters::protocol_errors},
    {"packets_too_large", &BrokerCounters::packets_too_large},
    {"receive_maximum_exceeded", &BrokerCounters::receive_maximum_exceeded},
    {"topic_aliases_exceeded", &BrokerCounters::topic_aliases_exceeded},
    {"unknown_acks", &BrokerCounters::unknown_acks},
    {"rate_exceeded", &BrokerCounters::rate_exceeded},
    {"memory_refusals", &BrokerCounters::memory_refusals},
    {"dropped_slow", &BrokerCounters::dropped_slow},
    {"slow_paused", &BrokerCounters::slow_paused},
    {"dropped_full", &BrokerCounters::dropped_full},
    {"dropped_large", &BrokerCounters::dropped_large},
    {"queue_overflows", &BrokerCounters::queue_overflows},
    {"queued", &BrokerCounters::queued},
    {"queued_bytes", &BrokerCounters::queued_bytes},
    {"publications_expired", &BrokerCounters::publications_expired},
    {"publications_refused", &BrokerCounters::publications_refused},
    {"publications_denied", &BrokerCounters::publications_denied},
    {"deliveries_denied", &BrokerCounters::deliveries_denied},
    {"subscriptions_refused", &BrokerCounters::subscriptions_refused},
    {"subscriptions_denied", &BrokerCounters::subscriptions_denied},
    {"retained_dropped", &BrokerCounters::retained_dropped},
    {"retained_bytes", &BrokerCounters::retained_bytes},
    {"logins_failed", &BrokerCounters::logins_failed},
    {"logins_shut_out", &BrokerCounters::logins_shut_out},
    {"logins_busy", &BrokerCounters::logins_busy},
    {"addresses_failing", &BrokerCounters::addresses_failing},
    {"users_failing", &BrokerCounters::users_failing},
    {"publications_lost", &BrokerCounters::publications_lost},
    {"database_bytes", &BrokerCounters::database_bytes},
    {"database_set_aside", &BrokerCounters::database_set_aside},
};

}  // namespace

std::span<const NamedCounter> own_counters() { return kOwn; }

/// Publishes what has changed since the last time. Consumers get none of it: it is of use to local clients only.
void BrokerCore::publish_sys() {
  if (settings.sys_interval.count() == 0) {
    next_sys_ = Time::max();
    return;
  }
  next_sys_ = now_ + settings.sys_interval;
  const BrokerCounters figures = counters();
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now_ - started_).count();
  sys("version", "ferrule version " FERRULE_VERSION);
  sys("uptime", fmt::format("{} seconds", uptime));
  publish_sys_clients(figures);
  publish_sys_traffic(figures);
  publish_sys_loads(figures);
  sys("subscriptions/count", figures.subscriptions);
  sys("shared_subscriptions/count", subscriptions_.shared());
  const std::size_t heap = settings.memory_in_use();
  heap_maximum_ = std::max(heap_maximum_, heap);
  sys("heap/current", heap);
  sys("heap/maximum", heap_maximum_);
  publish_sys_own(figures);
  publish_sys_stored();  // last, because all before is among what it counts
}

/// Besides mosquitto's, so that whoever expects those finds exactly them.
void BrokerCore::publish_sys_own(const BrokerCounters& figures) {
  for (const auto& [name, counter] : own_counters()) {
    tell(fmt::format("$SYS/ferrule/broker/{}", name), std::to_string(figures.*counter));
  }
  const auto show = [this](std::string_view name, std::uint64_t value) {
    tell(fmt::format("$SYS/ferrule/{}", name), std::to_string(value));
  };
  for (const auto& figures_of_others : other_figures) figures_of_others(show);
}

void BrokerCore::publish_sys_clients(const BrokerCounters& figures) {
  const std::uint64_t away = figures.sessions - figures.clients_connected;
  sys("clients/total", figures.sessions);
  sys("clients/maximum", figures.clients_maximum);
  sys("clients/inactive", away);
  sys("clients/disconnected", away);
  sys("clients/active", figures.clients_connected);
  sys("clients/connected", figures.clients_connected);
  sys("clients/expired", figures.sessions_expired);
}

void BrokerCore::publish_sys_traffic(const BrokerCounters& figures) {
  sys("messages/received", figures.packets_received);
  sys("messages/sent", figures.packets_sent);
  sys("publish/messages/dropped", figures.publications_dropped);
  sys("publish/messages/received", figures.publications_received);
  sys("publish/messages/sent", figures.publications_sent);
  sys("publish/bytes/received", figures.payload_bytes_received);
  sys("publish/bytes/sent", figures.payload_bytes_sent);
  sys("bytes/received", figures.bytes_received);
  sys("bytes/sent", figures.bytes_sent);
}

/// A load that moved by less than 0.01 is not told again.
void BrokerCore::publish_sys_loads(const BrokerCounters& figures) {
  const auto interval = now_ - last_sys_;
  const bool first = last_sys_ == Time{};
  last_sys_ = now_;
  if (!first && interval.count() <= 0) return;
  for (std::size_t i = 0; i < kLoads; ++i) {
    if (!first) loads_[i].update(figures.*kLoadSources[i].counter, interval);
    for (std::size_t period = 0; period < kPeriodNames.size(); ++period) {
      sys(fmt::format("load/{}/{}", kLoadSources[i].topic, kPeriodNames[period]),
          fmt::format("{:.2f}", loads_[i].average(period)));
    }
  }
}

/// What is stored for somebody: retained publications and those that wait in queues.
void BrokerCore::publish_sys_stored() {
  for (int round = 0; round < 2; ++round) {  // the first time these topics are not yet among what is retained
    const std::size_t stored = retained_.size() + deliveries.queued;
    sys("messages/stored", stored);
    sys("store/messages/count", stored);
    sys("store/messages/bytes", retained_.payload_bytes() + deliveries.queued_bytes);
    sys("retained messages/count", retained_.size());
  }
}

void BrokerCore::sys(std::string_view name, std::uint64_t count) { sys(name, std::to_string(count)); }

void BrokerCore::sys(std::string_view name, std::string value) {
  tell(fmt::format("$SYS/broker/{}", name), std::move(value));
}

void BrokerCore::tell(std::string topic, std::string value) {
  const auto known = sys_values_.find(topic);
  if (known != sys_values_.end() && known->second == value) return;
  sys_values_.insert_or_assign(topic, value);
  auto publication = std::make_shared<Publication>();
  publication->topic = std::move(topic);
  publication->payload = std::move(value);
  publication->retain = true;
  publication->published = now_;
  retained_.keep(*publication, true);
  deliver_all(publication, nullptr);
}

}  // namespace ferrule::mqtt
