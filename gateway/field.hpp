// The field's side of the gateway: its buses, what their readings become, and what is written to their points.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/bus.hpp"
#include "gateway/acknowledgements.hpp"
#include "gateway/commands.hpp"
#include "gateway/modbus_servers.hpp"
#include "gateway/settings.hpp"
#include "gateway/watchdog.hpp"
#include "mapping/mapper.hpp"
#include "mqtt/broker.hpp"
#include "mqtt/clock.hpp"

namespace ferrule::gateway {

/// What a reload does to the buses.
struct BusChanges {
  std::vector<std::string> added;
  std::vector<std::string> restarted;
  std::vector<std::string> ended;
  std::size_t untouched = 0;
  std::string trouble;  ///< a Modbus server that could not be opened
};

/// Members are called on the broker thread, or before it runs.
class Field {
 public:
  struct Way {
    std::function<void(std::function<void()>)> post;  ///< runs a function on the broker thread, from any thread
    std::function<void(std::chrono::milliseconds, std::function<void()>)> once;  ///< the same after a time, from there
    std::function<void(std::string kind, std::string_view who, std::string_view what)> note;  ///< for the audit
  };

  /// Takes the buses and mappings out of `settings`. Throws config::Error when a Modbus server cannot listen.
  Field(Settings& settings, mqtt::Broker& broker, Way way);
  ~Field();
  Field(const Field&) = delete;
  Field& operator=(const Field&) = delete;

  using Renewed = std::function<void(const BusChanges&)>;

  void start();
  void stop_servers();
  void stop_polling();  ///< the buses end, for good; what they read goes on its way

  /// Goes over to other settings, out of which it takes buses and mappings: buses whose fingerprint is another end or
  /// begin, all others go on untouched. Ends are waited for beside the loop, 2 s at most; `done` is called then. What
  /// was retained for points that are no more is removed. One at a time.
  void renew(Settings fresh, Renewed done);
  /// Called before a bus ends in a reload.
  void on_end(std::function<void(const drivers::Bus&)> task) { on_end_ = std::move(task); }

  Commands& commands() { return *commands_; }
  drivers::Bus* bus(const std::string& name);  ///< null: there is none
  std::vector<drivers::BusStatus> buses() const;
  std::vector<WatchedThread> threads() const;  ///< of the buses and the Modbus servers
  std::vector<drivers::modbus_server::ServerStatus> modbus_servers() const;
  std::vector<mapping::PointStatus> points() const;  ///< of every bus, in the order of the configuration
  std::vector<mapping::AlarmStatus> alarms() const;  ///< that are active or not acknowledged
  std::uint64_t skipped_readings() const { return skipped_readings_; }  ///< because the broker thread was behind

 private:
  struct Line;
  struct Renewal;

  void take_for(const Settings& settings);
  std::unique_ptr<Line> make_line(Settings& settings, std::size_t index);
  void start_next();
  bool submit(Line& line, drivers::WriteRequest&& request);
  void take(Line& line, std::span<const drivers::Reading> readings);
  void end_windows(Line& line);
  void publish(mqtt::PublicationPtr publication);
  void make_servers(const Settings& settings);
  void exchange_servers(std::unique_ptr<ModbusServers> servers);
  void start_servers();
  void finish_renewal();
  std::string open_servers_anew(Settings& fresh);
  std::vector<Line*> exchange_lines(Renewal& renewal, BusChanges& changes);
  void clear_retained(const std::string& topic);

  // Constant after construction.
  mqtt::Broker& broker_;
  const Way way_;
  mqtt::SystemClock clock_;
  drivers::SystemClock bus_clock_;
  const ClockTrust trust_;
  mapping::PublicationPool pool_;  // of all mappers
  // Owned by the broker thread.
  std::unique_ptr<Commands> commands_;  // outlives the buses, which answer to it
  std::unique_ptr<Acknowledgements> acknowledgements_;
  std::vector<std::unique_ptr<Line>> lines_;  // in the order of the configuration
  std::deque<Line*> to_start_;
  std::shared_ptr<std::vector<drivers::Bus*>> server_buses_;  // empty until the servers start, constant from then on
  std::string servers_fingerprint_;
  std::unique_ptr<Renewal> renewal_;  // the one under way
  std::function<void(const drivers::Bus&)> on_end_ = [](const drivers::Bus&) {};
  bool stopping_ = false;
  // Shared with the buses' threads.
  std::mutex servers_mutex_;
  std::unique_ptr<ModbusServers> servers_;  // guarded by servers_mutex_, and exchanged by the broker thread only
  std::atomic<std::size_t> batches_under_way_ = 0;
  std::atomic<std::uint64_t> skipped_readings_ = 0;
};

}  // namespace ferrule::gateway
