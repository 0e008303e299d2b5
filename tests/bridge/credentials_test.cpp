#include "bridge/credentials.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/bridge/desk.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr std::int64_t kNow = 1'700'000'000;
// {"alg":"none"} and {"sub":"gw","exp":1700003600}
constexpr auto kToken = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJndyIsImV4cCI6MTcwMDAwMzYwMH0.c2ln";

std::chrono::system_clock::time_point at(std::int64_t time) { return std::chrono::system_clock::from_time_t(time); }

class CredentialsTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_.path() / name) << text;
    return directory_.path() / name;
  }
  testing::Directory directory_;
  UplinkSettings settings_;
};

TEST_F(CredentialsTest, ThePasswordOfTheConfigurationHoldsForEver) {
  settings_.password = "secret";
  const auto made = make_credentials(settings_, at(kNow));
  ASSERT_TRUE(made);
  EXPECT_EQ(made->password, "secret");
  EXPECT_FALSE(made->lifetime);
}

// Expected: Microsoft's sample in Python (base64, hmac, urllib.parse.quote_plus) with the same input.
TEST_F(CredentialsTest, ASharedAccessSignatureIsAsMicrosoftsSampleMakesIt) {
  const std::string resource = "myhub.azure-devices.net/devices/device1";
  const std::string key = "MDEyMzQ1Njc4OWFiY2RlZg==";
  EXPECT_EQ(shared_access_signature(resource, key, {}, kNow),
            "SharedAccessSignature "
            "sr=myhub.azure-devices.net%2Fdevices%2Fdevice1&sig=drrYedho%2Bi2h3oMm0yA1F5uIimXRNwWhQUxVl6DbDsg%3D&se="
            "1700000000");
  EXPECT_EQ(shared_access_signature("myhub.azure-devices.net", key, "device", kNow),
            "SharedAccessSignature "
            "sr=myhub.azure-devices.net&sig=rY%2FfuVWAY0HPyJ890SinomfOhmH6Y39lD4zxsUTTNl8%3D&se=1700000000&skn=device");
  EXPECT_FALSE(shared_access_signature(resource, "no base64!", {}, kNow));
  EXPECT_FALSE(shared_access_signature(resource, "", {}, kNow));
}

TEST_F(CredentialsTest, ASharedAccessSignatureIsMadeForEachConnection) {
  settings_.sas = SasSettings{"MDEyMzQ1Njc4OWFiY2RlZg==", "hub/devices/d", {}, 600s};
  const auto made = make_credentials(settings_, at(kNow));
  ASSERT_TRUE(made);
  EXPECT_THAT(made->password, HasSubstr("&se=1700000600"));
  EXPECT_EQ(made->lifetime, 600s);
}

TEST_F(CredentialsTest, ATokenOfAFileHoldsUntilItExpires) {
  settings_.password_file = write("token", std::string(kToken) + "\n");
  const auto made = make_credentials(settings_, at(kNow));
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(made->password, kToken);
  EXPECT_EQ(made->lifetime, 3600s);
  const auto late = make_credentials(settings_, at(kNow + 3600));
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error(), HasSubstr("has expired on 2023-11-14 23:13:20 UTC"));
}

TEST_F(CredentialsTest, AnyOtherFileIsAPassword) {
  for (const auto* text : {"plain", "a.b.c", "..", "e30.e30.e30", "eyJ.!!!.x", "x.eyJleHAiOiJzb29uIn0.y", "x.W10.y"}) {
    settings_.password_file = write("token", text);
    const auto made = make_credentials(settings_, at(kNow));
    ASSERT_TRUE(made) << text;
    EXPECT_EQ(made->password, text);
    EXPECT_FALSE(made->lifetime) << text;
  }
}

TEST_F(CredentialsTest, AFileThatIsNotThereOrTooLongIsExplained) {
  settings_.password_file = directory_.path() / "nothing";
  EXPECT_THAT(make_credentials(settings_, at(kNow)).error(), HasSubstr("cannot read a password from"));
  settings_.password_file = write("long", std::string(70'000, 'x'));
  EXPECT_THAT(make_credentials(settings_, at(kNow)).error(), HasSubstr("too long"));
}

TEST_F(CredentialsTest, AConnectionIsRenewedAtFourFifthsOfItsLife) {
  const Renewal::Time start{1h};
  Renewal renewal(settings_, 1000s, start);
  EXPECT_EQ(renewal.next(), start + 800s);
  EXPECT_FALSE(renewal.due(start + 799s));
  EXPECT_TRUE(renewal.due(start + 800s));
  EXPECT_FALSE(renewal.due(start + 2000s)) << "once";
  EXPECT_EQ(Renewal(settings_, 1s, start).next(), start + 30s) << "not for ever";
  EXPECT_EQ(Renewal(settings_, {}, start).next(), Renewal::Time::max());
}

TEST_F(CredentialsTest, AConnectionIsRenewedWhenAFileChanges) {
  const Renewal::Time start{1h};
  settings_.password_file = write("token", "one");
  settings_.tls.cert = write("cert", "c");
  settings_.tls.key = directory_.path() / "not there yet";
  Renewal renewal(settings_, {}, start);
  EXPECT_FALSE(renewal.due(start + 5s));
  std::filesystem::remove(settings_.tls.cert);
  EXPECT_FALSE(renewal.due(start + 10s)) << "it is being replaced";
  write("cert", "other");
  EXPECT_FALSE(renewal.due(start + 14s)) << "not looked at yet";
  EXPECT_TRUE(renewal.due(start + 15s));
  EXPECT_FALSE(renewal.due(start + 20s)) << "once";
}

}  // namespace
}  // namespace ferrule::bridge
