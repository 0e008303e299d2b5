// How far an uplink is, and how others hear of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "mqtt/publication.hpp"

namespace ferrule::bridge {

struct UplinkStatus;
enum class UplinkState : std::uint8_t { Offline, Connecting, Online, BackingOff };
std::string_view name(UplinkState);  ///< "offline", "connecting", "online", "backing-off"

/// For local subscribers, as mosquitto does it: retained "1" or "0" under `$SYS/broker/connection/<uplink>/state`.
mqtt::PublicationPtr local_status(const std::string& uplink, bool online);

/// Likewise under `$SYS/broker/connection/<uplink>/metrics`: figures of UplinkStatus as JSON.
mqtt::PublicationPtr local_metrics(const UplinkStatus& status);

/// For those at the cloud, retained: that it is online, with the same figures; the will says that it is not.
mqtt::PublicationPtr cloud_status(const std::string& topic, const UplinkStatus& status);
inline constexpr std::string_view kOfflineStatus = R"({"state":"offline"})";

/// Lets a text through that is another one than the last, or as long as it repeats once a minute.
class Repetition {
 public:
  using Time = std::chrono::steady_clock::time_point;
  bool is_news(const std::string& text, Time now) {
    if (text == last_ && now - at_ < std::chrono::minutes(1)) return false;
    last_ = text;
    at_ = now;
    return true;
  }
  void forget() { last_.clear(); }

 private:
  std::string last_;
  Time at_{};
};

}  // namespace ferrule::bridge
