// The running gateway: buses, mapping, broker and uplinks put together.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/event_log.hpp"
#include "gateway/field.hpp"
#include "gateway/reload.hpp"
#include "gateway/settings.hpp"
#include "gateway/uplinks.hpp"
#include "gateway/watchdog.hpp"
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

  void start();  ///< starts polling and the uplinks
  /// Takes over a configuration that was read anew: who may do what at once, uplinks and buses that have changed by
  /// ending and beginning them, see Uplinks::renew and Field::renew. All stays as it was when anything else has
  /// changed. `done` is called once, on the loop's thread, unless the gateway stops before.
  void renew(Settings fresh, Reload::Done done);
  /// Why `renew` would change nothing, as far as that is known before: mostly that it needs a restart.
  std::optional<std::string> obstacle(const Settings& fresh) const;
  /// Ends buses, uplinks and clients in this order, within 2 s, and then stops the loop.
  void stop();

  mqtt::Broker& broker() { return broker_; }
  const mqtt::Broker& broker() const { return broker_; }
  std::chrono::steady_clock::time_point started() const { return started_; }
  const Settings& settings() const { return settings_; }
  std::vector<std::string> listening() const;  ///< e.g. "127.0.0.1:1883"
  Field& field() { return *field_; }
  const Field& field() const { return *field_; }
  std::vector<bridge::UplinkStatus> uplinks() const { return uplinks_->status(); }
  const std::vector<std::unique_ptr<bridge::Uplink>>& bridges() const { return uplinks_->all(); }
  /// "3/4 devices ok, queue 0, uplink up", behind the threads' verdict if there is one.
  std::string status_line() const;
  bool all_threads_move();  ///< looks at those beside the broker's own; see Watchdog
  std::string threads_verdict() const { return watchdog_.verdict(); }
  bool stopping() const { return stopping_; }
  mqtt::PasswordChecker& password_checks() { return password_checks_; }
  mqtt::Clock& clock() { return clock_; }
  EventLog& events() { return events_; }
  const EventLog& events() const { return events_; }

 private:
  bool prepare_state_dir() const;
  /// Runs `task` on the loop's thread, from any thread; not when the gateway is gone by then: the loop may outlive it.
  void post(std::function<void()> task);
  void restore_sessions();
  void keep_events();
  void tell(const Event& event);
  void note_login(const mqtt::LoginReport& report);
  void on_committed(mqtt::Ticket ticket);
  void disconnect_clients();
  std::vector<WatchedThread> threads() const;

  // Constant after construction.
  Settings settings_;  // without what the buses and mappers took
  mqtt::Loop& loop_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // for what was posted
  mqtt::SystemClock clock_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  // Owned by the broker thread.
  mqtt::Broker broker_;
  mqtt::PasswordChecks password_checks_;
  EventLog events_;  // outlives the store, which writes its file
  std::unique_ptr<Uplinks> uplinks_;
  std::unique_ptr<mqtt::Store> store_;  // ends before the uplinks, whose files it writes
  std::vector<std::unique_ptr<mqtt::Listener>> listeners_;
  std::unique_ptr<Field> field_;
  Watchdog watchdog_;
  bool stopping_ = false;
};

}  // namespace ferrule::gateway
