// Stored passwords: hashes that other programs wrote, our own, and the file they stand in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqtt/crypto.hpp"
#include "mqtt/password_file.hpp"
#include "mqtt/password_hash.hpp"

namespace ferrule::mqtt {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Written by mosquitto_passwd 2.0.11.
constexpr const char* kSeven =
    "$7$101$lf1sIFC0HQf+sdPZ$Qy4GRbFWoDdIflPeGSImur5fZCoKkK+zI5T8eZYjyCqa8ZE5unsfuZS1h2cKxGg1D6C8T1Ue7hlTzRZVAwO06A==";
constexpr const char* kSix =
    "$6$PFgRuZB4xzJ49lK0$LC5cp1viZoXbt7ucS7dPfIR+JDpGuYDxRBaklH0p0Z0MvM4Ma+vs62qV+82Ax3WVHHFaR4T7QVmADsZwPYstGg==";
// From the test vectors of the Argon2 reference implementation.
constexpr const char* kArgon2 =
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

std::string fault_of(std::string_view hash) {
  const auto parsed = PasswordHash::parse(hash);
  return parsed ? "none" : parsed.error();
}

TEST(PasswordHash, OfMosquittoIsVerified) {
  const auto seven = PasswordHash::parse(kSeven);
  ASSERT_TRUE(seven);
  EXPECT_TRUE(seven->verify("right horse"));
  EXPECT_FALSE(seven->verify("right horsf"));
  EXPECT_FALSE(seven->verify(""));
  const auto six = PasswordHash::parse(kSix);
  ASSERT_TRUE(six);
  EXPECT_TRUE(six->verify("tr0ub4dor"));
  EXPECT_FALSE(six->verify("tr0ub4do"));
}

TEST(PasswordHash, OfTheArgon2ReferenceIsVerified) {
  const auto hash = PasswordHash::parse(kArgon2);
  ASSERT_TRUE(hash) << hash.error();
  EXPECT_TRUE(hash->verify("password"));
  EXPECT_FALSE(hash->verify("Password"));
}

TEST(PasswordHash, IsWrittenAsArgon2idWithASaltOfItsOwn) {
  const auto one = PasswordHash::argon2id("secret"), other = PasswordHash::argon2id("secret");
  EXPECT_THAT(one.text(), StartsWith("$argon2id$v=19$m=19456,t=2,p=1$"));
  EXPECT_NE(one.text(), other.text());
  const auto read = PasswordHash::parse(one.text());
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->verify("secret"));
  EXPECT_FALSE(read->verify("secreT"));
}

TEST(PasswordHash, ThatCostsTooMuchIsRefused) {
  EXPECT_THAT(fault_of("$argon2id$v=19$m=262145,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
              HasSubstr("costs too much"));
  EXPECT_THAT(fault_of("$argon2id$v=19$m=65536,t=51,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
              HasSubstr("costs too much"));
  EXPECT_THAT(fault_of("$7$2000001$lf1sIFC0HQf+sdPZ$AA=="), HasSubstr("costs too much"));
}

TEST(PasswordHash, OfAnotherFormIsRefusedAndNotShown) {
  const std::string seven = kSeven;
  const std::vector<std::string> wrong = {
      "",
      "secret",
      "$",
      "$1$abc$def",
      "$7$",
      "$7$101$x$y",
      "$7$-1$lf1sIFC0HQf+sdPZ$AAAA",
      seven + "A",
      seven + "$",
      seven.substr(0, seven.size() - 4),
      "$6$abc",
      "$6$$" + seven.substr(25),
      "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
      "$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$m=0,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$m=65536,t=2$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      std::string(2000, '$'),
      std::string("$6$\0", 4)};
  for (const auto& text : wrong) {
    EXPECT_NE(fault_of(text), "none") << text;
    EXPECT_THAT(fault_of(text), Not(HasSubstr("secret")));
    EXPECT_THAT(fault_of(text), Not(HasSubstr("c29t")));
  }
}

TEST(Base64, IsReadStrictly) {
  EXPECT_EQ(from_base64(""), "");
  EXPECT_EQ(from_base64("YQ=="), "a");
  EXPECT_EQ(from_base64("YWI="), "ab");
  EXPECT_EQ(from_base64("YWJj"), "abc");
  for (const char* wrong :
       {"YQ", "YQ=", "YQ===", "Y===", "Y Q=", "YQ==YQ==", "YR==", "====", " YQ=", "YQ=\n", "Y-_="}) {
    EXPECT_EQ(from_base64(wrong), std::nullopt) << wrong;
  }
}

// The file

TEST(PasswordFile, OfMosquittoIsRead) {
  const auto file = PasswordFile::parse(std::string("# plant\n\nalice:") + kSeven + "\r\nbob:" + kSix);
  EXPECT_TRUE(file.faults.empty());
  ASSERT_EQ(file.lines.size(), 2U);
  EXPECT_EQ(file.lines[0].user, "alice");
  EXPECT_EQ(file.lines[0].line, 3);
  EXPECT_TRUE(file.lines[0].credentials.verify("right horse"));
  EXPECT_FALSE(file.lines[0].credentials.scram);
  EXPECT_TRUE(file.lines[1].credentials.verify("tr0ub4dor"));
}

TEST(PasswordFile, FaultsHaveTheirPlaceAndShowNoHash) {
  const std::string hash = kSeven;
  const auto file = PasswordFile::parse("alice:" + hash + "\nnonsense\n:" + hash + "\nbob:plain text\nalice:" + hash +
                                        "\ncarl:" + hash + ":SCRAM-SHA-256$1:x$y:z\n#dora\n\x01:" + hash + "\n");
  ASSERT_EQ(file.lines.size(), 1U);
  std::vector<std::string> faults;
  for (const auto& fault : file.faults) {
    faults.push_back(std::to_string(fault.line) + ":" + std::to_string(fault.column) + ": " + fault.message);
    EXPECT_THAT(fault.message, Not(HasSubstr("plain")));
    EXPECT_THAT(fault.message, Not(HasSubstr("Qy4GR")));
  }
  ASSERT_EQ(faults.size(), 6U);
  EXPECT_THAT(faults[0], StartsWith("2:1: has no colon"));
  EXPECT_THAT(faults[1], StartsWith("3:1: the user's name is empty"));
  EXPECT_THAT(faults[2], StartsWith("4:5: what follows the user's name is no password hash"));
  EXPECT_THAT(faults[3], StartsWith("5:1: this user is listed twice; first at line 1"));
  EXPECT_THAT(faults[4], StartsWith("6:" + std::to_string(6 + hash.size() + 1) + ": what follows the hash"));
  EXPECT_THAT(faults[5], StartsWith("8:1: the user's name has a control character"));
}

TEST(PasswordFile, IsChangedForOneUserOnly) {
  const std::string before = std::string("# plant\nalice:") + kSeven + "\nbob:" + kSix + "\n";
  const std::string after = with_password(before, "alice", "new one", true);
  EXPECT_THAT(after, StartsWith("# plant\nalice:$argon2id$"));
  EXPECT_THAT(after, HasSubstr(std::string("\nbob:") + kSix + "\n"));
  const auto file = PasswordFile::parse(after);
  ASSERT_EQ(file.lines.size(), 2U);
  const Credentials& alice = file.lines[0].credentials;
  EXPECT_TRUE(alice.verify("new one"));
  EXPECT_FALSE(alice.verify("right horse"));
  ASSERT_TRUE(alice.scram);
  EXPECT_TRUE(alice.scram->verify("new one"));
  EXPECT_FALSE(alice.scram->verify("new two"));
}

TEST(PasswordFile, GainsAndLosesUsers) {
  std::string text = with_password("", "carl", "x", false);
  EXPECT_THAT(text, StartsWith("carl:$argon2id$"));
  EXPECT_THAT(text, Not(HasSubstr("SCRAM")));
  EXPECT_FALSE(remove_user(text, "car"));
  EXPECT_TRUE(remove_user(text, "carl"));
  EXPECT_EQ(text, "");
}

TEST(Credentials, OfASecretServeBothKindsOfLogin) {
  const auto credentials = Credentials::of_secret("pencil");
  EXPECT_TRUE(credentials.verify("pencil"));
  EXPECT_FALSE(credentials.verify("pen"));
  EXPECT_TRUE(credentials.scram);
  EXPECT_FALSE(Credentials{}.verify(""));
}

}  // namespace
}  // namespace ferrule::mqtt
