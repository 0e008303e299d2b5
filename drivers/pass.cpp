#include "drivers/pass.hpp"

#include <algorithm>
#include <utility>

namespace ferrule::drivers {

namespace {

PassResult refused(Failure failure, std::string why, std::uint8_t exception) {
  return tl::unexpected(Fault{failure, std::move(why), exception});
}

}  // namespace

bool PassQueue::push(PassRequest&& request) {
  const std::lock_guard lock(mutex_);
  if (closed_ || waiting_.size() >= kMost) return false;
  waiting_.push_back(std::move(request));
  return true;
}

bool PassQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty();
}

TimePoint PassQueue::next() const {
  const std::lock_guard lock(mutex_);
  auto next = TimePoint::max();
  for (const auto& request : waiting_) next = std::min(next, request.deadline);
  return next;
}

PassQueue::Served PassQueue::serve(Driver& driver, bool out_of_order) {
  const auto request = take(out_of_order, clock_.now(), driver.is_open());
  if (!request) return {};
  auto result = driver.pass(request->unit, request->request);
  note(request->unit, result);
  Served served{true};
  if (!result && !driver.is_open()) served.lost = result.error();
  request->done(std::move(result));
  return served;
}

/// Refuses what cannot be sent any more, and takes out what can be now.
std::optional<PassRequest> PassQueue::take(bool out_of_order, TimePoint now, bool open) {
  std::vector<std::pair<PassRequest, PassResult>> over;
  std::optional<PassRequest> found;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](PassRequest& request) {
      if (request.deadline <= now) {
        over.emplace_back(std::move(request), refused(Failure::DeviceBusy, "the bus was busy", kPathUnavailable));
      } else if (!open && out_of_order) {
        over.emplace_back(std::move(request), refused(Failure::PortLost, "the port is not open", kPathUnavailable));
      } else if (is_silent(request.unit, now)) {
        over.emplace_back(std::move(request), refused(Failure::UnitOffline, "the unit does not answer", 0));
      } else {
        return false;
      }
      return true;
    });
    if (open && !waiting_.empty()) {
      found = std::move(waiting_.front());
      waiting_.pop_front();
    }
  }
  for (auto& [request, result] : over) request.done(std::move(result));
  return found;
}

bool PassQueue::is_silent(std::uint8_t unit, TimePoint now) const {
  const auto found = silent_.find(unit);
  return found != silent_.end() && found->second.misses >= after_ && now < found->second.again;
}

/// The wait begins with the end of the timeout: it is the line's share for the others.
void PassQueue::note(std::uint8_t unit, const PassResult& result) {
  const bool missed =
      !result && (result.error().failure == Failure::Timeout || result.error().failure == Failure::UnitOffline);
  if (!missed) {
    silent_.erase(unit);
    return;
  }
  auto& silence = silent_.try_emplace(unit, retry_).first->second;
  if (++silence.misses >= after_) silence.again = clock_.now() + silence.backoff.next(random_);
}

void PassQueue::close() {
  std::list<PassRequest> left;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    left.swap(waiting_);
  }
  for (auto& request : left) request.done(refused(Failure::PortLost, "the gateway stops", kPathUnavailable));
}

}  // namespace ferrule::drivers
