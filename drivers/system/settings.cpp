#include "drivers/system/settings.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <string_view>

#include "drivers/settings_points.hpp"

namespace ferrule::drivers::system {

namespace {

using config::Choice;
using config::Node;

constexpr std::array kSources{Choice<Source>{"cpu_temperature", Source::CpuTemperature},
                              Choice<Source>{"cpu_used", Source::CpuUsed},
                              Choice<Source>{"load", Source::Load},
                              Choice<Source>{"memory_used", Source::MemoryUsed},
                              Choice<Source>{"memory_available", Source::MemoryAvailable},
                              Choice<Source>{"disk_used", Source::DiskUsed},
                              Choice<Source>{"disk_free", Source::DiskFree},
                              Choice<Source>{"link", Source::Link},
                              Choice<Source>{"received", Source::Received},
                              Choice<Source>{"sent", Source::Sent},
                              Choice<Source>{"uptime", Source::Uptime},
                              Choice<Source>{"one_wire", Source::OneWire},
                              Choice<Source>{"gpio", Source::Gpio},
                              Choice<Source>{"file", Source::File}};
constexpr std::array kBiases{Choice<Bias>{"as-is", Bias::AsIs}, Choice<Bias>{"pull-up", Bias::PullUp},
                             Choice<Bias>{"pull-down", Bias::PullDown}, Choice<Bias>{"disabled", Bias::Disabled}};

constexpr std::chrono::seconds kInterval{10};

// The key that says which one of several is meant, and whether it may be left out.
struct Which {
  const char* key = nullptr;
  const char* fallback = nullptr;
};

Which which_of(Source source) {
  switch (source) {
    case Source::DiskUsed:
    case Source::DiskFree:
      return {"path", "/"};
    case Source::Link:
    case Source::Received:
    case Source::Sent:
      return {"interface"};
    case Source::CpuTemperature:
      return {"zone", ""};
    case Source::OneWire:
      return {"sensor"};
    case Source::Gpio:
      return {"chip"};
    case Source::File:
      return {"path"};
    default:
      return {};
  }
}

const char* unit_of(Source source) {
  switch (source) {
    case Source::CpuTemperature:
    case Source::OneWire:
      return "°C";
    case Source::CpuUsed:
    case Source::MemoryUsed:
    case Source::DiskUsed:
      return "%";
    case Source::MemoryAvailable:
    case Source::DiskFree:
    case Source::Received:
    case Source::Sent:
      return "B";
    case Source::Uptime:
      return "s";
    default:
      return "";
  }
}

Type type_of(Source source) {
  switch (source) {
    case Source::Link:
    case Source::Gpio:
      return Type::Bool;
    case Source::MemoryAvailable:
    case Source::DiskFree:
    case Source::Received:
    case Source::Sent:
      return Type::Uint64;
    default:
      return Type::Float64;
  }
}

// The names of interfaces, sensors and zones become parts of a path in /sys.
void check_name(const Node& node, const PointRule& rule, std::string_view key) {
  const bool is_path = key == "path" || key == "chip";
  if (is_path && !rule.name.empty() && rule.name.front() != '/') node.mistake("must be an absolute path");
  if (!is_path && (rule.name.find('/') != std::string::npos || rule.name == "..")) {
    node.mistake("is a name, not a path");
  }
}

void read_point(const Layers& layers, PointSettings& point, PointRule& rule) {
  const auto from = layers["from"];
  if (!from.present()) from.required_text();
  rule.source = from.one_of(Source::Load, kSources);
  point.type = type_of(rule.source);
  if (point.unit.empty()) point.unit = unit_of(rule.source);
  if (const auto which = which_of(rule.source); which.key != nullptr) {
    const auto node = layers[which.key];
    rule.name = which.fallback == nullptr ? node.required_text() : node.text(which.fallback);
    check_name(node, rule, which.key);
  }
  if (rule.source == Source::Gpio) {
    rule.line = static_cast<std::uint32_t>(layers["line"].required_integer(0, 65535));
    rule.active_low = layers["active_low"].boolean(false);
    rule.bias = layers["bias"].one_of(Bias::AsIs, kBiases);
  }
  if (point.type == Type::Bool) return;
  const auto scale = layers["scale"];
  point.scale = scale.number(1);
  if (point.scale == 0) scale.mistake("0 would make every value the same");
  point.offset = layers["offset"].number(0);
}

}  // namespace

void read_bus(const Node&, BusSettings&) {}  // it has no keys but its type

void read_device(const Layers& layers, const BusSettings*, DeviceSettings& device) {
  auto machine = std::make_shared<MachineSettings>();
  const auto interval = layers["interval"].duration(kInterval, kMinInterval, kMaxInterval);
  for (const auto& [name, point] : named_points(layers)) {
    device.points.push_back(read_common(name, point, interval));
    read_point(point, device.points.back(), machine->points.emplace_back());
  }
  device.own = std::move(machine);
}

}  // namespace ferrule::drivers::system
