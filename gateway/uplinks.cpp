#include "gateway/uplinks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

constexpr auto kChangeGrace = 200ms;  // for what is under way; the broker waits meanwhile

/// Ends what was retained of an uplink that is no more.
mqtt::PublicationPtr nothing_at(const std::string& uplink, std::string_view topic) {
  auto publication = std::make_shared<mqtt::Publication>();
  publication->topic = fmt::format("$SYS/broker/connection/{}/{}", uplink, topic);
  publication->retain = true;
  return publication;
}

}  // namespace

Uplinks::Uplinks(std::filesystem::path state_dir, mqtt::Broker& broker, mqtt::Store& store, mqtt::Store::Post post,
                 mqtt::Clock& clock)
    : state_dir_(std::move(state_dir)), broker_(broker), store_(store), post_(std::move(post)), clock_(clock) {}

Uplinks::~Uplinks() {
  for (auto& uplink : all_) broker_.detach(*uplink);
}

std::unique_ptr<bridge::Uplink> Uplinks::open(const bridge::UplinkSettings& settings) {
  std::error_code told_by_the_file;
  std::filesystem::create_directories(state_dir_, told_by_the_file);
  const auto publish = [this](auto publication, bool durable) -> tl::expected<mqtt::Ticket, mqtt::Reason> {
    if (durable) return broker_.publish_durably(publication);
    broker_.publish(std::move(publication));
    return 0;
  };
  return std::make_unique<bridge::Uplink>(settings, state_dir_, store_, post_, clock_, publish);
}

template <class Visit>
void Uplinks::each(const Visit& visit) const {
  for (const auto& uplink : all_) visit(*uplink);
  for (const auto& [name, uplink] : ended_) visit(*uplink);
}

void Uplinks::start() {
  running_ = true;
  for (auto& uplink : all_) uplink->start();
}

void Uplinks::tick() {
  each([](auto& uplink) { uplink.tick(); });
  std::erase_if(ended_, [](const auto& ended) { return ended.second->is_over(); });
}

void Uplinks::stop(std::chrono::milliseconds grace) {
  for (auto& uplink : all_) uplink->stop(grace);
}

void Uplinks::check(const Settings& fresh) const {
  for (const auto& uplink : fresh.uplinks) {
    const auto path = "uplinks." + uplink.name;
    const auto known = std::ranges::find(known_, uplink.name, &Known::name);
    if (known != known_.end() && known->durability != uplink.queue.durability) {
      throw config::Error(uplink.where, path, "another `durability` of its queue needs a restart");
    }
    if (std::ranges::any_of(ended_, [&](const auto& ended) { return ended.first == uplink.name; })) {
      throw config::Error(uplink.where, path, "the one that was ended still writes its queue to the disk: try again");
    }
  }
}

/// In the order of the configuration, with gaps for those that are there already.
Uplinks::Opened Uplinks::open_new(const Settings& fresh) {
  Opened opened(fresh.uplinks.size());
  try {
    for (std::size_t i = 0; i < opened.size(); ++i) {
      const bool is_new = std::ranges::find(known_, fresh.uplinks[i].name, &Known::name) == known_.end();
      if (is_new) opened[i] = open(fresh.uplinks[i]);
    }
  } catch (const config::Error&) {
    for (std::size_t i = 0; i < opened.size(); ++i) {
      if (!opened[i]) continue;
      opened[i]->stop(0ms);
      ended_.emplace_back(fresh.uplinks[i].name, std::move(opened[i]));  // the store has work with its file
    }
    throw;
  }
  return opened;
}

UplinkChanges Uplinks::renew(const Settings& fresh) {
  check(fresh);
  auto opened = open_new(fresh);
  UplinkChanges changes;
  std::vector<Known> known;
  for (std::size_t i = 0; i < opened.size(); ++i) {
    const auto& settings = fresh.uplinks[i];
    known.push_back({settings.name, fresh.fingerprints.uplinks[i], settings.queue.durability});
    if (opened[i]) {
      broker_.attach(*opened[i]);
      if (running_) opened[i]->start();
      changes.added.push_back(settings.name);
      continue;
    }
    const auto index =
        static_cast<std::size_t>(std::ranges::find(known_, settings.name, &Known::name) - known_.begin());
    opened[i] = std::move(all_[index]);
    if (known_[index].fingerprint == known.back().fingerprint) continue;
    opened[i]->change(settings, kChangeGrace);
    changes.changed.push_back(settings.name);
  }
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (!all_[i]) continue;
    changes.ended.push_back(known_[i].name);
    end(i, kChangeGrace);
  }
  all_ = std::move(opened);
  known_ = std::move(known);
  return changes;
}

void Uplinks::end(std::size_t index, std::chrono::milliseconds grace) {
  auto& uplink = all_[index];
  broker_.detach(*uplink);
  uplink->stop(grace);
  for (const auto* topic : {"state", "metrics"}) broker_.publish(nothing_at(known_[index].name, topic));
  ended_.emplace_back(known_[index].name, std::move(uplink));
}

void Uplinks::committed(mqtt::Ticket ticket) {
  each([&](auto& uplink) { uplink.committed(ticket); });
}

void Uplinks::store_failed(const mqtt::StoreFile& file, const std::string& what) {
  each([&](auto& uplink) { uplink.store_failed(file, what); });
}

bool Uplinks::owes_disk() const {
  bool owes = false;
  each([&](const auto& uplink) { owes = owes || uplink.owes_disk(); });
  return owes;
}

void Uplinks::on_disk(mqtt::Ticket ticket) {
  each([&](auto& uplink) { uplink.on_disk(ticket); });
}

std::vector<bridge::UplinkStatus> Uplinks::status() const {
  std::vector<bridge::UplinkStatus> status;
  for (const auto& uplink : all_) status.push_back(uplink->status());
  return status;
}

}  // namespace ferrule::gateway
