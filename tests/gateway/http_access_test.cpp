#include "gateway/http_access.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

#include "mqtt/crypto.hpp"

namespace ferrule::gateway {
namespace {

using namespace std::chrono_literals;

class FakeClock final : public mqtt::Clock {
 public:
  std::chrono::steady_clock::time_point now() const override { return now_; }
  void advance(std::chrono::steady_clock::duration time) { now_ += time; }

 private:
  std::chrono::steady_clock::time_point now_{1000h};
};

/// Checks at once, or when it is told to.
class Checker final : public mqtt::PasswordChecker {
 public:
  bool submit(Check check, Done done) override {
    if (full) return false;
    if (!slow) {
      done(check());
      return true;
    }
    waiting.emplace_back([check = std::move(check), done = std::move(done)]() mutable { done(check()); });
    return true;
  }
  bool full = false;
  bool slow = false;
  std::vector<std::function<void()>> waiting;
};

constexpr const char* kToken = "0123456789abcdef0123456789abcdef";

HttpSettings with_users() {
  HttpSettings settings;
  settings.users["anna"] = {mqtt::Credentials::of_secret("right"), HttpRole::Operate};
  settings.users["guest"] = {mqtt::Credentials::of_secret("guest"), HttpRole::Read};
  settings.tokens[mqtt::sha256(kToken)] = {"scada", HttpRole::Read};
  return settings;
}

class HttpAccessTest : public testing::Test {
 protected:
  HttpAccess& open(HttpSettings settings) {
    access_ =
        std::make_unique<HttpAccess>(std::move(settings), checker_, clock_, [this](bool ok, auto user, auto what) {
          notes_.push_back((ok ? "ok " : "no ") + std::string(user) + " " + std::string(what));
        });
    return *access_;
  }

  static HttpRequest from(std::string address, std::string host = "gw") {
    HttpRequest request;
    request.address = std::move(address);
    request.fields.emplace_back("host", std::move(host));
    return request;
  }

  static HttpRequest with(HttpRequest request, std::string field, std::string value) {
    request.fields.emplace_back(std::move(field), std::move(value));
    return request;
  }

  tl::expected<HttpAccess::LoggedIn, HttpDenial> log_in(const HttpRequest& request, const std::string& user,
                                                        const std::string& password) {
    tl::expected<HttpAccess::LoggedIn, HttpDenial> answer = tl::unexpected(HttpDenial{});
    int answers = 0;
    access_->log_in(request, user, password, [&](auto result) {
      answer = std::move(result);
      ++answers;
    });
    EXPECT_EQ(answers, 1);
    return answer;
  }

  static std::string cookie_of(const HttpAccess::LoggedIn& login) {
    return login.cookie.substr(0, login.cookie.find(';'));
  }

  FakeClock clock_;
  Checker checker_;
  std::vector<std::string> notes_;
  std::unique_ptr<HttpAccess> access_;
};

TEST_F(HttpAccessTest, WithoutUsersThisMachineReadsAndNobodyElse) {
  auto& access = open({});
  for (const char* host : {"localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost"}) {
    const auto grant = access.admit(from("127.0.0.1", host));
    ASSERT_TRUE(grant) << host;
    EXPECT_EQ(grant->role, HttpRole::Read);
  }
  EXPECT_EQ(access.admit(from("192.0.2.1", "localhost")).error().status, 403);
}

TEST_F(HttpAccessTest, WithoutUsersAPageOfAnotherDomainThatPointsHereGetsNothing) {
  auto& access = open({});
  for (const char* host : {"evil.example:8080", "", "127.0.0.1.evil.example", "localhost.evil.example:1", "[", "]"}) {
    EXPECT_EQ(access.admit(from("127.0.0.1", host)).error().status, 403) << host;
  }
}

TEST_F(HttpAccessTest, WhatABrowserAsksForAPageOfElsewhereIsRefused) {
  auto& access = open({});
  for (const char* site : {"cross-site", "same-site"}) {
    EXPECT_EQ(access.admit(with(from("127.0.0.1", "localhost"), "sec-fetch-site", site)).error().code, "cross-site");
  }
  for (const char* site : {"same-origin", "none"}) {
    EXPECT_TRUE(access.admit(with(from("127.0.0.1", "localhost"), "sec-fetch-site", site)));
  }
}

TEST_F(HttpAccessTest, WithUsersNobodyGetsInWithoutALogin) {
  auto& access = open(with_users());
  EXPECT_EQ(access.admit(from("127.0.0.1", "localhost")).error().status, 401);
  EXPECT_EQ(access.admit(with(from("192.0.2.1"), "cookie", "ferrule-session=00")).error().status, 401);
}

TEST_F(HttpAccessTest, ALoginBeginsASessionThatLastsTwelveHours) {
  auto& access = open(with_users());
  const auto login = log_in(from("192.0.2.1"), "anna", "right");
  ASSERT_TRUE(login);
  EXPECT_NE(login->cookie.find("; HttpOnly; SameSite=Strict"), std::string::npos);
  EXPECT_EQ(login->cookie.find("Secure"), std::string::npos);
  const auto request = with(from("192.0.2.1"), "cookie", "other=1; " + cookie_of(*login));
  const auto grant = access.admit(request);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->user, "anna");
  EXPECT_EQ(grant->role, HttpRole::Operate);
  EXPECT_EQ(grant->who, "user anna (192.0.2.1)");
  EXPECT_EQ(grant->csrf, login->grant.csrf);
  EXPECT_EQ(grant->csrf.size(), 32U);
  clock_.advance(12h - 1s);
  EXPECT_TRUE(access.admit(request));
  EXPECT_TRUE(access.holds(*grant));
  clock_.advance(1s);
  EXPECT_FALSE(access.holds(*grant));
  EXPECT_EQ(access.admit(request).error().status, 401);
  EXPECT_EQ(notes_, std::vector<std::string>{"ok anna from 192.0.2.1 by the page"});
}

TEST_F(HttpAccessTest, OverTlsTheCookieIsForTlsOnly) {
  open(with_users());
  auto request = from("192.0.2.1");
  request.encrypted = true;
  EXPECT_NE(log_in(request, "guest", "guest")->cookie.find("; Secure"), std::string::npos);
}

TEST_F(HttpAccessTest, ALogoutEndsTheSession) {
  auto& access = open(with_users());
  const auto login = log_in(from("192.0.2.1"), "guest", "guest");
  const auto request = with(from("192.0.2.1"), "cookie", cookie_of(*login));
  EXPECT_NE(access.log_out(*access.admit(request)).find("Max-Age=0"), std::string::npos);
  EXPECT_EQ(access.admit(request).error().status, 401);
  EXPECT_FALSE(access.holds(login->grant));
}

TEST_F(HttpAccessTest, AWrongNameIsAnsweredAsAWrongPasswordIs) {
  open(with_users());
  const auto name = log_in(from("192.0.2.1"), "nobody", "right");
  const auto password = log_in(from("192.0.2.2"), "anna", "wrong");
  EXPECT_EQ(name.error().status, 401);
  EXPECT_EQ(name.error().message, password.error().message);
  EXPECT_EQ(notes_, (std::vector<std::string>{"no nobody from 192.0.2.1 by the page: wrong login",
                                              "no anna from 192.0.2.2 by the page: wrong login"}));
}

TEST_F(HttpAccessTest, FiveWrongLoginsShutAnAddressOutForAWhile) {
  open(with_users());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(log_in(from("192.0.2.1"), "anna", "wrong").error().status, 401);
  EXPECT_EQ(log_in(from("192.0.2.1"), "anna", "right").error().status, 429);
  EXPECT_EQ(log_in(from("192.0.2.2"), "guest", "guest")->grant.user, "guest");
  clock_.advance(1s);
  EXPECT_TRUE(log_in(from("192.0.2.1"), "anna", "right"));
}

TEST_F(HttpAccessTest, AWrongTokenCountsAsAWrongLogin) {
  auto& access = open(with_users());
  const auto right = with(from("192.0.2.1"), "authorization", std::string("Bearer ") + kToken);
  const auto grant = access.admit(right);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->who, "token scada (192.0.2.1)");
  EXPECT_TRUE(grant->csrf.empty());
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(access.admit(with(from("192.0.2.1"), "authorization", "Bearer x")).error().status, 401);
  EXPECT_EQ(access.admit(right).error().status, 429);
}

TEST_F(HttpAccessTest, SaysThatItIsBusyWhenTooManyPasswordsWait) {
  open(with_users());
  checker_.full = true;
  EXPECT_EQ(log_in(from("192.0.2.1"), "anna", "right").error().status, 503);
}

TEST_F(HttpAccessTest, AnAddressHasTwoHundredRequestsAtOnceAndFiftyASecond) {
  auto& access = open({});
  const auto served = [&](const char* address) {
    int count = 0;
    while (count < 1000 && access.admit(from(address, "localhost")).has_value()) ++count;
    return count;
  };
  EXPECT_EQ(served("127.0.0.1"), 200);
  EXPECT_EQ(access.admit(from("127.0.0.1", "localhost")).error().status, 429);
  EXPECT_EQ(access.too_fast("127.0.0.1")->status, 429);
  EXPECT_FALSE(access.too_fast("127.0.0.3"));
  EXPECT_EQ(served("127.0.0.2"), 200);
  clock_.advance(1s);
  EXPECT_EQ(served("127.0.0.1"), 50);
}

TEST_F(HttpAccessTest, TheAddressesOfAnIpv6NetworkShareTheirRequests) {
  auto& access = open(with_users());
  for (int i = 0; i < 200; ++i) EXPECT_EQ(access.admit(from("2001:db8::" + std::to_string(i))).error().status, 401);
  EXPECT_EQ(access.admit(from("2001:db8::ffff")).error().status, 429);
  EXPECT_EQ(access.admit(from("2001:db8:0:1::1")).error().status, 401);
}

TEST_F(HttpAccessTest, ChecksTwoLoginsOfAnAddressAtOnceAndEightInAll) {
  auto& access = open(with_users());
  checker_.slow = true;
  int granted = 0, refused = 0;
  const auto try_from = [&](const std::string& address) {
    access.log_in(from(address), "anna", "right", [&](auto result) {
      if (result) return void(++granted);
      EXPECT_EQ(result.error().status, 429);
      ++refused;
    });
  };
  for (int i = 0; i < 3; ++i) try_from("192.0.2.1");
  EXPECT_EQ(refused, 1);
  for (int i = 2; i <= 5; ++i) {
    for (int j = 0; j < 2; ++j) try_from("192.0.2." + std::to_string(i));
  }
  EXPECT_EQ(refused, 3);
  for (const auto& check : std::exchange(checker_.waiting, {})) check();
  EXPECT_EQ(granted, 8);
  try_from("192.0.2.5");
  EXPECT_EQ(refused, 3);
}

TEST_F(HttpAccessTest, KeepsSixtyFourSessions) {
  auto& access = open(with_users());
  const auto first = log_in(from("192.0.2.1"), "guest", "guest");
  for (int i = 0; i < 64; ++i) log_in(from("192.0.2.1"), "guest", "guest");
  EXPECT_FALSE(access.holds(first->grant));
}

}  // namespace
}  // namespace ferrule::gateway
