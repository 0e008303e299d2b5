// One publication on its way to many receivers: each wire image is encoded at most once and patched per receiver.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "mqtt/output_buffer.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/wire.hpp"

namespace ferrule::mqtt {

/// Payloads longer than this are sent from the publication itself instead of being copied into each receiver's output.
inline constexpr std::size_t kShareAbove = 1024;  // bytes

/// How one receiver gets the publication.
struct Delivery {
  Version version = Version::V311;
  Qos qos = Qos::AtMostOnce;    ///< already lowered to what the subscription grants
  bool retain = false;          ///< as it shall stand on the wire [MQTT-3.3.1-12] [MQTT-3.3.1-13]
  bool dup = false;             ///< only with QoS 1 and 2 [MQTT-3.3.1-2]
  std::uint16_t packet_id = 0;  ///< not 0 with QoS 1 and 2 [MQTT-2.2.1-4]
  /// MQTT 5: identifiers of the subscriptions that match, 1..268,435,455 [MQTT-3.3.4-3].
  std::span<const std::uint32_t> subscription_ids{};
  /// MQTT 5: 0 for none. `alias_known`: the receiver has the alias, the topic is left out.
  std::uint16_t topic_alias = 0;
  bool alias_known = false;
  std::size_t max_packet_size = SIZE_MAX;  ///< what the receiver accepts
};

/// Lives on the stack for one round of deliveries at one moment, `now`; keeps a reference to `publication`. Broker
/// thread.
class FanOut {
 public:
  /// `now` decides the Message Expiry Interval that MQTT 5 receivers are told: the seconds that remain, rounded up
  /// [MQTT-3.3.2-6]. The caller has dropped what is expired already [MQTT-3.3.2-5].
  FanOut(const PublicationPtr& publication, std::chrono::steady_clock::time_point now);
  FanOut(const FanOut&) = delete;
  FanOut& operator=(const FanOut&) = delete;

  /// Appends the PUBLISH; returns its bytes, or 0 when it exceeds `max_packet_size` and nothing was appended
  /// [MQTT-3.1.2-28].
  std::size_t append(const Delivery& delivery, OutputBuffer& out);

  const Publication& publication() const { return *publication_; }

 private:
  struct Image {
    const char* bytes = nullptr;
    std::uint32_t size = 0;       ///< without a shared payload; 0: not encoded yet
    std::uint32_t id_offset = 0;  ///< of the packet identifier
  };
  static constexpr std::size_t kInlineBytes = 2048;

  const Image& encode(bool v5, bool with_id);
  std::size_t append_own(const Delivery& delivery, OutputBuffer& out);
  char* allocate(std::size_t n, std::size_t index);

  const PublicationPtr& publication_;
  bool share_;  ///< the payload is appended by reference
  bool expires_;
  std::uint32_t expiry_ = 0;       ///< remaining seconds
  std::array<Image, 4> images_{};  ///< index: 2 * v5 + with_id
  std::size_t used_ = 0;           ///< of inline_
  std::array<std::unique_ptr<char[]>, 4> spilled_{};
  std::array<char, kInlineBytes> inline_;  ///< not initialised
};

}  // namespace ferrule::mqtt
