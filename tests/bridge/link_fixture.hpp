// A link of either client, what it told, and what it keeps.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bridge/ferrule_link.hpp"
#include "bridge/paho_link.hpp"
#include "tests/bridge/desk.hpp"
#include "tests/bridge/memory_state.hpp"

namespace ferrule::bridge::testing {

class LinkFixture : public LinkEvents {
 protected:
  void on_limits(const LinkLimits& limits) override {
    desk_.post()([this, limits] { limits_ = limits; });
  }
  void on_connected(bool present) override {
    desk_.post()([this, present] { connected_ = true, present_ = present; });
  }
  void on_disconnected(std::string cause) override {
    desk_.post()([this, cause] { connected_ = false, cause_ = cause; });
  }
  void on_settled(Seq seq, mqtt::Reason reason) override {
    state_.done(seq, reason);
    desk_.post()([this, seq, reason] { settled_[seq] = reason; });
  }
  void on_first_found() override {
    desk_.post()([this] { first_found_ = true; });
  }
  void on_message(mqtt::Publication publication, Arrival arrival) override {
    desk_.post()([this, publication, arrival] {
      arrived_.push_back(publication.payload);
      if (link_) link_->acknowledge(arrival, mqtt::Reason::Success);
    });
  }

  void make_link(const std::string& url) {
    settings_.name = "cloud";
    settings_.urls = {url};
    settings_.client_id = "gw";
    link_.reset();
    desk_.run_posted();
    connected_ = false;
    link_ = new_link(state_);
  }
  std::unique_ptr<Link> new_link(LinkState& state, const Dialer::Resolve& look_up = resolve) {
    if (settings_.client == Client::Paho) return make_paho_link(settings_, state, *this, look_up);
    return make_ferrule_link(settings_, state, *this, look_up);
  }
  bool connect() {
    cause_.reset();
    link_->connect();
    return desk_.run_until([this] { return connected_ || cause_; }) && connected_;
  }
  void send(Seq seq, const std::string& payload, mqtt::Qos qos, const std::string& topic = "t") {
    auto made = std::make_shared<mqtt::Publication>();
    made->topic = "local";
    made->payload = payload;
    made->properties = properties_;
    made->retain = retain_;
    made->expires = expires_;
    link_->send(seq, made, topic, qos);
  }
  bool settle(std::size_t count) {
    return desk_.run_until([&] { return settled_.size() >= count; });
  }
  /// Until that many exchanges are under way.
  bool wait_for_records(std::size_t count) {
    for (int i = 0; i < 500 && state_.restore().size() != count; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return state_.restore().size() == count;
  }
  bool lose() {
    return desk_.run_until([&] { return cause_.has_value(); });
  }

  Directory directory_;
  Desk desk_;
  MemoryState state_;
  UplinkSettings settings_;
  std::string properties_;
  bool retain_ = false;
  std::optional<std::chrono::steady_clock::time_point> expires_;
  LinkLimits limits_;
  bool connected_ = false, present_ = false, first_found_ = false;
  std::optional<std::string> cause_;
  std::map<Seq, mqtt::Reason> settled_;
  std::vector<std::string> arrived_;
  std::unique_ptr<Link> link_;
};

}  // namespace ferrule::bridge::testing
