#include "bridge/dialer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ferrule::bridge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DialerTest : public ::testing::Test {
 protected:
  Attempt dial(Dialer& dialer) {
    return dialer.dial([](const Endpoint& endpoint, std::string&) { return std::vector{endpoint.text()}; },
                       [this](const Endpoint& endpoint, const std::string& address, int) {
                         tried_.push_back(address + (endpoint.tls ? " tls" : ""));
                         return answer_(address);
                       },
                       [] { return false; });
  }
  static Attempt refused(const std::string& reference = {}) {
    Attempt attempt;
    attempt.answered = true;
    attempt.cause = "refused";
    attempt.server_reference = reference;
    return attempt;
  }
  static Attempt accepted() {
    Attempt attempt;
    attempt.connected = attempt.answered = true;
    return attempt;
  }

  UplinkSettings settings_;
  std::vector<std::string> tried_;
  std::function<Attempt(const std::string& address)> answer_;
};

TEST_F(DialerTest, FollowsAServerThatNamesAnother) {
  settings_.urls = {"mqtts://a"};
  Dialer dialer(settings_, {});
  answer_ = [](const std::string& address) { return address.starts_with("a:") ? refused("b c:1") : accepted(); };
  const auto attempt = dial(dialer);
  EXPECT_TRUE(attempt.connected);
  EXPECT_EQ(attempt.limits.server, "b:8883");
  EXPECT_THAT(tried_, ElementsAre("a:8883 tls", "b:8883 tls"));
}

TEST_F(DialerTest, GoesWhereTheCloudSentUsWhenItEndedTheConnection) {
  settings_.urls = {"mqtts://a"};
  Dialer dialer(settings_, {});
  answer_ = [](const std::string&) { return accepted(); };
  ASSERT_TRUE(dial(dialer).connected);
  dialer.named("b");
  EXPECT_EQ(dial(dialer).limits.server, "b:8883");
  EXPECT_EQ(dial(dialer).limits.server, "a:8883");
  EXPECT_THAT(tried_, ElementsAre("a:8883 tls", "b:8883 tls", "a:8883 tls"));
}

TEST_F(DialerTest, GoesBackToItsOwnServersWhenTheOneItWasSentToIsNotThere) {
  settings_.urls = {"mqtt://a"};
  Dialer dialer(settings_, {});
  answer_ = [](const std::string& address) { return address.starts_with("a:") ? accepted() : refused(); };
  ASSERT_TRUE(dial(dialer).connected);
  dialer.named("b");
  EXPECT_EQ(dial(dialer).limits.server, "a:1883");
  dialer.named("no name at all/");
  EXPECT_EQ(dial(dialer).limits.server, "a:1883");
}

TEST_F(DialerTest, TakesThePortOfAReferenceThatHasOne) {
  for (const auto& [reference, address] : {std::pair("b:99", "b:99"), std::pair("[::1]:99", "[::1]:99"),
                                           std::pair("[::1]", "[::1]:1883"), std::pair("b", "b:1883")}) {
    settings_.urls = {"mqtt://a"};
    Dialer dialer(settings_, {});
    answer_ = [named = std::string(reference)](const std::string& tried) {
      return tried.starts_with("a:") ? refused(named) : accepted();
    };
    EXPECT_EQ(dial(dialer).limits.server, address);
  }
}

TEST_F(DialerTest, GoesNoFurtherThanOneReferenceAndNotToNonsense) {
  settings_.urls = {"mqtt://a", "mqtt://z"};
  Dialer dialer(settings_, {});
  answer_ = [](const std::string& address) {
    return address.starts_with("z:") ? refused("such/thing no") : refused("a:1883");
  };
  const auto attempt = dial(dialer);
  EXPECT_FALSE(attempt.connected);
  EXPECT_THAT(tried_, ElementsAre("a:1883", "a:1883", "z:1883"));
  EXPECT_THAT(attempt.cause, HasSubstr("z:1883: refused"));
}

TEST_F(DialerTest, TakesTheNextServerAndStaysWithIt) {
  settings_.urls = {"mqtt://a", "mqtt://b"};
  Dialer dialer(settings_, {});
  answer_ = [](const std::string& address) { return address.starts_with("a:") ? refused() : accepted(); };
  EXPECT_FALSE(dial(dialer).limits.is_first);
  EXPECT_TRUE(dial(dialer).connected);
  EXPECT_THAT(tried_, ElementsAre("a:1883", "b:1883", "b:1883"));
}

TEST_F(DialerTest, BeginsWithTheFirstServerAgainWhenToldTo) {
  settings_.urls = {"mqtt://a", "mqtt://b"};
  Dialer dialer(settings_, {});
  answer_ = [](const std::string& address) { return address.starts_with("a:") ? refused() : accepted(); };
  EXPECT_TRUE(dial(dialer).connected);
  answer_ = [](const std::string&) { return accepted(); };
  dialer.begin_with_first();
  EXPECT_TRUE(dial(dialer).limits.is_first);
  EXPECT_THAT(tried_, ElementsAre("a:1883", "b:1883", "a:1883"));
}

TEST_F(DialerTest, AsksTheProxysNameInsteadOfTheClouds) {
  settings_.urls = {"mqtt://a"};
  settings_.proxy = ProxySettings{*parse_proxy_url("socks5://p"), {}, {}};
  Dialer dialer(settings_, {});
  answer_ = [](const std::string&) { return accepted(); };
  EXPECT_EQ(dial(dialer).limits.server, "a:1883");
  EXPECT_THAT(tried_, ElementsAre("p:1080"));
}

}  // namespace
}  // namespace ferrule::bridge
