#include "bridge/dialer.hpp"

#include <fmt/format.h>

#include <utility>

#include "bridge/exchange_record.hpp"

namespace ferrule::bridge {

namespace {

std::vector<Endpoint> endpoints_of(const UplinkSettings& settings) {
  std::vector<Endpoint> endpoints;
  for (const auto& url : settings.urls) endpoints.push_back(parse_url(url).value_or(Endpoint{}));
  return endpoints;
}

/// The first of a Server Reference's "host[:port] ...", spoken to as `endpoint` is; over TLS it has to prove its name.
std::optional<Endpoint> follow(const std::string& reference, const Endpoint& endpoint) {
  const auto first = reference.substr(0, reference.find(' '));
  const auto parsed = parse_url("mqtt://" + first);
  if (!parsed) return {};
  auto other = endpoint;
  other.host = parsed->host;
  const auto colon = first.rfind(':');
  const bool has_port = colon != first.npos && (first.front() != '[' || first[colon - 1] == ']');
  if (has_port) other.port = parsed->port;
  return other;
}

}  // namespace

Dialer::Dialer(const UplinkSettings& settings, const std::vector<LinkState::InFlight>& under_way)
    : asked_version_(settings.mqtt_version),
      endpoints_(endpoints_of(settings)),
      proxy_(settings.proxy),
      mqtt_version_(settings.mqtt_version),
      version_agreed_(!under_way.empty()) {
  if (version_agreed_ && asked_version_ == 5) mqtt_version_ = parse_record_key(under_way.front().key).mqtt_version;
}

Attempt Dialer::dial(const Resolve& resolve, const Try& attempt, const std::function<bool()>& stopping) {
  Attempt last;
  std::string causes;
  if (const auto other = std::exchange(named_, {})) {
    last = dial(*other, resolve, attempt, stopping);
    causes = last.cause;
  }
  for (std::size_t i = 0; i < endpoints_.size() && !last.connected && !stopping(); ++i) {
    const auto server = (first_ + i) % endpoints_.size();
    last = dial_or_follow(endpoints_[server], resolve, attempt, stopping);
    if (last.connected) {
      first_ = server;
      last.limits.is_first = server == 0;
      break;
    }
    causes += (causes.empty() ? "" : "; ") + last.cause;
  }
  last.cause = std::move(causes);
  last.limits.mqtt_version = mqtt_version_;
  return last;
}

void Dialer::named(const std::string& server_reference) {
  named_ = server_reference.empty() ? std::nullopt : follow(server_reference, connected_to_);
}

Attempt Dialer::dial_or_follow(const Endpoint& endpoint, const Resolve& resolve, const Try& attempt,
                               const std::function<bool()>& stopping) {
  auto last = dial(endpoint, resolve, attempt, stopping);
  const auto other = last.connected ? std::nullopt : follow(last.server_reference, endpoint);
  if (!other) return last;
  auto cause = last.cause;
  last = dial(*other, resolve, attempt, stopping);
  last.cause = fmt::format("{}; {}", cause, last.cause);
  return last;
}

Attempt Dialer::dial(const Endpoint& endpoint, const Resolve& resolve, const Try& attempt,
                     const std::function<bool()>& stopping) {
  Attempt last;
  for (const auto& address : resolve(proxy_ ? proxy_->server : endpoint, last.cause)) {
    if (stopping()) break;
    last = attempt(endpoint, address, mqtt_version_);
    if (changes_version(last)) {
      mqtt_version_ = mqtt_version_ == 5 ? 4 : 5;
      if (mqtt_version_ == 4) last = attempt(endpoint, address, mqtt_version_);
    }
    version_agreed_ = version_agreed_ || last.connected;
    last.limits.server = endpoint.text();
    if (last.connected) connected_to_ = endpoint;
    if (last.connected) break;
    last.cause = fmt::format("{}: {}", address, last.cause);
    if (last.answered) break;
  }
  return last;
}

/// A server that closes without an answer may not know MQTT 5, or be about to stop: it is asked once more.
bool Dialer::changes_version(const Attempt& attempt) {
  if (!attempt.wrong_version || asked_version_ != 5) return false;
  if (attempt.answered) return true;
  return !version_agreed_ && ++unanswered_ % 2 == 0;
}

}  // namespace ferrule::bridge
