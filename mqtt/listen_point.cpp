#include "mqtt/listen_point.hpp"

#include <spdlog/spdlog.h>

namespace ferrule::mqtt {

ListenPoint::ListenPoint(const ListenSettings& listen_settings, std::size_t listener_index)
    : settings(listen_settings),
      index(listener_index),
      tls(settings.tls ? std::make_unique<TlsContext>(*settings.tls) : nullptr) {}

void ListenPoint::complain(std::string_view peer, std::string_view mistake) {
  if (!log_limit.allow(std::chrono::steady_clock::now())) return;
  spdlog::warn("broker: {} at {}: {}", peer, name, for_log(mistake));
}

}  // namespace ferrule::mqtt
