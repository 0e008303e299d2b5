#include "bridge/paho_link.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include "tests/bridge/desk.hpp"
#include "tests/bridge/mosquitto.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::Qos;
using testing::Desk;
using testing::Directory;
using testing::Mosquitto;
using testing::Subscriber;

/// Keeps records in memory.
class MemoryState final : public LinkState {
 public:
  void put(Seq seq, const std::string& key, const std::string& packet) override {
    const std::lock_guard lock(mutex_);
    if (fail) throw std::runtime_error("disk full");
    records_[seq][key] = packet;
    ++puts;
  }
  void done(Seq seq, bool) override {
    const std::lock_guard lock(mutex_);
    records_.erase(seq);
  }
  void clear() override {
    const std::lock_guard lock(mutex_);
    records_.clear();
    ++clears;
  }
  std::vector<InFlight> restore() override {
    const std::lock_guard lock(mutex_);
    std::vector<InFlight> all;
    for (const auto& [seq, records] : records_) {
      for (const auto& [key, packet] : records) all.push_back({seq, key, packet});
    }
    return all;
  }
  std::atomic<bool> fail = false;
  std::atomic<int> puts = 0, clears = 0;

 private:
  std::mutex mutex_;
  std::map<Seq, std::map<std::string, std::string>> records_;
};

class PahoLinkTest : public ::testing::Test, public LinkEvents {
 protected:
  void SetUp() override {
    if (!testing::have_mosquitto()) GTEST_SKIP() << "mosquitto is not installed";
  }

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
    desk_.post()([this, seq, reason] { settled_[seq] = reason; });
  }
  void on_message(mqtt::PublicationPtr publication) override {
    desk_.post()([this, publication] { arrived_.push_back(publication); });
  }

  UplinkSettings settings(const std::string& url) {
    UplinkSettings settings;
    settings.name = "cloud";
    settings.url = url;
    settings.client_id = "gw";
    return settings;
  }
  std::unique_ptr<PahoLink> link(const UplinkSettings& settings) { return std::make_unique<PahoLink>(settings, state_, *this); }
  bool connect(PahoLink& link) {
    cause_.reset();
    link.connect();
    return desk_.run_until([this] { return connected_ || cause_; }) && connected_;
  }
  mqtt::PublicationPtr publication(std::string payload) {
    auto made = std::make_shared<mqtt::Publication>();
    made->topic = "t";
    made->payload = std::move(payload);
    return made;
  }
  bool settle(std::size_t count) {
    return desk_.run_until([&] { return settled_.size() >= count; });
  }

  Directory directory_;
  Desk desk_;
  MemoryState state_;
  LinkLimits limits_;
  bool connected_ = false, present_ = false;
  std::optional<std::string> cause_;
  std::map<Seq, mqtt::Reason> settled_;
  std::vector<mqtt::PublicationPtr> arrived_;
};

TEST_F(PahoLinkTest, CarriesEveryQosToTheCloud) {
  Mosquitto cloud(directory_.path());
  Subscriber subscriber(cloud, directory_.path(), "#");
  auto link = this->link(settings(cloud.url()));
  ASSERT_TRUE(connect(*link)) << cause_.value_or("");
  EXPECT_FALSE(present_);
  link->send(0, publication("zero"), "a/0", Qos::AtMostOnce);
  link->send(1, publication("one"), "a/1", Qos::AtLeastOnce);
  link->send(2, publication("two"), "a/2", Qos::ExactlyOnce);
  link->send(3, publication(""), "a/3", Qos::ExactlyOnce);
  ASSERT_TRUE(settle(3));
  EXPECT_EQ(subscriber.payloads(4), (std::vector<std::string>{"zero", "one", "two", ""}));
  EXPECT_EQ(state_.restore().size(), 0U);
  const auto start = std::chrono::steady_clock::now();
  link->disconnect(1s);
  const auto goodbye = std::chrono::steady_clock::now() - start;
  link.reset();
  const auto gone = std::chrono::steady_clock::now() - start;
  std::printf("goodbye %ld ms, gone %ld ms\n", long(goodbye / 1ms), long(gone / 1ms));
}

}  // namespace
}  // namespace ferrule::bridge
