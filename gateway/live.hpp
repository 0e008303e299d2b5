// What the page shows without asking again: status, values, events and publications, as server-sent events.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "gateway/control_commands.hpp"
#include "gateway/http_access.hpp"
#include "gateway/http_server.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::gateway {

class Gateway;

/// Broker thread; outlives the HTTP server, and ends before the commands. Costs nothing while nobody looks.
class Live {
 public:
  static constexpr std::size_t kMostPoints = 500;    ///< in one event; a device's name chooses among more
  static constexpr std::ptrdiff_t kMostStreams = 8;  ///< of a user, a token, or of all who need not say who they are
  static constexpr std::size_t kEvents = 50;         ///< of the event log, told at the beginning

  /// `holds`: whether who opened a stream may still have it.
  Live(mqtt::Loop& loop, const Gateway& gateway, const ControlCommands& commands,
       std::function<bool(const HttpGrant&)> holds);
  ~Live();
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  /// Every second events `status` and `values`, of the points of `device` or of the first 500; `event` as it happens.
  /// At the beginning `events`.
  void watch(const std::string& device, HttpReply reply, const HttpGrant& grant);
  /// Events `publication`, of what the `tap` command streams.
  void tap(const std::string& filter, HttpReply reply, const HttpGrant& grant);

 private:
  class Items;
  struct Viewer;
  class Texts;

  void open(const std::string& filter, const std::shared_ptr<Viewer>& viewer, bool unwrapped);
  void forget(const Viewer* viewer);
  void show(const Viewer& viewer, Texts& texts) const;
  void tick();

  // Constant after construction.
  const Gateway& gateway_;
  const ControlCommands& commands_;
  const std::function<bool(const HttpGrant&)> holds_;
  // Thread: broker.
  std::list<std::shared_ptr<Viewer>> viewers_;
  std::shared_ptr<Live*> self_;  // empties for the loop's timer when this ends
};

}  // namespace ferrule::gateway
