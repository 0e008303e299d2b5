// From the cloud to local topics.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <tl/expected.hpp>

#include "bridge/link.hpp"
#include "bridge/settings.hpp"
#include "mqtt/store.hpp"

namespace ferrule::bridge {

/// Whether a publication came from a cloud. It is sent to none: whatever the routes, nothing goes round.
bool is_from_cloud(const mqtt::Publication& publication);
/// The origin of what comes by an uplink.
std::string from_cloud(const std::string& uplink);

/// Thread: the broker's.
class Inbound {
 public:
  /// As Uplink::Publish.
  using Publish = std::function<tl::expected<mqtt::Ticket, mqtt::Reason>(mqtt::PublicationPtr, bool durable)>;

  /// `settings` must outlive it.
  Inbound(const UplinkSettings& settings, Publish publish) : settings_(settings), publish_(std::move(publish)) {}

  void subscribe(Link& link) const;  ///< after each connection: the cloud may have lost our session
  /// Returns the ticket to wait for before the cloud is told that it is here, or why it is not.
  tl::expected<mqtt::Ticket, mqtt::Reason> take(mqtt::Publication publication,
                                                std::chrono::steady_clock::time_point now);
  std::uint64_t received() const { return received_; }
  std::uint64_t unroutable() const { return unroutable_; }  ///< no route wants it, or it makes no topic

 private:
  const UplinkSettings& settings_;
  const Publish publish_;
  std::uint64_t received_ = 0, unroutable_ = 0;
};

}  // namespace ferrule::bridge
