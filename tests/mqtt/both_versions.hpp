// Tests of what MQTT 3.1.1 and 5.0 have in common: one script for both.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "broker_world.hpp"
#include "mqtt/wire.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {

/// Bytes as `wire` reads them, for one version: `{ }` encloses what only MQTT 5 has, `@` is its empty properties.
inline std::string in_version(std::string_view text, Version version) {
  std::string out;
  bool only5 = false;
  for (const char c : text) {
    if (c == '{' || c == '}') {
      only5 = c == '{';
    } else if (c == '@') {
      out += version == Version::V5 ? "[]" : "";
    } else if (!only5 || version == Version::V5) {
      out += c;
    }
  }
  return out;
}

/// A peer whose scripts are written for both versions.
class Client {
 public:
  Client(Peer peer, Version version) : peer_(std::move(peer)), version_(version) {}

  Client& send(std::string_view text) {
    peer_.send(in_version(text, version_));
    return *this;
  }
  Client& expect(std::string_view text) {
    peer_.expect(in_version(text, version_));
    return *this;
  }
  Client& expect_nothing() { return expect(""); }
  void expect_closed() { peer_.expect_closed(); }
  /// Closed after DISCONNECT with this reason, of which MQTT 3.1.1 knows nothing.
  void expect_disconnect(Reason reason) {
    const std::string bytes = peer_.take();
    if (version_ == Version::V5) {
      EXPECT_GE(bytes.size(), 3U);
      EXPECT_EQ(bytes.substr(0, 1), wire("E0"));
      EXPECT_EQ(bytes.substr(2, 1), std::string(1, static_cast<char>(reason)));
    } else {
      EXPECT_EQ(hex(bytes), "");
    }
    peer_.expect_closed();
  }
  void drop() { peer_.drop(); }
  std::string take() { return peer_.take(); }
  Peer& peer() { return peer_; }

 private:
  Peer peer_;
  Version version_;
};

class InBothVersions : public ::testing::TestWithParam<Version> {
 protected:
  /// A connection, no packet yet.
  Client open() { return {world.connect(), GetParam()}; }
  /// Clean start, session ends with the connection.
  Client client(std::string_view id) {
    return {GetParam() == Version::V5 ? world.client5(id) : world.client(id), GetParam()};
  }
  /// A session that outlives its connection for an hour; `present`: it was there.
  Client persistent(std::string_view id, bool present) {
    return {GetParam() == Version::V5 ? world.persistent5(id, present) : world.persistent(id, present), GetParam()};
  }
  /// Subscribed to `filter` at `qos`.
  Client subscriber(std::string_view id, std::string_view filter, int qos) {
    Client made = client(id);
    const std::string level = "0" + std::to_string(qos);
    made.send("82 [ 0001 @ ('" + std::string(filter) + "') " + level + " ]").expect("90 [ 0001 @ " + level + " ]");
    return made;
  }
  bool v5() const { return GetParam() == Version::V5; }
  std::string level() const { return v5() ? "05" : "04"; }  ///< of the protocol
  std::string connack() const { return v5() ? kConnack5 : "20 02 00 00"; }

  World world;
};

inline std::string version_name(const ::testing::TestParamInfo<Version>& info) {
  return info.param == Version::V5 ? "v5" : "v311";
}

#define FERRULE_IN_BOTH_VERSIONS(suite) \
  INSTANTIATE_TEST_SUITE_P(Both, suite, ::testing::Values(Version::V311, Version::V5), version_name)

}  // namespace ferrule::mqtt::testing
