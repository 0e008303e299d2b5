// The running gateway: buses, mapping, broker and uplinks put together.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bridge/uplink.hpp"
#include "drivers/bus.hpp"
#include "gateway/acknowledgements.hpp"
#include "gateway/commands.hpp"
#include "gateway/event_log.hpp"
#include "gateway/modbus_servers.hpp"
#include "gateway/settings.hpp"
#include "mapping/mapper.hpp"
#include "mqtt/broker.hpp"
#include "mqtt/clock.hpp"
#include "mqtt/listener.hpp"
#include "mqtt/loop.hpp"
#include "mqtt/password_checks.hpp"
#include "mqtt/store.hpp"

namespace ferrule::gateway {

/// Everything lives on the loop's thread but the buses' and the store's own threads. Members are called on that thread,
/// or before the loop runs.
class Gateway {
 public:
  /// Opens listeners and outboxes; throws config::Error when one cannot be opened, and then nothing is left running.
  Gateway(Settings settings, mqtt::Loop& loop);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  void start();         ///< starts polling and the uplinks
  void stop_polling();  ///< the buses end; what they read goes on its way
  /// Takes over who may do what from a configuration that was read anew. False, and all stays as it was, when it has
  /// other listeners than those that are open.
  bool renew_access(const Settings& fresh);
  /// Ends buses, uplinks and clients in this order, within 2 s, and then stops the loop.
  void stop();

  mqtt::Broker& broker() { return broker_; }
  const mqtt::Broker& broker() const { return broker_; }
  std::chrono::steady_clock::time_point started() const { return started_; }
  const Settings& settings() const { return settings_; }
  std::vector<std::string> listening() const;  ///< e.g. "127.0.0.1:1883"
  std::vector<drivers::BusStatus> buses() const;
  drivers::Bus* bus(const std::string& name);  ///< null: there is none
  std::vector<bridge::UplinkStatus> uplinks() const;
  std::vector<drivers::modbus_server::ServerStatus> modbus_servers() const { return servers_->status(); }
  const std::vector<std::unique_ptr<bridge::Uplink>>& bridges() const { return uplinks_; }
  std::vector<mapping::PointStatus> points() const;  ///< of every bus, in the order of the configuration
  std::vector<mapping::AlarmStatus> alarms() const;  ///< that are active or not acknowledged
  std::string status_line() const;                   ///< "3/4 devices ok, queue 0, uplink up"
  bool stopping() const { return stopping_; }
  EventLog& events() { return events_; }
  const EventLog& events() const { return events_; }
  std::uint64_t skipped_readings() const { return skipped_readings_; }  ///< because the broker thread was behind

 private:
  struct Line {  // a bus and the mapping of its points
    Line(mapping::BusMappings mappings, mapping::Mapper::ClockCheck clock_is_set)
        : mapper(std::move(mappings), std::move(clock_is_set)) {}
    mapping::Mapper mapper;
    std::unique_ptr<drivers::Bus> bus;
  };

  void take_commands();
  void take_acknowledgements();
  void open_modbus_servers();
  bool prepare_state_dir() const;
  /// Runs `task` on the loop's thread, from any thread; not when the gateway is gone by then: the loop may outlive it.
  void post(std::function<void()> task);
  void restore_sessions();
  void keep_events();
  void tell(const Event& event);
  void note_login(const mqtt::LoginReport& report);
  void add_bus(std::size_t index);
  void start_bus(std::size_t index);
  void take(std::size_t index, std::span<const drivers::Reading> readings);
  void on_committed(mqtt::Ticket ticket);
  void disconnect_clients();

  // Constant after construction.
  Settings settings_;  // without what the buses and mappers took
  mqtt::Loop& loop_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // for what was posted
  mqtt::SystemClock clock_;
  drivers::SystemClock bus_clock_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  // Owned by the broker thread.
  mqtt::Broker broker_;
  mqtt::PasswordChecks password_checks_;
  EventLog events_;  // outlives the store, which writes its file
  std::vector<std::unique_ptr<bridge::Uplink>> uplinks_;
  std::unique_ptr<mqtt::Store> store_;  // ends before the uplinks, whose files it writes
  std::vector<std::unique_ptr<mqtt::Listener>> listeners_;
  std::unique_ptr<Commands> commands_;  // outlives the buses, which answer to it
  std::unique_ptr<Acknowledgements> acknowledgements_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::unique_ptr<ModbusServers> servers_;
  std::vector<mqtt::PublicationPtr> announcements_;  // to be published at the start
  bool stopping_ = false;
  // Shared with the buses' threads.
  std::atomic<std::size_t> batches_under_way_ = 0;
  std::atomic<std::uint64_t> skipped_readings_ = 0;
};

}  // namespace ferrule::gateway
