#include "drivers/wire_trace.hpp"

#include <utility>

namespace ferrule::drivers {

std::string_view name(WireEvent::Kind kind) {
  switch (kind) {
    case WireEvent::Kind::Sent:
      return "sent";
    case WireEvent::Kind::Received:
      return "received";
    case WireEvent::Kind::Opened:
      return "opened";
    case WireEvent::Kind::Closed:
      return "closed";
    case WireEvent::Kind::Failed:
      return "failed";
  }
  return "failed";
}

void WireTrace::note(WireEvent::Kind kind, std::string_view data) {
  if (!watched()) return;
  const auto now = std::chrono::system_clock::now();
  const std::lock_guard lock(mutex_);
  if (!news_) return;  // it has ended meanwhile
  if (kept_.events.size() >= kMostEvents || bytes_ + data.size() > kMostBytes) {
    ++kept_.lost;
    return;
  }
  kept_.events.push_back({now, kind, std::string(data)});
  bytes_ += data.size();
  if (kept_.events.size() == 1) news_();
}

void WireTrace::watch(std::function<void()> news) {
  const std::lock_guard lock(mutex_);
  news_ = std::move(news);
  watched_ = true;
}

void WireTrace::unwatch() {
  const std::lock_guard lock(mutex_);
  watched_ = false;
  news_ = nullptr;
  kept_ = {};
  bytes_ = 0;
}

WireTrace::News WireTrace::take() {
  const std::lock_guard lock(mutex_);
  bytes_ = 0;
  return std::exchange(kept_, {});
}

}  // namespace ferrule::drivers
