// A link through Paho MQTT C++.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "bridge/address.hpp"
#include "bridge/dialer.hpp"
#include "bridge/link.hpp"
#include "bridge/settings.hpp"

namespace ferrule::bridge {

/// Calls Paho only on a thread of its own, because any call may block: Paho has one lock for all its clients, and holds
/// it while it connects and while a record is written. Names are resolved on that thread too, outside the lock, so that
/// a DNS that does not answer holds up nobody else. Each connection gets a client of its own, which finds the QoS 2
/// exchanges under way in `state`: the way back after a cut cable is the way back after a kill.
///
/// With MQTT 5 each message carries a user property `ferrule-id` = `<client id>-<seq>`, by which a receiver can tell a
/// repetition.
///
/// `state` and `events` must live until `disconnect` has returned, or until the destruction.
class PahoLink final : public Link {
 public:
  /// `resolve` looks up the cloud's name, on the link's thread; a destruction does not wait for it.
  PahoLink(const UplinkSettings& settings, LinkState& state, LinkEvents& events,
           Dialer::Resolve resolve = bridge::resolve);
  ~PahoLink() override;
  PahoLink(const PahoLink&) = delete;
  PahoLink& operator=(const PahoLink&) = delete;

  void connect() override;
  void send(Seq seq, mqtt::PublicationPtr publication, const std::string& topic, mqtt::Qos qos) override;
  void subscribe(const std::string& filter, mqtt::Qos qos) override;
  void disconnect(std::chrono::milliseconds grace) override;
  std::uint64_t dropped() const override;

 private:
  class Worker;
  std::shared_ptr<Worker> worker_;  // shared with its thread
  std::thread thread_;
};

}  // namespace ferrule::bridge
