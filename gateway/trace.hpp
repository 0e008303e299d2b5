// The `trace` command of the control socket: what goes over a bus's wire, as it does.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "drivers/bus.hpp"
#include "gateway/control_commands.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::gateway {

/// Costs nothing while nobody watches. Belongs to the broker thread; ends after the control socket and before the
/// buses.
class Traces {
 public:
  using FindBus = std::function<drivers::Bus*(const std::string& name)>;  ///< null: there is none of that name

  Traces(mqtt::Loop& loop, FindBus find_bus) : loop_(loop), find_bus_(std::move(find_bus)) {}
  ~Traces();
  Traces(const Traces&) = delete;
  Traces& operator=(const Traces&) = delete;

  /// Answers one request: streams the wire of `bus` until the client is gone.
  void open(const ControlRequest& request, ControlReply reply);
  /// The bus is about to end: so do its streams.
  void forget(const drivers::Bus& bus);

 private:
  struct Watched {
    drivers::Bus& bus;
    std::vector<std::shared_ptr<ControlReply>> viewers;  // never empty
  };

  Watched& watch(drivers::Bus& bus);
  void pass_on(const drivers::Bus* bus);
  void leave(const drivers::Bus* bus, const ControlReply* viewer);

  mqtt::Loop& loop_;
  const FindBus find_bus_;
  std::list<Watched> watched_;
  const std::shared_ptr<Traces*> self_ = std::make_shared<Traces*>(this);  // for what buses have posted
};

}  // namespace ferrule::gateway
