#include "mqtt/sparkplug_payload.hpp"

#include <sparkplug_payload.pb.h>

#include <algorithm>
#include <utility>

namespace ferrule::mqtt::sparkplug {

namespace {

constexpr auto kQuality = "Quality", kCause = "Cause", kUnit = "engUnit", kReadOnly = "readOnly";

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

/// A key and its value at once: the two lists have one length [tck-id-payloads-propertyset-keys-array-size]
/// [tck-id-payloads-propertyset-values-array-size]; the type always stands beside it
/// [tck-id-payloads-metric-propertyvalue-type-req] [tck-id-payloads-metric-propertyvalue-type-type], one of the basic
/// ones [tck-id-payloads-metric-propertyvalue-type-value].
wire::PropertyValue& add_property(wire::Metric& metric, const char* key, Datatype type) {
  auto& properties = *metric.mutable_properties();
  properties.add_keys(key);
  auto& value = *properties.add_values();
  value.set_type(static_cast<std::uint32_t>(type));
  return value;
}

void write_properties(const Metric& from, wire::Metric& to) {
  if (from.quality) {  // [tck-id-payloads-propertyset-quality-value-type]
    add_property(to, kQuality, Datatype::Int32).set_int_value(static_cast<std::uint32_t>(*from.quality));
  }
  if (!from.cause.empty()) add_property(to, kCause, Datatype::String).set_string_value(from.cause);
  if (!from.unit.empty()) add_property(to, kUnit, Datatype::String).set_string_value(from.unit);
  if (from.read_only) add_property(to, kReadOnly, Datatype::Boolean).set_boolean_value(*from.read_only);
}

void write_value(const Value& from, wire::Metric& to) {
  std::visit(
      Overload{[&](std::monostate) { to.set_is_null(true); }, [&](std::uint32_t value) { to.set_int_value(value); },
               [&](std::uint64_t value) { to.set_long_value(value); }, [&](float value) { to.set_float_value(value); },
               [&](double value) { to.set_double_value(value); }, [&](bool value) { to.set_boolean_value(value); },
               [&](const std::string& value) { to.set_string_value(value); }},
      from);
}

Value read_value(const wire::Metric& metric) {
  switch (metric.value_case()) {
    case wire::Metric::kIntValue:
      return metric.int_value();
    case wire::Metric::kLongValue:
      return metric.long_value();
    case wire::Metric::kFloatValue:
      return metric.float_value();
    case wire::Metric::kDoubleValue:
      return metric.double_value();
    case wire::Metric::kBooleanValue:
      return metric.boolean_value();
    case wire::Metric::kStringValue:
      return metric.string_value();
    case wire::Metric::VALUE_NOT_SET:
      break;
  }
  return {};
}

std::optional<Quality> quality_of(std::uint32_t code) {
  for (const auto quality : {Quality::Bad, Quality::Good, Quality::Stale}) {
    if (code == static_cast<std::uint32_t>(quality)) return quality;
  }
  return std::nullopt;
}

void read_properties(const wire::PropertySet& from, Metric& to) {
  for (int i = 0; i < std::min(from.keys_size(), from.values_size()); ++i) {
    const auto& key = from.keys(i);
    const auto& value = from.values(i);
    if (key == kQuality && value.has_int_value()) to.quality = quality_of(value.int_value());
    if (key == kCause && value.has_string_value()) to.cause = value.string_value();
    if (key == kUnit && value.has_string_value()) to.unit = value.string_value();
    if (key == kReadOnly && value.has_boolean_value()) to.read_only = value.boolean_value();
  }
}

Metric read_metric(const wire::Metric& from) {
  Metric metric;
  metric.name = from.name();
  if (from.has_alias()) metric.alias = from.alias();
  if (from.has_timestamp()) metric.timestamp = from.timestamp();
  const bool known = from.datatype() >= static_cast<std::uint32_t>(Datatype::Int8) &&
                     from.datatype() <= static_cast<std::uint32_t>(Datatype::String);
  if (known) metric.datatype = static_cast<Datatype>(from.datatype());
  metric.historical = from.is_historical();
  if (!from.is_null()) metric.value = read_value(from);
  read_properties(from.properties(), metric);
  return metric;
}

}  // namespace

std::uint64_t milliseconds(std::chrono::system_clock::time_point time) {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));  // [tck-id-payloads-metric-timestamp-in-utc]
}

void encode(const Payload& payload, std::string& out) {
  wire::Payload message;
  if (payload.timestamp) message.set_timestamp(*payload.timestamp);
  for (const auto& from : payload.metrics) {
    auto& metric = *message.add_metrics();
    if (!from.name.empty()) metric.set_name(from.name);
    if (from.alias) metric.set_alias(*from.alias);
    if (from.timestamp) metric.set_timestamp(*from.timestamp);
    if (from.datatype) metric.set_datatype(static_cast<std::uint32_t>(*from.datatype));
    if (from.historical) metric.set_is_historical(true);
    write_value(from.value, metric);
    write_properties(from, metric);
  }
  if (payload.seq) message.set_seq(*payload.seq);
  message.AppendToString(&out);
}

std::string encode(const Payload& payload) {
  std::string out;
  encode(payload, out);
  return out;
}

std::optional<Payload> decode(std::string_view bytes) {
  wire::Payload message;
  if (bytes.size() > INT32_MAX || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return std::nullopt;
  }
  Payload payload;
  if (message.has_timestamp()) payload.timestamp = message.timestamp();
  if (message.has_seq()) payload.seq = message.seq();
  payload.metrics.reserve(static_cast<std::size_t>(message.metrics_size()));
  for (const auto& metric : message.metrics()) payload.metrics.push_back(read_metric(metric));
  return payload;
}

}  // namespace ferrule::mqtt::sparkplug
