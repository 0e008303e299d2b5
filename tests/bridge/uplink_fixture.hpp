// An uplink on a fake link, a fake clock and a real store with its file.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "bridge/uplink.hpp"
#include "mqtt/store.hpp"
#include "tests/bridge/desk.hpp"
#include "tests/bridge/fake_link.hpp"

namespace ferrule::bridge::testing {

class UplinkFixture : public ::testing::Test {
 protected:
  UplinkFixture() {
    settings_.name = "hq";
    settings_.urls = {"mqtt://hq"};
    settings_.client_id = "gw";
    settings_.window = 3;
    settings_.keeps_missed = true;
    settings_.out.push_back({*mqtt::TopicFilter::parse("plant/#"), "{topic}", {}});
  }
  ~UplinkFixture() override { close(); }

  void open() {
    committed_ = 0;
    store_ = std::make_unique<mqtt::Store>(
        desk_.post(),
        [this](mqtt::Ticket ticket) {
          committed_ = ticket;
          if (!uplink_) return;
          uplink_->committed(ticket);
          uplink_->on_disk(ticket);
        },
        [this](mqtt::StoreFile& file, const std::string& what) {
          if (uplink_) uplink_->store_failed(file, what);
        });
    uplink_ = std::make_unique<Uplink>(
        settings_, directory_.path(), *store_, desk_.post(), clock_,
        [this](mqtt::PublicationPtr publication, bool) {
          auto& to = publication->topic.ends_with("/metrics") ? metrics_ : published_;
          to.push_back(std::move(publication));
          return taken_;
        },
        fake_links(link_));
  }
  void start() {
    open();
    uplink_->start();
    online();
  }
  /// The way the gateway ends.
  void close() {
    if (uplink_) uplink_->stop(std::chrono::milliseconds{0});
    crash();
  }
  /// What was handed to the store is on disk; nothing else is.
  void crash() {
    store_.reset();
    desk_.run_posted();
    uplink_.reset();
    link_ = nullptr;
  }

  void online(bool session_present = true) {
    link_->events.on_limits(limits_);
    link_->events.on_connected(session_present);
    desk_.run_posted();
  }
  void offline(const std::string& cause = "cut") {
    link_->events.on_disconnected(cause);
    desk_.run_posted();
  }
  void settle(Seq seq, mqtt::Reason reason = mqtt::Reason::Success) {
    link_->events.on_settled(seq, reason);
    desk_.run_posted();
  }
  void settle_all_sent() {
    for (const auto& one : std::exchange(link_->sent, {})) settle(one.seq);
  }
  tl::expected<mqtt::Ticket, mqtt::Reason> append(const std::string& payload, bool durable = false,
                                                  mqtt::Qos qos = mqtt::Qos::AtLeastOnce,
                                                  const std::string& topic = "plant/a") {
    auto publication = std::make_shared<mqtt::Publication>();
    publication->topic = topic;
    publication->payload = payload;
    publication->qos = qos;
    publication->published = clock_.now();
    return uplink_->append(publication, durable);
  }
  void wait_for_commit() {
    const auto ticket = store_->last_ticket();
    ASSERT_TRUE(desk_.run_until([&] { return committed_ >= ticket; }));
  }
  void advance(std::chrono::milliseconds time) {
    for (; time > std::chrono::milliseconds{0}; time -= std::chrono::milliseconds{100}) {
      clock_.advance(std::min(time, std::chrono::milliseconds{100}));
      uplink_->tick();
    }
  }
  /// Everything that is sent until the queue is empty, acknowledged at once.
  std::vector<std::string> drain() {
    std::vector<std::string> payloads;
    desk_.run_until([&] {
      for (const auto& one : std::exchange(link_->sent, {})) {
        payloads.push_back(one.payload);
        link_->events.on_settled(one.seq, mqtt::Reason::Success);
      }
      return uplink_->status().queued == 0;
    });
    return payloads;
  }
  UplinkStatus status() const { return uplink_->status(); }

  Directory directory_;
  Desk desk_;
  FakeClock clock_;
  UplinkSettings settings_;
  LinkLimits limits_;
  FakeLink* link_ = nullptr;
  mqtt::Ticket committed_ = 0;
  std::vector<mqtt::PublicationPtr> published_;         // locally
  std::vector<mqtt::PublicationPtr> metrics_;           // likewise
  tl::expected<mqtt::Ticket, mqtt::Reason> taken_ = 0;  // what becomes of them
  std::unique_ptr<Uplink> uplink_;
  std::unique_ptr<mqtt::Store> store_;  // ends before the uplink
};

}  // namespace ferrule::bridge::testing
