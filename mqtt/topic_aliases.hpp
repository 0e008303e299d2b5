// The topic aliases that we use towards one client (MQTT 5 section 3.3.2.3.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ferrule::mqtt {

/// Gives each topic that is sent an alias; when all are taken, the topic that was not sent for the longest time loses
/// its own. Holds memory for the topics that have one, at most `maximum` times kLongest bytes. Belongs to one
/// connection [MQTT-3.3.2-7]. Thread: broker.
class OutboundAliases {
 public:
  static constexpr std::size_t kShortest = 4;    ///< bytes of a topic: the property alone takes three
  static constexpr std::size_t kLongest = 1024;  ///< bytes of a topic: memory is bounded

  struct Choice {
    std::uint16_t alias = 0;  ///< 0: this topic gets none
    bool known = false;       ///< the client knows it: the topic need not be sent
  };

  /// `maximum` > 0: the client's Topic Alias Maximum or ours, whichever is lower [MQTT-3.1.2-29] [MQTT-3.3.2-11].
  explicit OutboundAliases(std::uint16_t maximum) : maximum_(maximum) {}

  Choice choose(std::string_view topic) const;
  /// A PUBLISH with this alias and topic was written.
  void sent(const Choice& choice, std::string_view topic);

 private:
  struct Entry {
    std::string topic;
    std::uint64_t last_sent = 0;
  };

  std::uint16_t maximum_;
  std::uint64_t sent_ = 0;
  std::vector<Entry> entries_;  // [n]: what alias n + 1 stands for
};

}  // namespace ferrule::mqtt
