#include "bridge/dialer.hpp"

#include <fmt/format.h>

#include <utility>

#include "bridge/exchange_record.hpp"

namespace ferrule::bridge {

Dialer::Dialer(const UplinkSettings& settings, const std::vector<LinkState::InFlight>& under_way)
    : asked_version_(settings.mqtt_version),
      endpoint_(parse_url(settings.url).value_or(Endpoint{})),
      mqtt_version_(settings.mqtt_version),
      version_agreed_(!under_way.empty()) {
  if (version_agreed_ && asked_version_ == 5) mqtt_version_ = parse_record_key(under_way.front().key).mqtt_version;
}

Attempt Dialer::dial(const Resolve& resolve, const Try& attempt, const std::function<bool()>& stopping) {
  Attempt last;
  for (const auto& address : resolve(endpoint_, last.cause)) {
    if (stopping()) break;
    last = attempt(address, mqtt_version_);
    if (changes_version(last)) {
      mqtt_version_ = mqtt_version_ == 5 ? 4 : 5;
      if (mqtt_version_ == 4) last = attempt(address, mqtt_version_);
    }
    version_agreed_ = version_agreed_ || last.connected;
    if (last.connected) break;
    last.cause = fmt::format("{}: {}", address, last.cause);
    if (last.answered) break;
  }
  last.limits.mqtt_version = mqtt_version_;
  return last;
}

/// A server that closes without an answer may not know MQTT 5, or be about to stop: it is asked once more.
bool Dialer::changes_version(const Attempt& attempt) {
  if (!attempt.wrong_version || asked_version_ != 5) return false;
  if (attempt.answered) return true;
  return !version_agreed_ && ++unanswered_ % 2 == 0;
}

}  // namespace ferrule::bridge
