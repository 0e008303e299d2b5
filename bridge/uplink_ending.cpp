// How an uplink ends, for good or to give way to another one with its queue.
#include <utility>

#include "bridge/uplink_impl.hpp"

namespace ferrule::bridge {

void Uplink::Impl::stop(std::chrono::milliseconds grace) {
  if (stopped_) return;
  show(UplinkState::Offline);
  abandon(grace);
  take_arrived();  // their packet identifiers are on disk: they do not come again
  outbox_->flush();
}

void Uplink::Impl::give_way(std::chrono::milliseconds grace, std::function<void(Impl&)> then) {
  const bool ends = !std::exchange(next_, std::move(then));
  if (!ends) return;  // it is on its way out, and the last one that was named follows it
  if (!stopped_) show(UplinkState::Offline);
  abandon(grace);
  // Behind all that the link has said.
  post([](Impl& self) {
    self.take_arrived();
    self.send_again(self.state_->under_way());
    const auto next = std::move(self.next_);
    next(self);
  });
}

/// Ends the link and touches the store no more, which may be gone.
void Uplink::Impl::abandon(std::chrono::milliseconds grace) {
  if (std::exchange(stopped_, true)) return;
  link_->disconnect(grace);
  now_ = UplinkState::Offline;
}

/// What was handed to the store in vain is tried again until it is there, so that nobody's acknowledgement is owed.
void Uplink::Impl::look_whether_over() {
  if (looking_ || over_) return;
  looking_ = true;
  store_.read([] {},
              [weak = weak_from_this(), posts = late_ticks_] {
                const auto self = weak.lock();
                if (self == nullptr) return;
                self->looking_ = false;
                self->over_ = !self->owes_disk() && posts == self->late_ticks_;
              });
}

/// After the stop. Each job in the store uses our file, so nothing is begun any more that need not be: whoever sees
/// that we are over destroys the file.
void Uplink::Impl::tick_stopped() {
  if (owes_disk()) {
    ++late_ticks_;
    outbox_->tick();
  }
  look_whether_over();
}

}  // namespace ferrule::bridge
