// Who a link works for, until that one leaves.
#pragma once

#include <condition_variable>
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

  /// Waits for a call under way, and for what is being written, of which the owner hears all. Nothing gets through
  /// afterwards.
  void leave() {
    std::unique_lock lock(mutex_);
    leaving_ = true;
    written_.wait(lock, [this] { return writing_ == 0; });
    state_ = nullptr;
    events_ = nullptr;
  }

  void write(std::vector<InFlight> records, Written written) override {
    if (!begin_writing()) return written(kStopping);
    state_->write(std::move(records), [this, written = std::move(written)](const std::string& error) {
      written(error);
      end_writing();
    });
  }
  void clear() override {
    if (!begin_writing()) throw std::runtime_error(kStopping);
    try {
      state_->clear();
    } catch (...) {
      end_writing();
      throw;
    }
    end_writing();
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
  static constexpr auto kStopping = "the uplink is stopping";

  bool begin_writing() {
    const std::lock_guard lock(mutex_);
    writing_ += leaving_ ? 0 : 1;
    return !leaving_;
  }
  void end_writing() {
    const std::lock_guard lock(mutex_);
    --writing_;
    written_.notify_all();
  }
  template <class Member, class... Arguments>
  void tell(Member member, Arguments&&... arguments) {
    const std::lock_guard lock(mutex_);
    if (events_ != nullptr) (events_->*member)(std::forward<Arguments>(arguments)...);
  }

  std::mutex mutex_;
  std::condition_variable written_;
  // Guarded by mutex_
  bool leaving_ = false;
  int writing_ = 0;
  LinkState* state_;
  LinkEvents* events_;
};

}  // namespace ferrule::bridge
