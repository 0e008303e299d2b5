#include "tests/mapping/plant.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "config/error.hpp"
#include "drivers/modbus/decode.hpp"
#include "mqtt/sparkplug_payload.hpp"

namespace ferrule::mapping {

namespace {

using namespace std::chrono_literals;

constexpr auto kBus = "buses: {plc: {type: modbus-tcp, host: a}}\n";

struct Loaded {
  std::vector<drivers::BusSettings> buses;
  std::vector<BusMappings> mappings;
};

Loaded load(const std::string& yaml, std::span<const RouteForm> routes = {}) {
  const auto document = config::Document::parse(kBus + yaml, "test.yaml");
  Loaded loaded;
  loaded.buses = drivers::read_buses(document.root());
  const auto publish = read_publish(document.root()["publish"], {});
  loaded.mappings =
      read_mappings(loaded.buses, publish, read_place(document.root()["gateway"], {"plant", {}, {}, {}}), routes);
  document.finish();
  return loaded;
}

std::string device(const std::string& points) {
  return fmt::format("devices: {{m: {{bus: plc, unit_id: 1, points: {}}}}}\n", points);
}

}  // namespace

Plant::Plant(const std::string& yaml, std::span<const RouteForm> routes) {
  auto loaded = load(yaml, routes);
  for (auto& device : loaded.buses.front().devices) {
    for (auto& point : device.points) points_.push_back(std::move(point));
  }
  mappings_ = std::move(loaded.mappings.front());
  mapper_ = std::make_unique<Mapper>(mappings_, *pool_);
}

void Plant::check_clock(Mapper::ClockCheck clock_is_set) {
  mapper_ = std::make_unique<Mapper>(mappings_, *pool_, std::move(clock_is_set));
}

Plant Plant::with_points(const std::string& points, const std::string& publish) {
  return Plant(device(points) + "publish: " + publish + "\n");
}

std::size_t Plant::index_of(std::string_view point) const {
  const auto found = std::ranges::find(points_, point, &drivers::PointSettings::name);
  if (found == points_.end()) throw std::logic_error("no such point");
  return static_cast<std::size_t>(found - points_.begin());
}

std::string Plant::acknowledge(std::string by) {
  const auto publication = mapper_->acknowledge(0, 0, std::move(by), {});
  return publication ? publication->topic + ' ' + publication->payload : "";
}

Plant::Lines Plant::feed(std::chrono::milliseconds at, std::vector<drivers::Reading> readings) {
  for (auto& reading : readings) {
    reading.at = std::chrono::system_clock::time_point{1'700'000'000'000ms + at};
    reading.seen = std::chrono::steady_clock::time_point{1h + at};
  }
  published_.clear();
  mapper_->map(readings, published_);
  return lines();
}

Plant::Lines Plant::lines() const {
  Lines lines;
  for (const auto& publication : published_) lines.push_back(publication->topic + ' ' + publication->payload);
  return lines;
}

Plant::Lines Plant::end_windows() {
  published_.clear();
  mapper_->end_windows({}, published_);
  return lines();
}

Plant::Lines Plant::poll(std::chrono::milliseconds at, std::initializer_list<Input> inputs) {
  std::vector<drivers::Reading> readings;
  for (const auto& input : inputs) {
    const auto quality = input.failure == drivers::Failure::None ? drivers::Quality::Good : drivers::Quality::Bad;
    readings.push_back(
        {static_cast<drivers::PointIndex>(index_of(input.point)), quality, input.failure, input.value, {}, {}});
  }
  return feed(at, std::move(readings));
}

Plant::Lines Plant::registers(std::chrono::milliseconds at, std::string_view point,
                              std::vector<std::uint16_t> registers) {
  const auto index = index_of(point);
  auto decoded = drivers::modbus::decode(registers, points_[index]);
  return feed(at, {{static_cast<drivers::PointIndex>(index), decoded.quality, decoded.failure, decoded.value, {}, {}}});
}

std::string sparkplug_text(const std::string& line) {
  using namespace mqtt::sparkplug;
  const auto payload = decode(line.substr(line.find(' ') + 1)).value();
  std::string text = fmt::format("{} {}", line.substr(0, line.find(' ')), payload.timestamp.value());
  for (const auto& metric : payload.metrics) {
    text += fmt::format("; {} {} {} ", metric.name, metric.timestamp.value(),
                        metric.datatype ? static_cast<int>(*metric.datatype) : 0);
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::monostate>) {
            text += "null";
          } else {
            text += fmt::format("{}", value);
          }
        },
        metric.value);
    if (metric.quality) text += fmt::format(" {} {}", static_cast<int>(*metric.quality), metric.cause);
    if (metric.alias || metric.historical || payload.seq) text += " with what an edge node adds";
  }
  return text;
}

std::vector<std::string> mistakes(const std::string& yaml) {
  std::vector<std::string> texts;
  try {
    load(yaml);
  } catch (const config::Error& error) {
    for (const auto& mistake : error.mistakes()) {
      texts.push_back(
          fmt::format("{}:{} {}: {}", mistake.where.line - 1, mistake.where.column, mistake.path, mistake.message));
    }
  }
  return texts;
}

std::vector<std::string> point_mistakes(const std::string& point) {
  auto texts = mistakes(device("{p: " + point + ", other: {register: holding, address: 9}}"));
  for (auto& text : texts) text = text.substr(text.find(' ') + 1);
  return texts;
}

}  // namespace ferrule::mapping
