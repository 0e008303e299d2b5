// A link whose cloud is the test.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bridge/link.hpp"
#include "bridge/uplink.hpp"

namespace ferrule::bridge::testing {

class FakeLink final : public Link {
 public:
  struct Sent {
    Seq seq;
    std::string topic, payload;
    mqtt::Qos qos;
    bool retain;
    std::string properties;
  };
  FakeLink(LinkState& its_state, LinkEvents& its_events) : state(its_state), events(its_events) {}

  void connect() override { ++connects; }
  void connect_anew() override { ++anews; }
  void send(Seq seq, mqtt::PublicationPtr publication, const std::string& topic, mqtt::Qos qos) override {
    sent.push_back({seq, topic, publication->payload, qos, publication->retain, publication->properties});
  }
  void subscribe(const std::string& filter, mqtt::Qos) override { subscribed.push_back(filter); }
  void acknowledge(Arrival arrival, mqtt::Reason reason) override { acknowledged.emplace_back(arrival, reason); }
  void look_for_first() override { ++looks; }
  void disconnect(std::chrono::milliseconds) override { ++disconnects; }

  /// The payloads sent since the last call.
  std::vector<std::string> take_payloads() {
    std::vector<std::string> payloads;
    for (const auto& one : std::exchange(sent, {})) payloads.push_back(one.payload);
    return payloads;
  }

  LinkState& state;
  LinkEvents& events;
  std::vector<Sent> sent;
  std::vector<std::string> subscribed;
  std::vector<std::pair<Arrival, mqtt::Reason>> acknowledged;
  int connects = 0, anews = 0, disconnects = 0, looks = 0;
};

/// Hands the link that it makes to `link`.
inline Uplink::LinkFactory fake_links(FakeLink*& link) {
  return [&link](const UplinkSettings&, LinkState& state, LinkEvents& events) {
    auto made = std::make_unique<FakeLink>(state, events);
    link = made.get();
    return made;
  };
}

}  // namespace ferrule::bridge::testing
