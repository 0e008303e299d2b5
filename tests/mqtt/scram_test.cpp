// SCRAM-SHA-256 on the server's side: RFC 7677's own dialogue, and what hostile clients send.
#include <gtest/gtest.h>

#include "mqtt/crypto.hpp"
#include "mqtt/scram.hpp"

namespace ferrule::mqtt {
namespace {

// RFC 7677 section 3.
constexpr const char* kFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr const char* kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr const char* kChallenge =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr const char* kFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr const char* kVerifier = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

ScramKeys pencil() { return ScramKeys::of("pencil", 4096, *from_base64("W22ZaJ0SNY7soEsUEjb6gQ==")); }

ScramExchange challenged() {
  auto exchange = *ScramExchange::begin(kFirst);
  EXPECT_EQ(exchange.challenge(pencil(), kServerNonce), kChallenge);
  return exchange;
}

TEST(Scram, FollowsTheDialogueOfRfc7677) {
  const auto exchange = challenged();
  EXPECT_EQ(exchange.user(), "user");
  EXPECT_EQ(exchange.finish(kFinal), kVerifier);
}

TEST(Scram, RefusesEveryProofButTheRightOne) {
  const auto exchange = challenged();
  const std::string right = kFinal;
  for (std::size_t i = 0; i < right.size(); ++i) {
    std::string wrong = right;
    wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(exchange.finish(wrong), std::nullopt) << i;
    EXPECT_EQ(exchange.finish(right.substr(0, i)), std::nullopt) << i;
  }
  EXPECT_EQ(exchange.finish(right + "x"), std::nullopt);
  EXPECT_EQ(exchange.finish(right + std::string(5000, 'A')), std::nullopt);
}

TEST(Scram, RefusesTheProofOfAnotherPassword) {
  auto exchange = *ScramExchange::begin(kFirst);
  exchange.challenge(ScramKeys::of("pencils", 4096, *from_base64("W22ZaJ0SNY7soEsUEjb6gQ==")), kServerNonce);
  EXPECT_EQ(exchange.finish(kFinal), std::nullopt);
}

TEST(Scram, ReadsCommasAndEqualsSignsInNames) {
  EXPECT_EQ(ScramExchange::begin("n,,n=a=2Cb=3Dc,r=x")->user(), "a,b=c");
  EXPECT_EQ(ScramExchange::begin("y,,n=user,r=x,ext=1")->user(), "user");
}

TEST(Scram, RefusesMalformedFirstMessages) {
  for (const std::string wrong :
       {"", "n", "n,", "n,,", "n,,n=", "n,,n=,r=x", "n,,n=user", "n,,n=user,r=", "n,,r=x,n=user", "n,,m=1,n=user,r=x",
        "n,a=other,n=user,r=x", "p=tls-unique,,n=user,r=x", "x,,n=user,r=x", "n,,n=us=er,r=x", "n,,n=us=2cer,r=x",
        "n,,n=user,r=a b", "n,,n=user,r=a\x7F",
        "n,,n=us\xFF"
        "er,r=x"}) {
    EXPECT_FALSE(ScramExchange::begin(wrong)) << wrong;
  }
  EXPECT_FALSE(ScramExchange::begin("n,,n=user,r=" + std::string(5000, 'x')));
}

TEST(ScramKeys, SurviveBeingWrittenAndRead) {
  const auto keys = pencil();
  const auto read = ScramKeys::parse(keys.text());
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->text(), keys.text());
  EXPECT_TRUE(read->verify("pencil"));
}

TEST(ScramKeys, OfAWrongFormAreRefused) {
  const std::string right = pencil().text();
  for (std::size_t size = 0; size < right.size(); ++size) EXPECT_FALSE(ScramKeys::parse(right.substr(0, size))) << size;
  EXPECT_FALSE(ScramKeys::parse("SCRAM-SHA-256$4095" + right.substr(18)));
  EXPECT_TRUE(ScramKeys::parse("SCRAM-SHA-256$4097" + right.substr(18)));
  EXPECT_FALSE(ScramKeys::parse("SCRAM-SHA-256$10000001" + right.substr(18)));
}

TEST(ScramDecoy, LooksTheSameEachTimeAndFitsNoPassword) {
  const auto real = pencil();
  const auto one = scram_decoy(real, "nobody"), again = scram_decoy(real, "nobody"), other = scram_decoy(real, "noone");
  EXPECT_EQ(one.salt, again.salt);
  EXPECT_NE(one.salt, other.salt);
  EXPECT_EQ(one.salt.size(), real.salt.size());
  EXPECT_EQ(one.iterations, real.iterations);
  auto exchange = *ScramExchange::begin(kFirst);
  exchange.challenge(one, kServerNonce);
  EXPECT_EQ(exchange.finish(kFinal), std::nullopt);
}

}  // namespace
}  // namespace ferrule::mqtt
