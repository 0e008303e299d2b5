// From the cloud to local topics.
#pragma once

#include <cstdint>
#include <functional>

#include "bridge/link.hpp"
#include "bridge/settings.hpp"

namespace ferrule::bridge {

/// Whether a publication came from a cloud. It is sent to none: whatever the routes, nothing goes round.
bool is_from_cloud(const mqtt::Publication& publication);

/// Thread: the broker's.
class Inbound {
 public:
  using Publish = std::function<void(mqtt::PublicationPtr)>;

  /// `settings` must outlive it.
  Inbound(const UplinkSettings& settings, Publish publish) : settings_(settings), publish_(std::move(publish)) {}

  void subscribe(Link& link) const;  ///< after each connection: the cloud may have lost our session
  void take(mqtt::Publication publication, std::chrono::steady_clock::time_point now);
  std::uint64_t received() const { return received_; }
  std::uint64_t unroutable() const { return unroutable_; }  ///< no route wants it, or it makes no topic

 private:
  const UplinkSettings& settings_;
  const Publish publish_;
  std::uint64_t received_ = 0, unroutable_ = 0;
};

}  // namespace ferrule::bridge
