#include "drivers/serial/driver.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "config/units.hpp"
#include "drivers/serial_port.hpp"
#include "drivers/tcp_port.hpp"

namespace ferrule::drivers::serial {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Of what a flooded line has, taken off it before a request, and in one look at it.
constexpr int kMostReads = 8;
// How often a device that talks by itself is looked at for silence, as a part of what it may be silent for.
constexpr int kLooks = 10;

}  // namespace

std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop) {
  std::unique_ptr<Port> port;
  if (settings.path.empty()) {
    const TcpPort::Options options{std::chrono::duration_cast<std::chrono::seconds>(settings.keepalive),
                                   settings.connect_delay};
    port = std::make_unique<TcpPort>(settings.host, settings.port, stop, options);
  } else {
    port = std::make_unique<SerialPort>(settings.path, settings.line, stop);
  }
  return std::make_unique<SerialDriver>(settings, std::move(port), stop);
}

SerialDriver::Sensor::Sensor(const SensorSettings& settings, const std::vector<PointSettings>& encodings,
                             PointIndex first_point)
    : request(settings.request),
      timeout(settings.timeout),
      gap(settings.frame.gap),
      interval(milliseconds::max()),
      first(first_point),
      points(encodings.size()),
      framer(settings.frame),
      parser(settings, encodings) {
  for (const auto& point : settings.points) freshness.add(point.stale_after);
  for (const auto& point : encodings) interval = std::min(interval, point.interval);
}

SerialDriver::SerialDriver(const BusSettings& settings, std::unique_ptr<Port> port, const StopSignal& stop)
    : port_(std::move(port)), stop_(stop), timeout_(settings.timeout), buffer_() {
  PointIndex first = 0;
  sensors_.reserve(settings.devices.size());
  for (const auto& device : settings.devices) {
    const auto& own = dynamic_cast<const SensorSettings&>(*device.own);
    talks_ = own.talks();
    sensors_.emplace_back(own, device.points, first);
    first += static_cast<PointIndex>(device.points.size());
  }
}

tl::expected<void, Fault> SerialDriver::open(TimePoint deadline) {
  if (auto opened = port_->open(deadline); !opened) return opened;
  const auto now = steady_clock::now();
  for (auto& sensor : sensors_) {
    sensor.framer.reset();
    sensor.freshness.opened(now);
    sensor.heard.clear();
    sensor.trouble.clear();
  }
  return {};
}

Task SerialDriver::task(std::size_t number) const {
  const auto& sensor = sensors_[number];
  Task task{static_cast<std::uint32_t>(number), sensor.interval, talks_};
  if (talks_) task.interval = std::clamp(sensor.freshness.longest() / kLooks, milliseconds(50), milliseconds(1000));
  return task;
}

tl::expected<void, Fault> SerialDriver::run(std::size_t number, std::vector<Reading>& readings) {
  auto& sensor = sensors_[number];
  auto result = talks_ ? listen(sensor, readings) : ask(sensor, readings);
  if (!result) {
    readings.clear();
    return result;
  }
  sensor.freshness.tell_stale(steady_clock::now(), [&](std::size_t point) {
    readings.push_back({sensor.first + static_cast<PointIndex>(point), Quality::Bad, Failure::Stale, false, {}, {}});
  });
  return result;
}

SerialDriver::Result SerialDriver::ask(Sensor& sensor, std::vector<Reading>& readings) {
  // What came unasked is not our answer.
  for (int i = 0;; ++i) {
    const auto old = read();
    if (!old) return tl::unexpected(old.error());
    if (old->empty()) break;
    if (i == kMostReads) return failed(Failure::BadReply, "the line talks though nobody asked", false);
  }
  sensor.framer.reset();
  static_cast<void>(sensor.framer.take_trouble());
  const auto deadline = steady_clock::now() + sensor.timeout;
  if (auto sent = send(sensor.request, deadline); !sent) return sent;
  auto result = await(sensor, deadline, readings);
  if (result || !port_->is_open() || stop_.requested()) return result;
  const auto now = steady_clock::now();
  if (port_->drain(sensor.timeout, now + 2 * sensor.timeout, {}).lost) return lost("the line hung up");
  return result;
}

SerialDriver::Result SerialDriver::send(const std::string& request, TimePoint deadline) {
  std::string_view rest = request;
  while (!rest.empty()) {
    const auto written = ::write(port_->descriptor(), rest.data(), rest.size());
    if (written >= 0) {
      const auto bytes = static_cast<std::size_t>(written);
      port_->note(WireEvent::Kind::Sent, {reinterpret_cast<const std::uint8_t*>(rest.data()), bytes});
      rest.remove_prefix(bytes);
    } else if (errno == EAGAIN) {
      if (stop_.wait(port_->descriptor(), POLLOUT, deadline) != Woke::Ready) {
        return failed(Failure::Timeout, "the request could not be sent", false);
      }
    } else if (errno != EINTR) {
      return lost(std::strerror(errno));
    }
  }
  return {};
}

SerialDriver::Result SerialDriver::await(Sensor& sensor, TimePoint deadline, std::vector<Reading>& readings) {
  std::uint64_t others = 0;
  for (;;) {
    const bool ends_by_silence = sensor.gap.count() > 0 && !sensor.framer.is_empty();
    const auto until = ends_by_silence ? std::min(deadline, last_byte_ + sensor.gap) : deadline;
    const auto before = sensor.framer.counters().frames;
    const auto woke = stop_.wait(port_->descriptor(), POLLIN, until);
    if (woke == Woke::Stopped) return failed(Failure::Timeout, "stopping");
    if (woke == Woke::Ready) {
      const auto bytes = read();
      if (!bytes) return tl::unexpected(bytes.error());
      feed(sensor, *bytes, readings);
    } else if (ends_by_silence) {
      end_of_frame(sensor, readings);
    }
    if (!readings.empty()) return {};
    others += sensor.framer.counters().frames - before;
    if (steady_clock::now() < deadline) continue;
    if (auto trouble = sensor.framer.take_trouble(); !trouble.empty()) return failed(Failure::BadReply, trouble);
    if (others > 0) return failed(Failure::BadReply, "an answer in which no point's value is to be found");
    if (!sensor.framer.is_empty()) return failed(Failure::BadReply, "half an answer");
    return failed(Failure::Timeout, "no answer");
  }
}

SerialDriver::Result SerialDriver::listen(Sensor& sensor, std::vector<Reading>& readings) {
  if (auto heard = hear(); !heard) return heard;
  readings.insert(readings.end(), sensor.heard.begin(), sensor.heard.end());
  sensor.heard.clear();
  if (!readings.empty()) return {};
  if (!sensor.trouble.empty()) return failed(Failure::BadReply, std::exchange(sensor.trouble, {}));
  if (!sensor.freshness.is_silent(steady_clock::now())) return {};
  return failed(Failure::Timeout, "nothing heard for " + config::duration_text(sensor.freshness.longest()));
}

/// Takes in what there is, for all. Waits only where silence ends a frame, for that silence.
SerialDriver::Result SerialDriver::hear() {
  const auto gap = longest_gap();
  for (int i = 0; i < kMostReads; ++i) {
    const auto before = last_byte_;
    const auto bytes = read();
    if (!bytes) return tl::unexpected(bytes.error());
    const auto pause = steady_clock::now() - before;
    if (bytes->empty()) break;
    for (auto& sensor : sensors_) {
      const bool broken = pause > (sensor.gap.count() > 0 ? sensor.gap : timeout_);
      if (broken) end_of_frame(sensor, sensor.heard);
      feed(sensor, *bytes, sensor.heard);
    }
    if (gap.count() == 0) break;
    const auto woke = stop_.wait(port_->descriptor(), POLLIN, last_byte_ + gap);
    if (woke == Woke::Ready) continue;
    for (auto& sensor : sensors_) {
      if (sensor.gap.count() > 0 && woke == Woke::Deadline) end_of_frame(sensor, sensor.heard);
    }
    break;
  }
  for (auto& sensor : sensors_) {
    if (auto trouble = sensor.framer.take_trouble(); !trouble.empty()) sensor.trouble = std::move(trouble);
  }
  return {};
}

milliseconds SerialDriver::longest_gap() const {
  milliseconds longest{0};
  for (const auto& sensor : sensors_) longest = std::max(longest, sensor.gap);
  return longest;
}

void SerialDriver::feed(Sensor& sensor, std::string_view bytes, std::vector<Reading>& readings) {
  while (const auto frame = sensor.framer.next(bytes)) take(sensor, *frame, readings);
}

void SerialDriver::end_of_frame(Sensor& sensor, std::vector<Reading>& readings) {
  if (sensor.framer.is_empty()) return;
  if (const auto frame = sensor.framer.silence()) take(sensor, *frame, readings);
}

/// Of several values of a point that came at once the last one counts: they would have the same time.
void SerialDriver::take(Sensor& sensor, const Frame& frame, std::vector<Reading>& readings) {
  const auto now = steady_clock::now();
  for (const auto& [number, decoded] : sensor.parser.parse(frame)) {
    const Reading reading{
        sensor.first + static_cast<PointIndex>(number), decoded.quality, decoded.failure, decoded.value, {}, {}};
    sensor.freshness.heard(number, now);
    const auto same = std::ranges::find(readings, reading.point, &Reading::point);
    if (same != readings.end()) {
      *same = reading;
    } else {
      readings.push_back(reading);
    }
  }
}

/// What can be read now, perhaps nothing. Holds until the next call.
tl::expected<std::string_view, Fault> SerialDriver::read() {
  for (;;) {
    const auto got = ::read(port_->descriptor(), buffer_.data(), buffer_.size());
    if (got > 0) {
      last_byte_ = steady_clock::now();
      const auto bytes = static_cast<std::size_t>(got);
      port_->note(WireEvent::Kind::Received, {reinterpret_cast<const std::uint8_t*>(buffer_.data()), bytes});
      return std::string_view(buffer_.data(), bytes);
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return std::string_view();
    return lost(got == 0 ? "closed by the other side" : std::strerror(errno));
  }
}

tl::unexpected<Fault> SerialDriver::lost(std::string why) {
  port_->close();
  return tl::unexpected(Fault{Failure::PortLost, std::move(why)});
}

tl::unexpected<Fault> SerialDriver::failed(Failure failure, std::string why, bool sent) {
  return tl::unexpected(Fault{failure, std::move(why), 0, sent});
}

void SerialDriver::fail(std::size_t number, Failure failure, std::vector<Reading>& readings) {
  const auto& sensor = sensors_[number];
  for (PointIndex i = 0; i < sensor.points; ++i) {
    readings.push_back({sensor.first + i, Quality::Bad, failure, false, {}, {}});
  }
}

tl::expected<void, Fault> SerialDriver::write(PointIndex, const Value&) {
  return tl::unexpected(Fault{Failure::PointRejected, "the points of a serial sensor cannot be written"});
}

tl::expected<Held, Fault> SerialDriver::read_back(PointIndex, const Value&) { return Held{}; }

std::optional<std::size_t> SerialDriver::task_of(PointIndex point) const {
  const auto found = std::ranges::find_if(
      sensors_, [&](const Sensor& sensor) { return point >= sensor.first && point - sensor.first < sensor.points; });
  if (found == sensors_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - sensors_.begin());
}

std::string SerialDriver::describe(std::size_t number) const {
  const auto& request = sensors_[number].request;
  if (request.empty()) return "listening";
  std::string text;
  for (const char c : request) {
    const bool plain = c >= ' ' && c <= '~' && c != '\\';
    text += plain ? std::string(1, c) : fmt::format("\\x{:02X}", static_cast<std::uint8_t>(c));
  }
  return fmt::format("request \"{}\"", text);
}

}  // namespace ferrule::drivers::serial
