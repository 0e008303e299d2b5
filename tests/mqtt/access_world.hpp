// A broker with users, rules and listeners given as YAML, and the packets that clients log in with.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "broker_world.hpp"
#include "mqtt/settings.hpp"

namespace ferrule::mqtt::testing {

/// The `broker` section, checked as a whole file would be.
inline BrokerSettings broker_settings(const std::string& yaml) {
  const auto document = config::Document::parse("broker:\n" + yaml, "ferrule.yaml");
  auto settings = read_broker(document.root()["broker"]);
  document.finish();
  return settings;
}

inline std::shared_ptr<const Access> access(const std::string& yaml) {
  return std::make_shared<const Access>(broker_settings(yaml).access);
}

/// Holds password checks until the test lets them run.
class HeldChecks final : public PasswordChecker {
 public:
  bool submit(Check check, Done done) override {
    if (jobs_.size() >= limit) return false;
    jobs_.emplace_back(std::move(check), std::move(done));
    return true;
  }
  std::size_t waiting() const { return jobs_.size(); }
  void run_one() {
    auto [check, done] = std::move(jobs_.front());
    jobs_.pop_front();
    done(check());
  }

  std::size_t limit = SIZE_MAX;

 private:
  std::deque<std::pair<Check, Done>> jobs_;
};

/// A CONNECT of 3.1.1 with user name and password, as `wire` reads it.
inline std::string login(std::string_view id, std::string_view user, std::string_view password) {
  return "10 [ ('MQTT') 04 C2 0000 ('" + std::string(id) + "') ('" + std::string(user) + "') ('" +
         std::string(password) + "') ]";
}

inline std::string login5(std::string_view id, std::string_view user, std::string_view password) {
  return "10 [ ('MQTT') 05 C2 0000 [] ('" + std::string(id) + "') ('" + std::string(user) + "') ('" +
         std::string(password) + "') ]";
}

inline PeerIdentity from(std::string address, std::size_t listener = 0) {
  PeerIdentity identity;
  identity.address = std::move(address);
  identity.listener = listener;
  return identity;
}

}  // namespace ferrule::mqtt::testing
