// The gateway's uplinks: all of them, and what a reload does to them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bridge/uplink.hpp"
#include "gateway/settings.hpp"
#include "mqtt/broker.hpp"
#include "mqtt/clock.hpp"
#include "mqtt/store.hpp"

namespace ferrule::gateway {

/// What a reload did to the uplinks, by their names.
struct UplinkChanges {
  std::vector<std::string> added, changed, ended;
};

/// Members are called on the broker thread, or before it runs. The store, whose files these are, ends before them.
class Uplinks {
 public:
  Uplinks(std::filesystem::path state_dir, mqtt::Broker& broker, mqtt::Store& store, mqtt::Store::Post post,
          mqtt::Clock& clock);
  ~Uplinks();
  Uplinks(const Uplinks&) = delete;
  Uplinks& operator=(const Uplinks&) = delete;

  void start();  ///< connects, and what comes later at once
  void tick();   ///< every 100 ms
  void stop(std::chrono::milliseconds grace);
  /// Goes over to what a configuration says, the first one too: opens the outboxes of new uplinks. Those whose
  /// fingerprint is the same are not touched; one that has changed keeps its queue, and loses nothing that is published
  /// meanwhile; one that is no more leaves its file, for the day it comes back. Throws config::Error when that cannot
  /// be, and then nothing has changed.
  UplinkChanges renew(const Settings& fresh);
  /// Throws config::Error when what can be known beforehand forbids `renew`.
  void check(const Settings& fresh) const;

  // From the store; see bridge::Uplink.
  void committed(mqtt::Ticket ticket);
  void store_failed(const mqtt::StoreFile& file, const std::string& what);
  bool owes_disk() const;
  void on_disk(mqtt::Ticket ticket);

  std::vector<bridge::UplinkStatus> status() const;
  const std::vector<std::unique_ptr<bridge::Uplink>>& all() const { return all_; }

 private:
  /// Of one of all_.
  struct Known {
    std::string name;
    std::string fingerprint;
    bridge::Durability durability;
  };

  using Opened = std::vector<std::unique_ptr<bridge::Uplink>>;

  std::unique_ptr<bridge::Uplink> open(const bridge::UplinkSettings& settings);
  Opened open_new(const Settings& fresh);
  void end(std::size_t index, std::chrono::milliseconds grace);
  template <class Visit>
  void each(const Visit& visit) const;

  // Constant after construction.
  const std::filesystem::path state_dir_;
  mqtt::Broker& broker_;
  mqtt::Store& store_;
  const mqtt::Store::Post post_;
  mqtt::Clock& clock_;
  // Owned by the broker thread.
  std::vector<std::unique_ptr<bridge::Uplink>> all_;  // in the order of the configuration
  std::vector<Known> known_;                          // likewise
  /// What they hold is on its way to the disk. By name.
  std::vector<std::pair<std::string, std::unique_ptr<bridge::Uplink>>> ended_;
  bool running_ = false;
};

}  // namespace ferrule::gateway
