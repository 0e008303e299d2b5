#include "mapping/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>

#include "mapping/expression.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mapping {

namespace {

using config::Choice;

constexpr std::array kWhens{Choice<When>{"change", When::Change}, Choice<When>{"poll", When::Poll}};
constexpr std::size_t kTextBlock = 16 * 1024;

/// Replaces the placeholders of a topic template. An unknown one is a mistake at `node`.
std::string render_topic(const std::string& pattern, const config::Node& node,
                         std::span<const std::pair<std::string_view, std::string_view>> names) {
  std::string topic;
  for (std::size_t at = 0; at < pattern.size();) {
    if (pattern[at] != '{') {
      topic += pattern[at++];
      continue;
    }
    const auto end = pattern.find('}', at);
    const auto word = pattern.substr(at + 1, end == std::string::npos ? end : end - at - 1);
    const auto found = std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.first == word; });
    if (end == std::string::npos || found == names.end()) {
      node["topic"].mistake(fmt::format("unknown placeholder \"{{{}}}\"", word),
                            "placeholders are {gateway} {bus} {device} {point}");
      return topic;
    }
    topic += found->second;
    at = end + 1;
  }
  return topic;
}

/// How many significant digits a calculated value deserves: those of its source type, so that 234 * 0.1 reads 23.4.
int significant_digits(const drivers::PointSettings& point, const Conversion& conversion) {
  const bool scaled = point.scale != 1 || point.offset != 0 || point.scale_factor || !conversion.expression.empty();
  if (point.type == drivers::Type::Float32) return scaled ? 7 : 9;
  if (point.type == drivers::Type::Float16) return 4;
  return scaled ? 15 : 0;
}

/// `0.5`, or `2%` of the published value.
void read_deadband(const config::Node& node, PublishRule& rule) {
  const auto text = node.is_scalar() ? node.text() : "";
  if (!text.ends_with('%')) {
    rule.deadband = node.number(rule.deadband, 0);
    rule.deadband_is_percent = node.present() ? false : rule.deadband_is_percent;
    return;
  }
  double percent = 0;
  const auto* end = text.data() + text.size() - 1;
  const auto [rest, error] = std::from_chars(text.data(), end, percent);
  if (error != std::errc{} || rest != end || !(percent >= 0 && percent <= 100)) {
    node.mistake(fmt::format("must be a number or a percentage from 0% to 100%, is \"{}\"", text), "e.g. 0.5 or 2%");
    return;
  }
  rule.deadband = percent;
  rule.deadband_is_percent = true;
}

/// Who the names of a point's expression are; `first` is the index of its device's first point.
std::vector<drivers::PointIndex> find_inputs(const drivers::DeviceSettings& device, std::size_t own,
                                             drivers::PointIndex first, const std::vector<std::string>& names) {
  const auto& points = device.points;
  const drivers::Layers layers{points[own].publish, points[own].publish_template};
  std::vector<drivers::PointIndex> inputs;
  for (const auto& name : names) {
    auto found = std::ranges::find(points, name, &drivers::PointSettings::name);
    if (name == kOwnValue) found = points.begin() + static_cast<std::ptrdiff_t>(own);
    if (found == points.end()) {
      layers["expression"].mistake(fmt::format("device {} has no point \"{}\"", device.name, name),
                                   "the point's own value is \"value\"");
      continue;
    }
    const auto index = static_cast<std::size_t>(found - points.begin());
    const drivers::Layers other{found->publish, found->publish_template};
    if (index != own && other["expression"].present()) {
      layers["expression"].mistake(fmt::format("uses {}, which is calculated itself", name),
                                   "use what that one is calculated from");
    }
    inputs.push_back(first + static_cast<drivers::PointIndex>(index));
  }
  return inputs;
}

}  // namespace

std::string_view Catalogue::text(std::string_view text) {
  if (texts_.empty() || texts_.back().capacity() - texts_.back().size() < text.size()) {
    texts_.emplace_back().reserve(std::max(kTextBlock, text.size()));
  }
  auto& block = texts_.back();
  return {block.append(text).data() + block.size() - text.size(), text.size()};
}

PublishSettings read_publish(const config::Node& node, const PublishSettings& defaults) {
  PublishSettings publish{node["topic"].text(defaults.topic), defaults.rule};
  auto& rule = publish.rule;
  rule.when = node["when"].one_of(rule.when, kWhens);
  rule.heartbeat = node["heartbeat"].duration(rule.heartbeat);
  rule.min_interval = node["min_interval"].duration(rule.min_interval);
  read_deadband(node["deadband"], rule);
  rule.qos = static_cast<mqtt::Qos>(node["qos"].integer(static_cast<int>(rule.qos), 0, 2));
  rule.retain = node["retain"].boolean(rule.retain);
  return publish;
}

namespace {

/// Reads the mappings of all buses into one catalogue.
class MappingReader {
 public:
  MappingReader(const PublishSettings& defaults, const std::string& gateway_id)
      : defaults_(defaults), gateway_id_(gateway_id) {}

  BusMappings read(const drivers::BusSettings& bus) {
    BusMappings mappings{catalogue_, {}, {}};
    std::size_t count = 0;
    for (const auto& device : bus.devices) count += device.points.size();
    mappings.points.reserve(count);
    for (const auto& device : bus.devices) read_device(bus, device, mappings);
    return mappings;
  }

 private:
  using Names = tl::expected<std::vector<std::string>, std::string>;

  void read_device(const drivers::BusSettings& bus, const drivers::DeviceSettings& device, BusMappings& mappings) {
    const auto first = static_cast<drivers::PointIndex>(mappings.points.size());
    const auto* name = catalogue_->name(device.name);
    const auto of_device = read_publish(device.publish, read_publish(device.publish_template, defaults_));
    for (std::size_t i = 0; i < device.points.size(); ++i) {
      const auto& point = device.points[i];
      const auto publish = read_publish(point.publish, read_publish(point.publish_template, of_device));
      const drivers::Layers layers{point.publish, point.publish_template};
      auto conversion = read_conversion(layers, point);
      if (!conversion.expression.empty()) {
        const auto& names = names_in(conversion.expression);
        if (!names) layers["expression"].mistake(names.error());
        mappings.inputs[first + static_cast<drivers::PointIndex>(i)] =
            find_inputs(device, i, first, names.value_or(std::vector<std::string>{}));
      }
      const auto digits = significant_digits(point, conversion);
      mappings.points.push_back(
          {read_topic(publish.topic, bus, device, point), name,
           catalogue_->rule({point.name, point.unit, std::move(conversion), publish.rule, digits})});
    }
  }

  std::string_view read_topic(const std::string& pattern, const drivers::BusSettings& bus,
                              const drivers::DeviceSettings& device, const drivers::PointSettings& point) {
    const std::array<std::pair<std::string_view, std::string_view>, 4> names{
        {{"gateway", gateway_id_}, {"bus", bus.name}, {"device", device.name}, {"point", point.name}}};
    const auto topic = catalogue_->text(render_topic(pattern, point.publish, names));
    const auto own = point.publish["topic"];
    const auto& where = own.present() ? own : point.publish;  // the pattern may be a template's or everybody's
    if (!mqtt::is_valid_topic_name(topic)) {
      where.mistake(fmt::format("\"{}\" is not a valid topic to publish to", topic));
    } else if (!taken_.insert(topic).second) {
      where.mistake(fmt::format("topic \"{}\" is already used by another point", topic),
                    "a topic template needs {device} and {point}");
    }
    return topic;
  }

  /// Compiling takes its time, and the points of a template have it in common.
  const Names& names_in(const std::string& expression) {
    const auto [found, added] = names_of_.try_emplace(expression);
    if (added) found->second = Expression::parse(expression).map([](const auto& parsed) { return parsed.names(); });
    return found->second;
  }

  const PublishSettings& defaults_;
  const std::string& gateway_id_;
  const std::shared_ptr<Catalogue> catalogue_ = std::make_shared<Catalogue>();
  std::unordered_set<std::string_view> taken_;
  std::unordered_map<std::string, Names> names_of_;
};

}  // namespace

std::vector<BusMappings> read_mappings(const std::vector<drivers::BusSettings>& buses, const PublishSettings& defaults,
                                       const std::string& gateway_id) {
  MappingReader reader(defaults, gateway_id);
  std::vector<BusMappings> mappings;
  for (const auto& bus : buses) mappings.push_back(reader.read(bus));
  return mappings;
}

}  // namespace ferrule::mapping
