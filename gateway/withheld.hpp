// What nobody is shown: a configuration that comes over MQTT has passwords in it.
#pragma once

#include <string>

#include "bridge/outbox_file.hpp"
#include "gateway/settings.hpp"

namespace ferrule::gateway {

/// Where such configurations are published; empty: nowhere.
std::string withheld_topic(const Settings& settings);

/// Knows copies of them in the queue of an uplink, under what its routes call them at the cloud. A value for any
/// thread.
class Withheld {
 public:
  Withheld() = default;  ///< nothing is withheld
  Withheld(const Settings& settings, const std::string& uplink);

  bool holds(const bridge::Row& row) const;

 private:
  std::string topic_;     // here; empty: nothing is withheld
  std::string at_cloud_;  // empty: it does not go there
  std::string named_;     // how an item of a batch says whose it is; empty: the route makes no batches
};

}  // namespace ferrule::gateway
