// When to ask a silent cloud whether it is still there, and when to give it up.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace ferrule::bridge {

/// Something is sent at least every `interval` [MQTT-3.1.2-20], and something has to come: an answer to PINGREQ within
/// half of it, so that a half-open connection is found within 1.5 intervals.
class KeepAlive {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Due : std::uint8_t { Nothing, Ping, GiveUp };

  /// 0: never asks.
  KeepAlive(std::chrono::seconds interval, Time now) : interval_(interval), sent_(now), received_(now) {}

  void sent(Time now) { sent_ = now; }
  void received(Time now) {
    received_ = now;
    asked_.reset();
  }
  /// Ping: the caller sends one now.
  Due due(Time now) {
    if (interval_.count() == 0 || now < next()) return Due::Nothing;
    if (asked_) return Due::GiveUp;
    asked_ = now;
    return Due::Ping;
  }
  /// When to call `due` again.
  Time next() const {
    if (interval_.count() == 0) return Time::max();
    if (asked_) return *asked_ + interval_ / 2;
    return std::min(sent_, received_) + interval_;
  }

 private:
  std::chrono::milliseconds interval_;
  Time sent_, received_;
  std::optional<Time> asked_;
};

}  // namespace ferrule::bridge
