#include "gateway/redact.hpp"

#include <gtest/gtest.h>

namespace ferrule::gateway {
namespace {

TEST(Redacted, HidesWhatFollowsASecretsKey) {
  EXPECT_EQ(
      redacted("uplinks:\n  hq: {username: u, password: s3cret, url: x}\n  b:\n    Password: s3cret\n    url: x\n"),
      "uplinks:\n  hq: {username: u, password: '***'\n  b:\n    Password: '***'\n    url: x\n");
}

TEST(Redacted, HidesWhatStandsBelowASecretsKey) {
  EXPECT_EQ(redacted("a:\n  password: |\n    s3cret\n     s3cret\n\n    s3cret\n  b: 1\n"),
            "a:\n  password: '***'\n  b: 1\n");
  EXPECT_EQ(redacted("sas: {\n  key: s3cret,\n  x: s3cret}\nb: 1\n"), "sas: '***'\nb: 1\n");
  EXPECT_EQ(redacted("\"api_key\" :\n  s3cret\n"), "\"api_key\" : '***'\n");
}

TEST(Redacted, HidesUsersOfUrls) {
  EXPECT_EQ(redacted("url: mqtt://me:s3cret@host:1883\n"), "url: mqtt://***@host:1883\n");
  EXPECT_EQ(redacted("[http://a:s3@cret@h, mqtt://plain:1]\n"), "[http://***@h, mqtt://plain:1]\n");
}

TEST(Redacted, LeavesOutComments) { EXPECT_EQ(redacted("# password is s3cret\na: 1 # s3cret\n"), "a: 1\n"); }

TEST(Redacted, LeavesTheRestAsItIs) {
  const auto* text = "gateway: {id: plant1}\nbuses:\n  plc: {type: modbus-tcp, host: 10.0.0.5}\n";
  EXPECT_EQ(redacted(text), text);
}

}  // namespace
}  // namespace ferrule::gateway
