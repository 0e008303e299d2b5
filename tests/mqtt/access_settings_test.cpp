// Users and rules as the configuration file says them, and every mistake with its place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "mqtt/access.hpp"
#include "mqtt/settings.hpp"

namespace ferrule::mqtt {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kSeven =
    "$7$101$lf1sIFC0HQf+sdPZ$Qy4GRbFWoDdIflPeGSImur5fZCoKkK+zI5T8eZYjyCqa8ZE5unsfuZS1h2cKxGg1D6C8T1Ue7hlTzRZVAwO06A==";

/// A directory with a password file and a secret, gone with the test.
class AccessSettingsTest : public ::testing::Test {
 protected:
  AccessSettingsTest() {
    std::string name = (std::filesystem::temp_directory_path() / "ferrule-access-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~AccessSettingsTest() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name) << text; }

  AccessSettings read(const std::string& yaml) {
    const auto document = config::Document::parse("broker:\n" + yaml, (directory_ / "plant.yaml").string());
    auto settings = read_broker(document.root()["broker"]);
    document.finish();
    warnings_ = document.warnings();
    return settings.access;
  }

  std::string mistakes_of(const std::string& yaml) {
    try {
      read(yaml);
    } catch (const config::Error& error) {
      return error.what();
    }
    return "none";
  }

  std::filesystem::path directory_;
  std::vector<config::Mistake> warnings_;  // of what was read last
};

TEST_F(AccessSettingsTest, WithoutUsersEverybodyOnLoopbackMayDoEverything) {
  const auto settings = read("  listen: [{port: 1}, {port: 2, bind: \"::1\"}]\n");
  EXPECT_FALSE(settings.restricted);
  EXPECT_TRUE(settings.listeners[0].anonymous);
  EXPECT_TRUE(settings.listeners[1].anonymous);
}

TEST_F(AccessSettingsTest, UsersRulesAndListenersAreRead) {
  write("secret", "from a file\n");
  write("users", std::string("alice:") + kSeven + "\n");
  const auto settings = read(std::string(R"(
  listen: [{port: 1}, {port: 2, bind: 0.0.0.0, users: [hmi]}, {port: 3, anonymous: true}]
  password_file: users
  users:
    hmi: {password: !file secret, subscribe: ["plant1/#", "!plant1/pay/#"], publish: ["plant1/+/set"]}
    scada: {password_hash: ")") +
                             kSeven + R"("}
    alice: {publish: ["a"]}
  clients: {press4: {publish: ["press4/#"]}}
  everyone: {subscribe: ["clients/%c/#"]}
  anonymous: {subscribe: ["public/#"]}
  limits: {failed_logins: 3, ban: 2s..1m, logins_waiting: 10}
)");
  EXPECT_TRUE(settings.restricted);
  ASSERT_EQ(settings.users.size(), 3U);
  const auto& hmi = settings.users.at("hmi");
  EXPECT_TRUE(hmi.credentials.verify("from a file"));
  ASSERT_EQ(hmi.rules.subscribe.size(), 2U);
  EXPECT_EQ(hmi.rules.subscribe[1].filter, "plant1/pay/#");
  EXPECT_FALSE(hmi.rules.subscribe[1].allow);
  EXPECT_TRUE(settings.users.at("scada").credentials.verify("right horse"));
  EXPECT_TRUE(settings.users.at("alice").credentials.verify("right horse"));
  EXPECT_EQ(settings.users.at("alice").rules.publish.size(), 1U);
  EXPECT_EQ(settings.clients.at("press4").publish.size(), 1U);
  EXPECT_EQ(settings.everyone.subscribe.size(), 1U);
  EXPECT_EQ(settings.anonymous.subscribe.size(), 1U);
  EXPECT_FALSE(settings.listeners[0].anonymous);
  EXPECT_EQ(settings.listeners[1].users, std::vector<std::string>{"hmi"});
  EXPECT_TRUE(settings.listeners[2].anonymous);
  EXPECT_EQ(settings.bans.attempts, 3U);
  EXPECT_EQ(settings.bans.shortest, 2s);
  EXPECT_EQ(settings.bans.longest, 60s);
  EXPECT_EQ(settings.max_logins_waiting, 10U);
}

TEST_F(AccessSettingsTest, AListenerThatOthersReachNeedsUsersOrSaysAnonymous) {
  EXPECT_THAT(mistakes_of("  listen: [{bind: 0.0.0.0}]\n"),
              HasSubstr("plant.yaml:2:19: error: broker.listen[0].bind: 0.0.0.0 is not a loopback address"));
  EXPECT_EQ(mistakes_of("  listen: [{bind: 0.0.0.0}]\n  users: {a: {password: x}}\n"), "none");
  EXPECT_EQ(mistakes_of("  listen: [{bind: 0.0.0.0, anonymous: true}]\n"), "none");
  EXPECT_THAT(mistakes_of("  listen: [{bind: \"\"}]\n"), HasSubstr("is not a loopback address"));
}

TEST_F(AccessSettingsTest, WarnOfListenersThatLetAnybodyIn) {
  read("  listen: [{bind: 0.0.0.0, anonymous: true}]\n");
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_THAT(warnings_[0].text(), HasSubstr("plant.yaml:2:39: warning: broker.listen[0].anonymous: anybody who "
                                                    "reaches 0.0.0.0 may read and write everything"));
  read("  listen: [{bind: 0.0.0.0, anonymous: true}]\n  anonymous: {subscribe: [a]}\n");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(AccessSettingsTest, WarnOfUsersWhoMayDoNothing) {
  read("  users: {a: {password: x}, b: {password: x, publish: [b]}}\n");
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_THAT(warnings_[0].text(), HasSubstr("user \"a\" may log in but neither subscribe nor publish"));
  read("  users: {a: {password: x}}\n  everyone: {subscribe: [a]}\n");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(AccessSettingsTest, MistakesAreShownWhereTheyStand) {
  EXPECT_THAT(mistakes_of("  users: {a: {password: x, subscribe: [\"a/#/b\"]}}\n"),
              HasSubstr("plant.yaml:2:40: error: broker.users.a.subscribe[0]: is no topic filter"));
  EXPECT_THAT(mistakes_of("  users: {a: {password: x, subscribe: [\"$share/g/a\"]}}\n"),
              HasSubstr("leave out $share/"));
  EXPECT_THAT(mistakes_of("  users: {a: {subscribe: [a]}}\n"), HasSubstr("broker.users.a: has no password"));
  EXPECT_THAT(mistakes_of("  users: {a: {password: x, sucscribe: [a]}}\n"), HasSubstr("did you mean \"subscribe\"?"));
  EXPECT_THAT(mistakes_of("  users: {\"a:b\": {password: x}}\n"), HasSubstr("the user's name has a colon"));
  EXPECT_THAT(mistakes_of("  users: {a+b: {password: x, publish: [\"%u/#\"]}}\n"),
              HasSubstr("cannot stand where a rule"));
  EXPECT_THAT(mistakes_of("  users: {hmi: {password: x}}\n  listen: [{port: 1, users: [hni]}]\n"),
              HasSubstr("there is no user \"hni\" (did you mean hmi?)"));
  EXPECT_THAT(mistakes_of("  users: {hmi: {password: x}}\n  anonymous: {subscribe: [a]}\n"),
              HasSubstr("no listener lets anonymous clients in"));
  EXPECT_THAT(mistakes_of("  listen: [{port: 1, certificate_login: true}]\n"), HasSubstr("needs tls"));
}

TEST_F(AccessSettingsTest, MistakesShowNoSecret) {
  write("users", "alice:tell-nobody\n");
  const auto text = mistakes_of(R"(
  password_file: users
  users: {bob: {password_hash: "$9$tell-nobody"}, carl: {password: tell-nobody, password_hash: "$7$tell-nobody"}}
)");
  EXPECT_THAT(text, HasSubstr("users:1:7: what follows the user's name is no password hash"));
  EXPECT_THAT(text, HasSubstr("broker.users.bob.password_hash: is no password hash"));
  EXPECT_THAT(text, HasSubstr("broker.users.carl.password_hash: stands beside password"));
  EXPECT_THAT(text, Not(HasSubstr("tell-nobody")));
}

TEST_F(AccessSettingsTest, APasswordFileThatIsMissingOrSaysItTwiceIsAMistake) {
  EXPECT_THAT(mistakes_of("  password_file: nowhere\n"), HasSubstr("nowhere: cannot be read: No such file"));
  write("users", std::string("alice:") + kSeven + "\n");
  EXPECT_THAT(mistakes_of("  password_file: users\n  users: {alice: {password: x}}\n"),
              HasSubstr("has a password here and a line in password_file"));
}

TEST_F(AccessSettingsTest, AUserThatMayNotLogInTakesAsLongAsOneThatMay) {
  const Access access(read("  users: {a: {password: x}, b: {password_hash: \"" + std::string(kSeven) + "\"}}\n"));
  int hashed = 0;
  for (int i = 0; i < 100; ++i) hashed += access.credentials("nobody" + std::to_string(i)).hash ? 1 : 0;
  EXPECT_GT(hashed, 10);  // names that do not exist are spread over what those cost that do
  EXPECT_LT(hashed, 90);
  EXPECT_EQ(&access.credentials("nobody"), &access.credentials("nobody"));
}

}  // namespace
}  // namespace ferrule::mqtt
