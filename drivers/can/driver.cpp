#include "drivers/can/driver.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "config/units.hpp"

namespace ferrule::drivers::can {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Of what a flooded bus has, taken off it in one look: ten times what 1 Mbit/s brings between two looks.
constexpr int kMostFrames = 1024;
// How often a device is looked at for silence, as a part of what it may be silent for.
constexpr int kLooks = 10;
// What is wrong with a device's frames is said no oftener: each time costs it a look at its values.
constexpr milliseconds kTroublePause{1000};
// What happened on the bus once is its condition for so long.
constexpr std::chrono::seconds kNoticed{60};
// From one attempt to send to the next, while the queue is full: a frame of 8 bytes takes 0.5 ms at 250 kbit/s.
constexpr milliseconds kFullPause{2};

Fault silent(const Freshness& freshness) {
  return {Failure::Timeout, "nothing heard for " + config::duration_text(freshness.longest())};
}

}  // namespace

std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop) {
  return std::make_unique<CanDriver>(settings, make_port(settings.interface), stop);
}

CanDriver::CanDriver(const BusSettings& settings, std::unique_ptr<CanPort> port, const StopSignal& stop)
    : port_(std::move(port)), stop_(stop), timeout_(settings.timeout) {
  for (const auto& device : settings.devices) {
    const auto& own = dynamic_cast<const CanSettings&>(*device.own);
    auto& kept = devices_.emplace_back();
    kept.first = points_.size();
    for (std::size_t i = 0; i < own.points.size(); ++i) {
      const auto& rule = own.points[i];
      const auto number = static_cast<PointIndex>(points_.size());
      points_.push_back({rule, devices_.size() - 1, device.points[i].write.has_value()});
      kept.freshness.add(rule.stale_after);
      if (is_exact(rule.message)) {
        by_id_[rule.message.id].push_back(number);
      } else {
        const auto same = std::ranges::find(by_group_, rule.message, &decltype(by_group_)::value_type::first);
        auto& group = same != by_group_.end() ? *same : by_group_.emplace_back(rule.message, std::vector<PointIndex>());
        group.second.push_back(number);
      }
      if (std::ranges::find(filters_, rule.message) == filters_.end()) filters_.push_back(rule.message);
    }
  }
}

CanDriver::Result CanDriver::open(TimePoint) {
  if (auto opened = port_->open(filters_); !opened) return opened;
  const auto state = port_->state().value_or(ControllerState::Active);
  enter(state);
  if (state == ControllerState::BusOff) return lost(fmt::format("{}: {}", port_->name(), trouble_of(state)));
  dropped_ = 0;
  unconfirmed_.reset();
  const auto now = steady_clock::now();
  for (auto& device : devices_) {
    device.freshness.opened(now);
    device.heard.clear();
    device.trouble.clear();
  }
  for (auto& point : points_) {
    point.heard = kNone;
    point.base.reset();
  }
  return {};
}

Task CanDriver::task(std::size_t number) const {
  const auto longest = devices_[number].freshness.longest();
  const auto interval =
      longest.count() == 0 ? milliseconds(1000) : std::clamp(longest / kLooks, milliseconds(50), milliseconds(1000));
  return {static_cast<std::uint32_t>(number), interval, true};
}

CanDriver::Result CanDriver::run(std::size_t number, std::vector<Reading>& readings) {
  if (auto heard = hear(); !heard) return heard;
  auto& device = devices_[number];
  const auto now = steady_clock::now();
  if (auto why = take_trouble(device, now); !why.empty()) {
    return tl::unexpected(Fault{Failure::BadReply, std::move(why)});
  }
  for (const auto& reading : device.heard) points_[reading.point].heard = kNone;
  readings.insert(readings.end(), device.heard.begin(), device.heard.end());
  device.heard.clear();
  if (readings.empty() && device.freshness.is_silent(now)) return tl::unexpected(silent(device.freshness));
  device.freshness.tell_stale(now, [&](std::size_t point) {
    const auto index = static_cast<PointIndex>(device.first + point);
    readings.push_back({index, Quality::Bad, Failure::Stale, false, {}, {}});
  });
  return {};
}

/// Takes in what there is, for all devices. Never waits.
CanDriver::Result CanDriver::hear() {
  for (int i = 0; i < kMostFrames; ++i) {
    auto received = port_->receive();
    if (!received) return lost(fmt::format("{}: {}", port_->name(), received.error()));
    if (!*received) return {};
    const auto& [frame, own, dropped] = **received;
    if (dropped) count_dropped(*dropped);
    if (!frame) {
      ++malformed_;
      notice("frames come that are no classic ones: CAN FD is not supported");
    } else if (own) {
      if (frame == unconfirmed_) unconfirmed_.reset();
    } else if ((frame->id & Frame::kError) != 0) {
      if (auto survived = take_error(*frame); !survived) return survived;
    } else {
      take(*frame);
    }
  }
  return {};
}

void CanDriver::take(const Frame& frame) {
  note(WireEvent::Kind::Received, frame);
  ++received_;
  if ((frame.id & Frame::kRemote) != 0) return;
  const auto now = steady_clock::now();
  if (const auto found = by_id_.find(frame.id); found != by_id_.end()) take(found->second, frame, now);
  for (const auto& [group, points] : by_group_) {
    if (group.matches(frame.id)) take(points, frame, now);
  }
}

void CanDriver::take(const std::vector<PointIndex>& points, const Frame& frame, TimePoint now) {
  for (const auto number : points) take(number, frame, now);
}

/// Of several values of a point that came at once the last one counts: they would have the same time.
void CanDriver::take(PointIndex number, const Frame& frame, TimePoint now) {
  auto& point = points_[number];
  const auto& signal = point.rule.signal;
  if (const auto needed = bytes_for(signal); frame.size < needed) {
    return trouble(point.device, fmt::format("message {} has {} bytes, and a point's signal needs {}",
                                             id_text(frame.id), frame.size, needed));
  }
  if (!is_selected(signal, frame)) return;
  auto& device = devices_[point.device];
  auto decoded = decode(signal, frame);
  device.freshness.heard(number - device.first, now);
  Reading reading{number, decoded.quality, decoded.failure, std::move(decoded.value), {}, {}};
  if (point.heard == kNone) {
    point.heard = device.heard.size();
    device.heard.push_back(std::move(reading));
  } else {
    device.heard[point.heard] = std::move(reading);
  }
  if (!point.writable) return;
  point.base = frame;
  point.base_is_ours = false;
  point.base_at = now;
  point.heard_since_write = true;
}

CanDriver::Result CanDriver::take_error(const Frame& frame) {
  note(WireEvent::Kind::Received, frame);
  ++errors_;
  const auto report = read_error(frame);
  if (!report.says_state) {
    if (!report.trouble.empty()) notice(report.trouble);
    return {};
  }
  enter(report.state);
  if (report.state != ControllerState::BusOff) return {};
  ++bus_offs_;
  return lost(fmt::format("{}: {}", port_->name(), trouble_of(report.state)));
}

void CanDriver::enter(ControllerState state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
}

void CanDriver::notice(std::string what) {
  const std::lock_guard lock(mutex_);
  notice_ = std::move(what);
  noticed_at_ = steady_clock::now();
}

void CanDriver::count_dropped(std::uint32_t dropped) {
  const auto more = dropped - std::exchange(dropped_, dropped);  // the kernel's count may begin again at 0
  if (more == 0) return;
  lost_ += more;
  notice("frames are lost: the machine is too busy to take them in time");
}

void CanDriver::trouble(std::size_t device, std::string why) { devices_[device].trouble = std::move(why); }

std::string CanDriver::take_trouble(Device& device, TimePoint now) {
  if (device.trouble.empty() || now - device.told_at < kTroublePause) return {};
  device.told_at = now;
  return std::exchange(device.trouble, {});
}

void CanDriver::fail(std::size_t number, Failure failure, std::vector<Reading>& readings) {
  for (auto point = devices_[number].first; point < points_.size() && points_[point].device == number; ++point) {
    readings.push_back({static_cast<PointIndex>(point), Quality::Bad, failure, false, {}, {}});
  }
}

CanDriver::Result CanDriver::write(PointIndex number, const Value& value) {
  const auto deadline = steady_clock::now() + timeout_;
  if (auto heard = hear(); !heard) return heard;  // the newest of the message's other signals
  auto& point = points_[number];
  const auto frame = frame_for(point, value);
  if (!frame) return tl::unexpected(frame.error());
  if (auto sent = send(*frame, deadline); !sent) return sent;
  remember_sent(*frame);
  point.heard_since_write = false;
  return await_sent(deadline);
}

/// The message as it would be sent: the signal in it, all else as it was last said.
tl::expected<Frame, Fault> CanDriver::frame_for(const Point& point, const Value& value) const {
  const auto& rule = point.rule;
  const auto refused = [](std::string why) { return tl::unexpected(Fault{Failure::PointRejected, std::move(why)}); };
  if (!point.writable) return refused("this point cannot be written");
  const auto raw = encode(rule.signal, value);
  if (!raw) return refused("the signal cannot hold this value");
  auto frame = known_frame(point);
  if (!frame) {
    return refused(
        fmt::format("nobody has said what else is in message {}: it was not heard lately, and `write` has no "
                    "`fill`",
                    id_text(rule.message.id)));
  }
  insert(frame->data, rule.signal.place, *raw);
  return *frame;
}

std::optional<Frame> CanDriver::known_frame(const Point& point) const {
  const auto& rule = point.rule;
  const bool lasts = point.base_is_ours || rule.stale_after.count() == 0;
  if (point.base && (lasts || steady_clock::now() - point.base_at < rule.stale_after)) return point.base;
  if (!rule.fill) return std::nullopt;
  Frame frame{rule.message.id, rule.size, {}};
  std::fill_n(frame.data.begin(), frame.size, *rule.fill);
  for (const auto& selection : rule.signal.when) {
    insert(frame.data, selection.selector, selection.ranges.front().first);
  }
  return frame;
}

CanDriver::Result CanDriver::send(const Frame& frame, TimePoint deadline) {
  for (;;) {
    std::string why;
    switch (port_->send(frame, why)) {
      case CanPort::Sending::Sent:
        ++sent_;
        note(WireEvent::Kind::Sent, frame);
        unconfirmed_ = frame;
        return {};
      case CanPort::Sending::Lost:
        return lost(fmt::format("{}: {}", port_->name(), why));
      case CanPort::Sending::Full:
        break;
    }
    const auto again = steady_clock::now() + kFullPause;
    if (again >= deadline || stop_.sleep_until(again) == Woke::Stopped) {
      return tl::unexpected(Fault{Failure::Timeout, "the interface's queue is full: no frame gets through"});
    }
  }
}

/// Until another node has acknowledged it on the bus, where the port can tell.
CanDriver::Result CanDriver::await_sent(TimePoint deadline) {
  if (!port_->tells_sent()) unconfirmed_.reset();
  while (unconfirmed_) {
    const auto woke = stop_.wait(port_->descriptor(), POLLIN, deadline);
    if (woke != Woke::Ready) {
      return tl::unexpected(Fault{Failure::Timeout, "sent, but no other node has acknowledged the frame", 0, true});
    }
    if (auto heard = hear(); !heard) {
      auto fault = heard.error();
      fault.sent = true;
      return tl::unexpected(std::move(fault));
    }
  }
  return {};
}

/// The other signals of the message are now what we said they are.
void CanDriver::remember_sent(const Frame& frame) {
  const auto found = by_id_.find(frame.id);
  if (found == by_id_.end()) return;
  for (const auto number : found->second) {
    auto& point = points_[number];
    if (!point.writable || bytes_for(point.rule.signal) > frame.size || !is_selected(point.rule.signal, frame))
      continue;
    point.base = frame;
    point.base_is_ours = true;
    point.base_at = steady_clock::now();
  }
}

/// What the last frame of another node says.
tl::expected<Held, Fault> CanDriver::read_back(PointIndex number, const Value& value) {
  if (auto heard = hear(); !heard) return tl::unexpected(heard.error());
  const auto& point = points_[number];
  if (!point.heard_since_write || !point.base || point.base_is_ours) {
    return tl::unexpected(Fault{Failure::Timeout, "the message was not heard since"});
  }
  const auto& signal = point.rule.signal;
  Held held{encode(signal, value) == extract(point.base->data, signal.place)};
  auto decoded = decode(signal, *point.base);
  if (decoded.quality == Quality::Good) held.value = std::move(decoded.value);
  return held;
}

WireCondition CanDriver::condition() const {
  WireCondition condition;
  {
    const std::lock_guard lock(mutex_);
    condition.trouble = trouble_of(state_);
    const bool recent = !notice_.empty() && steady_clock::now() - noticed_at_ < kNoticed;
    if (condition.trouble.empty() && recent) condition.trouble = notice_;
  }
  condition.counts = {{"received", received_},   {"sent", sent_},     {"lost", lost_},
                      {"malformed", malformed_}, {"errors", errors_}, {"bus_off", bus_offs_}};
  return condition;
}

void CanDriver::note(WireEvent::Kind kind, const Frame& frame) const {
  if (trace_ != nullptr && trace_->watched()) trace_->note(kind, captured(frame));
}

tl::unexpected<Fault> CanDriver::lost(std::string why) {
  port_->close();
  return tl::unexpected(Fault{Failure::PortLost, std::move(why)});
}

}  // namespace ferrule::drivers::can
