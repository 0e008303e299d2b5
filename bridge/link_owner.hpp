// Who a link works for, until that one leaves.
#pragma once

#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bridge/link.hpp"

namespace ferrule::bridge {

/// Passes what the link says to its owner until the owner is gone.
class LinkOwner final : public LinkState, public LinkEvents {
 public:
  LinkOwner(LinkState& state, LinkEvents& events) : state_(&state), events_(&events) {}

  /// Waits for a call under way. Nothing gets through afterwards.
  void leave() {
    const std::lock_guard lock(mutex_);
    state_ = nullptr;
    events_ = nullptr;
  }

  void put(const std::vector<InFlight>& records) override {
    const std::lock_guard lock(mutex_);
    if (state_ == nullptr) throw std::runtime_error("the uplink is stopping");
    state_->put(records);
  }
  void clear() override {
    const std::lock_guard lock(mutex_);
    if (state_ == nullptr) throw std::runtime_error("the uplink is stopping");
    state_->clear();
  }
  void done(Seq seq, bool delivered) override {
    const std::lock_guard lock(mutex_);
    if (state_ != nullptr) state_->done(seq, delivered);
  }
  void released(const std::string& key) override {
    const std::lock_guard lock(mutex_);
    if (state_ != nullptr) state_->released(key);
  }
  std::vector<InFlight> restore() override {
    const std::lock_guard lock(mutex_);
    return state_ != nullptr ? state_->restore() : std::vector<InFlight>{};
  }
  void on_limits(const LinkLimits& limits) override { tell(&LinkEvents::on_limits, limits); }
  void on_connected(bool session_present) override { tell(&LinkEvents::on_connected, session_present); }
  void on_disconnected(std::string cause) override { tell(&LinkEvents::on_disconnected, std::move(cause)); }
  void on_too_much(mqtt::Reason reason) override { tell(&LinkEvents::on_too_much, reason); }
  void on_settled(Seq seq, mqtt::Reason reason) override { tell(&LinkEvents::on_settled, seq, reason); }
  void on_message(mqtt::Publication publication, Arrival arrival) override {
    tell(&LinkEvents::on_message, std::move(publication), arrival);
  }
  void on_renewal_due() override { tell(&LinkEvents::on_renewal_due); }
  void on_first_found() override { tell(&LinkEvents::on_first_found); }

 private:
  template <class Member, class... Arguments>
  void tell(Member member, Arguments&&... arguments) {
    const std::lock_guard lock(mutex_);
    if (events_ != nullptr) (events_->*member)(std::forward<Arguments>(arguments)...);
  }

  std::mutex mutex_;
  LinkState* state_;
  LinkEvents* events_;
};

}  // namespace ferrule::bridge
