// How long whoever guesses passwords has to wait.
#include <gtest/gtest.h>

#include "mqtt/bans.hpp"

namespace ferrule::mqtt {
namespace {

using namespace std::chrono_literals;

const Bans::Time kStart{1000h};
constexpr const char* kAddress = "192.0.2.7";

TEST(Bans, WaitsGrowFromTheFifthFailureOn) {
  Bans bans({});
  auto now = kStart;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(bans.failed(kAddress, "hmi", now), 0s);
  EXPECT_FALSE(bans.address_shut_out(kAddress, now));
  EXPECT_EQ(bans.failed(kAddress, "hmi", now), 1s);
  EXPECT_TRUE(bans.address_shut_out(kAddress, now + 999ms));
  EXPECT_FALSE(bans.address_shut_out("192.0.2.8", now));
  now += 1s;
  EXPECT_FALSE(bans.address_shut_out(kAddress, now));
  EXPECT_EQ(bans.failed(kAddress, "hmi", now), 2s);
  EXPECT_EQ(bans.failed(kAddress, "hmi", now), 4s);
  for (int i = 0; i < 100; ++i) bans.failed(kAddress, "hmi", now);
  EXPECT_EQ(bans.failed(kAddress, "hmi", now), 300s);
}

TEST(Bans, EndWithASuccess) {
  Bans bans({});
  for (int i = 0; i < 5; ++i) bans.failed(kAddress, "hmi", kStart);
  bans.succeeded(kAddress, "hmi");
  EXPECT_FALSE(bans.address_shut_out(kAddress, kStart));
  EXPECT_EQ(bans.failed(kAddress, "hmi", kStart), 0s);
}

TEST(Bans, FailuresAreForgottenAfterAnHour) {
  Bans bans({});
  for (int i = 0; i < 20; ++i) bans.failed(kAddress, "hmi", kStart);
  EXPECT_GT(bans.failed(kAddress, "hmi", kStart + 1h), 0s);
  EXPECT_EQ(bans.failed(kAddress, "hmi", kStart + 2h + 1s), 0s);
}

TEST(Bans, NeverLockOutLoopbackForLong) {
  for (const char* address : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", ""}) {
    Bans bans({});
    for (int i = 0; i < 1000; ++i) bans.failed(address, "hmi", kStart);
    EXPECT_TRUE(bans.address_shut_out(address, kStart + 4s)) << address;
    EXPECT_FALSE(bans.address_shut_out(address, kStart + 5s)) << address;
  }
}

TEST(Bans, OfIpv6AddressesHoldForTheirWholeSubnet) {
  Bans bans({});
  for (int i = 1; i <= 5; ++i) bans.failed("2001:db8:0:1::" + std::to_string(i), "hmi", kStart);
  EXPECT_TRUE(bans.address_shut_out("2001:db8:0:1:ffff::9", kStart));
  EXPECT_FALSE(bans.address_shut_out("2001:db8:0:2::1", kStart));
  for (int i = 0; i < 5; ++i) bans.failed("::ffff:192.0.2.7", "hmi", kStart);
  EXPECT_FALSE(bans.address_shut_out("::ffff:192.0.2.8", kStart));
}

TEST(Bans, OfANameSpareTheAddressFromWhichItLoggedIn) {
  Bans bans({});
  bans.succeeded("192.0.2.1", "hmi");
  for (int i = 0; i < 20; ++i) bans.failed("198.51.100." + std::to_string(i), "hmi", kStart);
  EXPECT_TRUE(bans.user_shut_out("198.51.100.200", "hmi", kStart));
  EXPECT_FALSE(bans.user_shut_out("192.0.2.1", "hmi", kStart));
  EXPECT_FALSE(bans.user_shut_out("198.51.100.200", "other", kStart));
  EXPECT_FALSE(bans.user_shut_out("198.51.100.200", "hmi", kStart + 30s));  // however often
}

TEST(Bans, KeepABoundedNumberOfAddressesAndNames) {
  Bans bans({});
  for (int i = 0; i < 10'000; ++i) {
    bans.failed("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250), "user" + std::to_string(i), kStart);
  }
  EXPECT_EQ(bans.addresses(), 4096U);
  EXPECT_EQ(bans.users(), 4096U);
}

}  // namespace
}  // namespace ferrule::mqtt
