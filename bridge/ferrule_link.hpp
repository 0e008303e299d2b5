// A link through a client of our own, on mqtt's codec.
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

/// On a thread of its own, because a name server or a commit may take its time: it waits there for the socket, for
/// orders and for the disk, and for nobody else. CloudSession holds what is under way.
///
/// With MQTT 5 each message carries a user property `ferrule-id` = `<client id>-<seq>`, by which a receiver can tell a
/// repetition.
///
/// `state` and `events` must live until `disconnect` has returned, or until the destruction.
class FerruleLink final : public Link {
 public:
  /// `resolve` looks up the cloud's name, on the link's thread; a destruction does not wait for it.
  FerruleLink(const UplinkSettings& settings, LinkState& state, LinkEvents& events,
              Dialer::Resolve resolve = bridge::resolve);
  ~FerruleLink() override;
  FerruleLink(const FerruleLink&) = delete;
  FerruleLink& operator=(const FerruleLink&) = delete;

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
