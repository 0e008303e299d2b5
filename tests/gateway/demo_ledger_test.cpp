#include "gateway/demo_ledger.hpp"

#include <gtest/gtest.h>

namespace ferrule::gateway {
namespace {

class Ledger : public testing::Test {
 protected:
  void publish(std::string topic, std::string payload) {
    auto publication = std::make_shared<mqtt::Publication>();
    publication->topic = std::move(topic);
    publication->payload = std::move(payload);
    ASSERT_EQ(ledger_.append(publication, false), 0u);
  }
  void arrive(std::string topic, std::string payload) {
    mqtt::Publication publication;
    publication.topic = std::move(topic);
    publication.payload = std::move(payload);
    ledger_.arrived(publication);
  }
  DemoLedger ledger_{"demo/", "cloud/"};
};

TEST_F(Ledger, IsGoodWhenAllArrivedOnceInOrder) {
  publish("demo/a", "1");
  publish("demo/b", "2");
  publish("$SYS/uptime", "3");
  arrive("cloud/demo/a", "1");
  arrive("cloud/demo/b", "2");
  const auto verdict = ledger_.judge();
  EXPECT_EQ(verdict.published, 2u);
  EXPECT_TRUE(verdict.good());
}

TEST_F(Ledger, CountsWhatIsMissing) {
  publish("demo/a", "1");
  publish("demo/a", "2");
  arrive("cloud/demo/a", "2");
  const auto verdict = ledger_.judge();
  EXPECT_EQ(verdict.missing, 1u);
  EXPECT_TRUE(verdict.in_order);
  EXPECT_FALSE(verdict.good());
}

TEST_F(Ledger, CountsWhatCameTwice) {
  publish("demo/a", "1");
  arrive("cloud/demo/a", "1");
  arrive("cloud/demo/a", "1");
  EXPECT_EQ(ledger_.judge().repeated, 1u);
}

TEST_F(Ledger, SeesAWrongOrder) {
  publish("demo/a", "1");
  publish("demo/b", "2");
  arrive("cloud/demo/b", "2");
  arrive("cloud/demo/a", "1");
  const auto verdict = ledger_.judge();
  EXPECT_FALSE(verdict.in_order);
  EXPECT_EQ(verdict.missing, 0u);
}

TEST_F(Ledger, CountsWhatWasNeverPublished) {
  arrive("cloud/demo/a", "1");
  EXPECT_EQ(ledger_.judge().foreign, 1u);
}

TEST_F(Ledger, TheSamePayloadTwiceMustArriveTwice) {
  publish("demo/a", "1");
  publish("demo/a", "1");
  arrive("cloud/demo/a", "1");
  EXPECT_EQ(ledger_.judge().missing, 1u);
  arrive("cloud/demo/a", "1");
  EXPECT_TRUE(ledger_.judge().good());
}

}  // namespace
}  // namespace ferrule::gateway
