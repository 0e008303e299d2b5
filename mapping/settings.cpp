#include "mapping/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

#include "mapping/expression.hpp"
#include "mapping/homeassistant.hpp"
#include "mapping/wirenboard.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mapping {

namespace {

using config::Choice;

constexpr std::array kWhens{Choice<When>{"change", When::Change}, Choice<When>{"poll", When::Poll}};
constexpr std::size_t kTextBlock = 16 * 1024;

constexpr std::array kFormats{Choice<Format>{"json", Format::Json},
                              Choice<Format>{"raw", Format::Raw},
                              Choice<Format>{"json-device", Format::JsonDevice},
                              Choice<Format>{"influx", Format::Influx},
                              Choice<Format>{"sparkplug", Format::Sparkplug},
                              Choice<Format>{"wirenboard", Format::WirenBoard}};

/// `format: raw`, or `payload: "{point} is {value}"`, a format of the user's own.
void read_format(const config::Node& node, PublishRule& rule) {
  const auto format = node["format"];
  const auto payload = node["payload"];
  if (format.present()) rule.format = format.one_of(Format::Json, kFormats);
  if (!payload.present()) return;
  if (format.present()) payload.mistake("is a format of its own", "remove the other");
  rule.format = Format::Template;
  const auto parsed = parse_payload(payload.text());
  if (!parsed) {
    payload.mistake(fmt::format("unknown placeholder \"{{{}}}\"", parsed.error()),
                    fmt::format("placeholders are {}", payload_words()));
  }
  rule.payload = parsed.value_or(Template{});
}

}  // namespace

std::optional<Form> read_form(const config::Node& route) {
  PublishRule rule;
  read_format(route, rule);
  if (rule.format == Format::Sparkplug || rule.format == Format::WirenBoard) {
    route["format"].mistake("is not for a route",
                            rule.format == Format::Sparkplug ? "an uplink with the key sparkplug is an edge node" : "");
  }
  if (!route["format"].present() && !route["payload"].present()) return {};
  return Form{rule.format, std::move(rule.payload)};
}

namespace {

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

void check_window(const drivers::Layers& layers, const drivers::PointSettings& point, Format format) {
  const auto& node = point.publish.present() ? point.publish : point.publish_template;
  if (point.type == drivers::Type::String || layers["enum"].present() ||
      (point.words && !layers["expression"].present())) {
    node.mistake("a window gathers numbers, and this is text");
  } else if (format != Format::Json) {
    node.mistake("a window is published as json", "remove the window, or the format");
  }
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
  auto publish = defaults;
  auto& rule = publish.rule;
  if (const auto topic = node["topic"]; topic.present()) publish.topic = read_topic(topic);
  read_format(node, rule);
  rule.when = node["when"].one_of(rule.when, kWhens);
  rule.heartbeat = node["heartbeat"].duration(rule.heartbeat);
  rule.min_interval = node["min_interval"].duration(rule.min_interval);
  read_deadband(node["deadband"], rule);
  rule.window = read_window(node["window"], rule.window);
  rule.qos = static_cast<mqtt::Qos>(node["qos"].integer(static_cast<int>(rule.qos), 0, 2));
  rule.retain = node["retain"].boolean(rule.retain);
  if (const auto section = node["homeassistant"]; section.present()) {
    publish.home_assistant = read_home_assistant(section, publish.home_assistant);
  }
  return publish;
}

namespace {

/// One that no other point has.
std::string own_topic(const PointMapping& mapping) {
  if (!is_shared(mapping.rule->publish.format)) return std::string(mapping.topic);
  return fmt::format("{}/{}", mapping.topic, mapping.rule->point);
}

}  // namespace

std::string command_topic(const PointMapping& mapping) {
  return own_topic(mapping) + (mapping.rule->publish.format == Format::WirenBoard ? "/on" : "/set");
}

std::string alarm_topic(const PointMapping& mapping, const AlarmRule& alarm) {
  return fmt::format("{}/alarm/{}", own_topic(mapping), alarm.name);
}

namespace {

/// Reads the mappings of all buses into one catalogue.
class MappingReader {
 public:
  MappingReader(const PublishSettings& defaults, const Place& place, std::span<const RouteForm> routes)
      : defaults_(defaults), place_(place), routes_(routes) {}

  BusMappings read(const drivers::BusSettings& bus) {
    BusMappings mappings{catalogue_, {}, {}, std::vector<FormMappings>(routes_.size()), {}};
    std::size_t count = 0;
    for (const auto& device : bus.devices) count += device.points.size();
    mappings.points.reserve(count);
    tells_status_ = false;
    for (const auto& device : bus.devices) read_device(bus, device, mappings);
    std::erase_if(mappings.forms, [](const auto& form) { return form.empty(); });
    ever_tells_status_ = ever_tells_status_ || tells_status_;
    return mappings;
  }

  /// Behind the last bus.
  void finish() const {
    if (!of_status_ || !ever_tells_status_) return;
    of_status_->mistake(fmt::format("topic \"{}\" is where the gateway tells Home Assistant that it is there",
                                    status_topic(place_.gateway)),
                        "choose another topic, or name the device or point otherwise");
  }

 private:
  using Names = tl::expected<std::vector<std::string>, std::string>;

  void read_device(const drivers::BusSettings& bus, const drivers::DeviceSettings& device, BusMappings& mappings) {
    const auto first = static_cast<drivers::PointIndex>(mappings.points.size());
    const auto* name = catalogue_->name(device.name);
    const auto place = read_place(device.publish, read_place(device.publish_template, place_));
    const auto of_device = read_publish(device.publish, read_publish(device.publish_template, defaults_));
    Discovery discovery(place_.gateway, device.name);
    bool is_described = false;
    for (std::size_t i = 0; i < device.points.size(); ++i) {
      const auto& point = device.points[i];
      auto publish = read_publish(point.publish, read_publish(point.publish_template, of_device));
      if (publish.rule.format == Format::Sparkplug) publish.rule.retain = false;  // it tells of changes, not of all
      const drivers::Layers layers{point.publish, point.publish_template};
      auto conversion = read_conversion(layers, point);
      if (!conversion.expression.empty()) {
        const auto& names = names_in(conversion.expression);
        if (!names) layers["expression"].mistake(names.error());
        mappings.inputs[first + static_cast<drivers::PointIndex>(i)] =
            find_inputs(device, i, first, names.value_or(std::vector<std::string>{}));
      }
      if (publish.rule.window.every.count() > 0) check_window(layers, point, publish.rule.format);
      const auto digits = significant_digits(point, conversion);
      auto alarms = read_alarms(layers, point, conversion);
      mappings.points.push_back(
          {topic_of(publish, {place, bus, device, point}), name,
           catalogue_->rule({point.name, point.unit, std::move(conversion), publish.rule, std::move(alarms), digits})});
      check_alarm_topics(layers, mappings.points.back());
      add_forms({place, bus, device, point}, mappings);
      if (publish.rule.format == Format::WirenBoard) {
        if (!std::exchange(is_described, true)) mappings.announcements.push_back(device_meta(device.name));
        mappings.announcements.push_back(control_meta(point, mappings.points.back(), i + 1));
      }
      if (!discovery.add(point, mappings.points.back(), publish.home_assistant)) {
        point.publish.warning("Home Assistant is not told of it: it cannot read this payload");
      }
    }
    if (auto announcement = discovery.publication()) {
      mappings.announcements.push_back(std::move(announcement));
      if (!std::exchange(tells_status_, true)) mappings.announcements.push_back(online_status(place_.gateway));
    }
  }

  /// Of the last point, for the routes that carry it. What is gathered in windows is numbers of many readings already.
  void add_forms(const TopicNames& names, BusMappings& mappings) {
    const auto& mapping = mappings.points.back();
    if (mapping.topic.empty() || mapping.rule->publish.window.every.count() > 0) return;
    for (std::size_t i = 0; i < routes_.size(); ++i) {
      const auto& route = routes_[i];
      if (!route.from.matches(mapping.topic)) continue;
      auto rule = *mapping.rule;
      rule.publish.format = route.form.format;
      rule.publish.payload = route.form.payload;
      rule.publish.retain = false;  // nobody looks for it but the route
      const auto topic =
          fmt::format("{}/{}", route.prefix,
                      is_shared(route.form.format) ? render_topic(default_device_topic_, names) : own_topic(mapping));
      const auto found = form_topics_.find(topic);
      const auto kept = found != form_topics_.end() ? *found : *form_topics_.insert(catalogue_->text(topic)).first;
      mappings.forms[i].emplace(static_cast<drivers::PointIndex>(mappings.points.size() - 1),
                                PointMapping{kept, mapping.device, catalogue_->rule(std::move(rule))});
    }
  }

  const Template& template_of(const PublishSettings& publish) const {
    if (publish.rule.format == Format::WirenBoard) return control_topic_;
    if (!publish.topic.empty()) return publish.topic;
    return is_shared(publish.rule.format) ? default_device_topic_ : default_topic_;
  }

  std::string_view topic_of(const PublishSettings& publish, const TopicNames& names) {
    const bool shared = is_shared(publish.rule.format);
    const auto topic = render_topic(template_of(publish), names);
    const auto own = names.point.publish["topic"];
    const auto& node = own.present() ? own : names.point.publish;  // the pattern may be a template's or everybody's
    if (topic.empty()) return {};
    if (shared && names_point(publish.topic)) {
      node.mistake("one message holds all points of a device: its topic cannot have {point}",
                   "e.g. topic: \"{gateway}/{device}\"");
      return {};
    }
    // Points of one message share its topic; any other has its own.
    const void* owner = &names.point;
    if (publish.rule.format == Format::JsonDevice) owner = &names.device;
    if (publish.rule.format == Format::Sparkplug) owner = &names.device.points;
    if (const auto found = taken_.find(topic); found != taken_.end()) {
      if (found->second != owner) {
        node.mistake(fmt::format("topic \"{}\" is already used by another point", topic),
                     "a topic template needs {device} and {point}");
      }
      return found->first;
    }
    if (!mqtt::is_valid_topic_name(topic)) {
      node.mistake(fmt::format("\"{}\" is not a valid topic to publish to", topic),
                   fmt::format("at most {} bytes and {} levels", mqtt::kMaxTopicBytes, mqtt::kMaxTopicLevels));
      return {};
    }
    if (topic == status_topic(place_.gateway)) of_status_ = node;
    return taken_.emplace(catalogue_->text(topic), owner).first->first;
  }

  static void check_alarm_topics(const drivers::Layers& layers, const PointMapping& mapping) {
    if (mapping.topic.empty()) return;  // told
    for (const auto& alarm : mapping.rule->alarms) {
      const auto topic = alarm_topic(mapping, alarm);
      if (alarm.name.find('/') == std::string::npos && mqtt::is_valid_topic_name(topic + "/ack")) continue;
      layers["alarms"].mistake(fmt::format("\"{}\" is not a valid topic to publish to", topic),
                               "an alarm's name is one topic level without + and #");
    }
  }

  /// Compiling takes its time, and the points of a template have it in common.
  const Names& names_in(const std::string& expression) {
    const auto [found, added] = names_of_.try_emplace(expression);
    if (added) found->second = Expression::parse(expression).map([](const auto& parsed) { return parsed.names(); });
    return found->second;
  }

  const PublishSettings& defaults_;
  const Place& place_;
  const std::span<const RouteForm> routes_;
  const Template default_topic_ = default_topic("{gateway}/{device}/{point}");
  const Template default_device_topic_ = default_topic("{gateway}/{device}");
  const Template control_topic_ = default_topic(kControlTopic);
  const std::shared_ptr<Catalogue> catalogue_ = std::make_shared<Catalogue>();
  std::unordered_map<std::string_view, const void*> taken_;  // topics, and the point or device that has each
  std::unordered_set<std::string_view> form_topics_;         // one of a device for all its points
  std::unordered_map<std::string, Names> names_of_;
  bool tells_status_ = false;  // among the announcements of the bus that is being read
  bool ever_tells_status_ = false;
  std::optional<config::Node> of_status_;  // whose topic is that of the gateway's status
};

}  // namespace

std::vector<BusMappings> read_mappings(const std::vector<drivers::BusSettings>& buses, const PublishSettings& defaults,
                                       const Place& place, std::span<const RouteForm> routes) {
  MappingReader reader(defaults, place, routes);
  std::vector<BusMappings> mappings;
  for (const auto& bus : buses) mappings.push_back(reader.read(bus));
  reader.finish();
  return mappings;
}

}  // namespace ferrule::mapping
