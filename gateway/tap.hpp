// The `tap` command of the control socket: publications as they pass the broker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/control_commands.hpp"
#include "mqtt/broker.hpp"
#include "mqtt/consumer.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::gateway {

/// Costs nothing while nobody taps. Belongs to the broker thread; ends after the control socket and before the broker.
class Taps final : public mqtt::Consumer {
 public:
  /// Of what is published at `withheld` the payload is shown to nobody; empty: no such topic.
  Taps(mqtt::Loop& loop, mqtt::Broker& broker, std::string withheld)
      : loop_(loop), broker_(broker), withheld_(std::move(withheld)) {}
  ~Taps() override;
  Taps(const Taps&) = delete;
  Taps& operator=(const Taps&) = delete;

  /// Answers one request: streams what `filter` selects, `count` of them when it says so.
  void open(const ControlRequest& request, ControlReply reply);

  tl::expected<mqtt::Ticket, mqtt::Reason> append(const mqtt::PublicationPtr& publication, bool durable) override;

 private:
  struct Tap;

  void close(const Tap* tap);

  mqtt::Loop& loop_;
  mqtt::Broker& broker_;
  const std::string withheld_;
  std::vector<std::shared_ptr<Tap>> taps_;  // attached to the broker while there is one
};

}  // namespace ferrule::gateway
