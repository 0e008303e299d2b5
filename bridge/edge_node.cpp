#include "bridge/edge_node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/metric_value.hpp"
#include "mqtt/sparkplug.hpp"

namespace ferrule::bridge {

namespace {

using mqtt::sparkplug::Datatype;
using mqtt::sparkplug::Payload;
using mqtt::sparkplug::Quality;

constexpr auto kBdSeq = "bdSeq", kRebirth = "Node Control/Rebirth", kSoftware = "Properties/Software",
               kWaiting = "Queue/Waiting";
// Rising over the metrics of the node and of all devices: none twice [tck-id-payloads-alias-uniqueness].
constexpr std::uint64_t kBdSeqAlias = 1, kSoftwareAlias = 2, kWaitingAlias = 3, kFirstAlias = 4;

/// With all that a birth has to say of each metric [tck-id-payloads-alias-birth-requirement]
/// [tck-id-payloads-metric-datatype-req] [tck-id-payloads-name-birth-data-requirement] [tck-id-topics-nbirth-metrics].
mqtt::sparkplug::Metric node_metric(const char* name, std::optional<std::uint64_t> alias, std::uint64_t at,
                                    Datatype type, mqtt::sparkplug::Value value) {
  mqtt::sparkplug::Metric metric;
  metric.name = name;  // [tck-id-payloads-name-requirement]
  metric.alias = alias;
  metric.timestamp = at;
  metric.datatype = type;
  metric.value = std::move(value);
  return metric;
}

}  // namespace

/// [tck-id-topics-nbirth-topic] [tck-id-topics-ndeath-topic] [tck-id-topics-ndata-topic] [tck-id-topics-dbirth-topic]
/// [tck-id-topics-ddeath-topic] [tck-id-topics-ddata-topic]
/// [tck-id-message-flow-edge-node-birth-publish-nbirth-topic]
/// [tck-id-message-flow-edge-node-birth-publish-will-message-topic]
/// [tck-id-message-flow-device-birth-publish-dbirth-topic]
/// [tck-id-message-flow-device-birth-publish-dbirth-match-edge-node-topic]
std::string edge_topic(const EdgeNodeSettings& settings, std::string_view type, std::string_view device) {
  auto topic = fmt::format("{}/{}/{}/{}", mqtt::sparkplug::kNamespace, settings.group, type, settings.node);
  return device.empty() ? topic : fmt::format("{}/{}", topic, device);
}

/// Without sequence number [tck-id-payloads-ndeath-seq] [tck-id-topics-ndeath-seq], with bdSeq and nothing else
/// [tck-id-topics-ndeath-payload] [tck-id-payloads-ndeath-bdseq]
/// [tck-id-message-flow-edge-node-birth-publish-will-message-payload].
std::string death_payload(std::uint8_t bd_seq) {
  mqtt::sparkplug::Metric metric;
  metric.name = kBdSeq;
  metric.datatype = Datatype::Int64;
  metric.value = std::uint64_t{bd_seq};
  return encode(Payload{{}, {std::move(metric)}, {}});
}

EdgeNode::EdgeNode(const EdgeNodeSettings& settings, mqtt::Clock& clock, Send send)
    : settings_(settings), clock_(clock), send_(std::move(send)), began_(clock.now()) {
  auto alias = kFirstAlias;
  for (const auto& device : *settings_.devices) {
    by_topic_.emplace(device.topic, devices_.size());
    auto& made = devices_.emplace_back();
    made.settings = &device;
    for (const auto& metric : device.metrics) {
      made.by_name.emplace(metric.name, made.metrics.size());
      auto& latest = made.metrics.emplace_back(Metric{&metric, alias, {}}).latest;
      latest.name = metric.name;
      latest.alias = alias++;
      latest.datatype = metric.type;
      latest.quality = Quality::Stale;  // nothing was heard of it yet
      latest.unit = metric.unit;
      latest.read_only = metric.command_topic.empty();
    }
  }
}

void EdgeNode::take_over(const EdgeNode& before) {
  for (auto& device : devices_) {
    const auto same = before.by_topic_.find(device.settings->topic);
    if (same == before.by_topic_.end()) continue;
    const auto& known = before.devices_[same->second];
    device.newest = known.newest;
    for (auto& metric : device.metrics) {
      const auto old = known.by_name.find(metric.settings->name);
      if (old == known.by_name.end()) continue;
      const auto& latest = known.metrics[old->second].latest;
      metric.latest.value = cast(latest.value, *latest.datatype, metric.settings->type);
      metric.latest.timestamp = latest.timestamp;
      metric.latest.quality = latest.quality;
      metric.latest.cause = latest.cause;
    }
  }
}

bool EdgeNode::note(const mqtt::Publication& publication) {
  const auto payload = mqtt::sparkplug::decode(publication.payload);
  if (!payload) return false;
  auto& device = devices_[by_topic_.at(publication.topic)];
  device.newest = std::max(device.newest, publication.published);
  for (const auto& metric : payload->metrics) {
    const auto known = device.by_name.find(metric.name);
    if (known == device.by_name.end()) continue;
    auto& latest = device.metrics[known->second].latest;
    latest.value = cast(metric.value, metric.datatype.value_or(Datatype::Double), *latest.datatype);
    latest.timestamp = metric.timestamp;
    latest.quality = metric.quality;
    latest.cause = metric.cause;
  }
  return true;
}

// ---- the session

/// Of each its own topic, at QoS 1 [tck-id-message-flow-edge-node-ncmd-subscribe]
/// [tck-id-message-flow-device-dcmd-subscribe].
std::vector<EdgeNode::Subscription> EdgeNode::subscriptions() const {
  std::vector<Subscription> all;
  const auto add = [&](std::string filter) { all.push_back({std::move(filter), mqtt::Qos::AtLeastOnce}); };
  // [tck-id-operational-behavior-primary-application-state-with-multiple-servers-state-subs]
  if (!settings_.primary_host.empty())
    add(fmt::format("{}/STATE/{}", mqtt::sparkplug::kNamespace, settings_.primary_host));
  add(edge_topic(settings_, "NCMD"));
  const auto writable = [](const EdgeMetric& metric) { return !metric.command_topic.empty(); };
  for (const auto& device : *settings_.devices) {
    if (std::ranges::any_of(device.metrics, writable)) add(edge_topic(settings_, "DCMD", device.name));
  }
  return all;
}

/// [tck-id-message-flow-edge-node-birth-publish-connect]
void EdgeNode::connected(std::uint8_t bd_seq) {
  bd_seq_ = bd_seq;
  born_ = false;
  host_time_.reset();
  if (settings_.primary_host.empty()) bear();  // [tck-id-message-flow-edge-node-birth-publish-phid-wait]
}

/// Every message but a death of the node has the next number, of 256 [tck-id-payloads-sequence-num-always-included]
/// [tck-id-topics-dbirth-seq] [tck-id-payloads-dbirth-seq] [tck-id-payloads-dbirth-seq-inc]
/// [tck-id-topics-ndata-seq-num] [tck-id-payloads-ndata-seq] [tck-id-topics-ddata-seq-num] [tck-id-payloads-ddata-seq]
/// [tck-id-topics-ddeath-seq-num] [tck-id-payloads-ddeath-seq] [tck-id-payloads-ddeath-seq-inc]
/// [tck-id-payloads-ddeath-seq-number], and the time when it was sent [tck-id-topics-nbirth-timestamp]
/// [tck-id-payloads-nbirth-timestamp] [tck-id-topics-dbirth-timestamp] [tck-id-payloads-dbirth-timestamp]
/// [tck-id-topics-ndata-timestamp] [tck-id-payloads-ndata-timestamp] [tck-id-topics-ddata-timestamp]
/// [tck-id-payloads-ddata-timestamp] [tck-id-payloads-ddeath-timestamp]; it is protobuf
/// [tck-id-message-flow-edge-node-birth-publish-nbirth-payload]
/// [tck-id-message-flow-device-birth-publish-dbirth-payload].
std::string EdgeNode::sequenced(Payload payload) {
  payload.timestamp = utc();
  payload.seq = seq_++;
  return encode(payload);
}

void EdgeNode::send(Seq seq, std::string_view type, const Device* device, Payload payload) {
  send_(seq, edge_topic(settings_, type, device != nullptr ? device->settings->name : ""),
        sequenced(std::move(payload)));
}

/// The node, then all devices that live, then data [tck-id-principles-birth-certificates-order]
/// [tck-id-payloads-dbirth-order] [tck-id-payloads-ndata-order] [tck-id-payloads-ddata-order]
/// [tck-id-message-flow-device-birth-publish-nbirth-wait].
void EdgeNode::bear() {
  bear_node();
  for (auto& device : devices_) {
    device.is_born = false;
    device.told_until = device.newest == Time{} ? began_ : device.newest + Time::duration(1);
    if (!is_silent(device)) bear(kOwn, device);
  }
  born_ = true;
}

void EdgeNode::bear_node() {
  const auto now = utc();
  // [tck-id-topics-nbirth-seq-num] [tck-id-payloads-nbirth-seq] [tck-id-payloads-sequence-num-req-nbirth]
  // [tck-id-message-flow-edge-node-birth-publish-nbirth-payload-seq]
  seq_ = 0;
  Payload birth;
  // The one of the will, in every birth of this connection [tck-id-topics-nbirth-bdseq-included]
  // [tck-id-topics-nbirth-bdseq-matching] [tck-id-payloads-nbirth-bdseq] [tck-id-payloads-nbirth-bdseq-repeat]
  // [tck-id-message-flow-edge-node-birth-publish-nbirth-payload-bdseq]
  // [tck-id-operational-behavior-data-commands-rebirth-action-3]
  birth.metrics.push_back(node_metric(kBdSeq, kBdSeqAlias, now, Datatype::Int64, std::uint64_t{bd_seq_}));
  // [tck-id-topics-nbirth-rebirth-metric] [tck-id-payloads-nbirth-rebirth-req]
  // [tck-id-operational-behavior-data-commands-rebirth-name]
  // [tck-id-operational-behavior-data-commands-rebirth-datatype]
  // [tck-id-operational-behavior-data-commands-rebirth-value]; by its name only
  // [tck-id-operational-behavior-data-commands-rebirth-name-aliases]
  birth.metrics.push_back(node_metric(kRebirth, std::nullopt, now, Datatype::Boolean, false));
  birth.metrics.push_back(
      node_metric(kSoftware, kSoftwareAlias, now, Datatype::String, std::string("Ferrule " FERRULE_VERSION)));
  // [tck-id-operational-behavior-data-publish-nbirth-values]
  birth.metrics.push_back(node_metric(kWaiting, kWaitingAlias, now, Datatype::UInt64, waiting_));
  send(kOwn, "NBIRTH", nullptr, std::move(birth));
}

/// Every metric with its newest value, or null [tck-id-topics-dbirth-metrics]
/// [tck-id-operational-behavior-data-publish-dbirth-values].
void EdgeNode::bear(Seq seq, Device& device) {
  Payload birth;
  for (auto& metric : device.metrics) {
    birth.metrics.push_back(metric.latest);
    auto& told = birth.metrics.back();
    if (!told.timestamp) told.timestamp = utc();
    metric.told_bad = told.quality.has_value();
  }
  device.is_born = true;
  device.told_until = std::max(device.told_until, device.newest + Time::duration(1));

  send(seq, "DBIRTH", &device, std::move(birth));
}

bool EdgeNode::is_silent(const Device& device) {
  return std::ranges::all_of(device.metrics, [](const Metric& one) { return one.latest.quality == Quality::Stale; });
}

// ---- what is told

bool EdgeNode::tell(Seq seq, const mqtt::Publication& publication) {
  const auto found = by_topic_.find(publication.topic);
  if (found == by_topic_.end()) return false;  // of another configuration
  auto& device = devices_[found->second];
  const bool historical = publication.published < device.told_until;
  if (!historical && is_silent(device)) {
    if (!device.is_born) return false;
    die(seq, device);
    return true;
  }
  if (!historical && !device.is_born) {
    bear(seq, device);
    return true;
  }
  if (!device.is_born) bear(kOwn, device);
  return tell_data(seq, device, publication, historical);
}

/// By aliases [tck-id-payloads-alias-data-cmd-requirement], without types [tck-id-payloads-metric-datatype-not-req]:
/// what has changed [tck-id-topics-ddata-payload].
bool EdgeNode::tell_data(Seq seq, Device& device, const mqtt::Publication& publication, bool historical) {
  Payload data;
  const auto payload = mqtt::sparkplug::decode(publication.payload);
  if (!payload) return false;
  for (const auto& from : payload->metrics) {
    const auto known = device.by_name.find(from.name);
    if (known == device.by_name.end()) continue;  // of another configuration
    auto& metric = device.metrics[known->second];
    auto& told = data.metrics.emplace_back();
    told.alias = metric.alias;
    told.timestamp = from.timestamp;
    told.historical = historical;
    told.value = cast(from.value, from.datatype.value_or(Datatype::Double), metric.settings->type);
    told.quality = from.quality;
    told.cause = from.cause;
    if (historical) continue;
    if (metric.told_bad && !told.quality) told.quality = Quality::Good;
    metric.told_bad = from.quality.has_value();
  }
  if (data.metrics.empty()) return false;
  if (!historical) device.told_until = publication.published;
  send(seq, "DDATA", &device, std::move(data));
  return true;
}

/// [tck-id-operational-behavior-device-ddeath]
void EdgeNode::die(Seq seq, Device& device) {
  device.is_born = false;
  send(seq, "DDEATH", &device, {});
}

void EdgeNode::bury() {
  for (auto& device : devices_) {
    if (device.is_born && is_silent(device)) die(kOwn, device);
  }
}

void EdgeNode::report(std::uint64_t waiting) {
  if (std::exchange(waiting_, waiting) == waiting || !born_) return;
  mqtt::sparkplug::Metric metric;
  metric.alias = kWaitingAlias;
  metric.timestamp = utc();
  metric.value = waiting;
  send(kOwn, "NDATA", nullptr, {{}, {std::move(metric)}, {}});  // [tck-id-topics-ndata-payload]
}

// ---- what the host says

/// A retained command is an old one.
EdgeNode::Taken EdgeNode::take(const mqtt::Publication& publication) {
  const std::string_view topic = publication.topic;
  // [tck-id-message-flow-edge-node-birth-publish-phid-wait-id]
  if (!settings_.primary_host.empty() &&
      topic == fmt::format("{}/STATE/{}", mqtt::sparkplug::kNamespace, settings_.primary_host)) {
    return take_state(publication.payload);
  }
  if (publication.retain) return {{}, false, false, "a command must not be retained"};
  if (topic == edge_topic(settings_, "NCMD")) return take_node_command(publication.payload);
  const auto devices = edge_topic(settings_, "DCMD") + '/';
  if (topic.starts_with(devices)) return take_device_command(topic.substr(devices.size()), publication.payload);
  return {{}, false, false, "nobody asked for this topic"};
}

/// `{"online":true,"timestamp":1668114759262}`; one older than the last is none of now
/// [tck-id-message-flow-edge-node-birth-publish-phid-wait-timestamp].
EdgeNode::Taken EdgeNode::take_state(std::string_view payload) {
  const auto json = nlohmann::json::parse(payload, nullptr, false);
  const auto is = [&](const char* key, auto check) {
    return json.is_object() && json.contains(key) && check(json[key]);
  };
  if (!is("online", [](const auto& value) { return value.is_boolean(); }) ||
      !is("timestamp", [](const auto& value) { return value.is_number_unsigned(); })) {
    return {{}, false, false, "the host's STATE is not that of Sparkplug 3.0"};
  }
  const auto time = json["timestamp"].get<std::uint64_t>();
  // [tck-id-operational-behavior-edge-node-termination-host-offline-timestamp]
  if (host_time_ && time < *host_time_) return {};
  host_time_ = time;
  // [tck-id-message-flow-edge-node-birth-publish-phid-wait-online]
  // [tck-id-operational-behavior-edge-node-birth-sequence-wait]
  Taken taken;
  taken.host_offline = !json["online"].get<bool>();
  if (!taken.host_offline && !born_) {
    bear();
    taken.born = true;
  }
  return taken;
}

EdgeNode::Taken EdgeNode::take_node_command(std::string_view payload) {
  const auto command = mqtt::sparkplug::decode(payload);
  if (!command) return {{}, false, false, "no Sparkplug payload"};
  Taken taken;
  for (const auto& metric : command->metrics) {
    if (metric.name != kRebirth) {
      taken.refused = fmt::format("the node has no \"{}\" to write", metric.name);
    } else if (metric.value == mqtt::sparkplug::Value(true) && born_) {
      // At once: no data leaves before [tck-id-operational-behavior-data-commands-rebirth-action-1]
      // [tck-id-operational-behavior-data-commands-rebirth-action-2]
      bear();
      taken.born = true;
    }
  }
  return taken;
}

EdgeNode::Taken EdgeNode::take_device_command(std::string_view device, std::string_view payload) const {
  const auto command = mqtt::sparkplug::decode(payload);
  if (!command) return {{}, false, false, "no Sparkplug payload"};
  const auto to = std::ranges::find_if(devices_, [&](const Device& one) { return one.settings->name == device; });
  if (to == devices_.end()) return {{}, false, false, "no such device"};
  Taken taken;
  for (const auto& wanted : command->metrics) {
    const auto metric = std::ranges::find_if(to->metrics, [&](const Metric& one) {
      return wanted.name.empty() ? one.alias == wanted.alias : one.settings->name == wanted.name;
    });
    const bool known = metric != to->metrics.end() && !metric->settings->command_topic.empty();
    const auto text = known ? json_of(wanted.value, wanted.datatype.value_or(metric->settings->type)) : std::string();
    if (text.empty()) {
      taken.refused =
          fmt::format("{} (alias {}): not there, not writable, or null", wanted.name, wanted.alias.value_or(0));
    } else {
      taken.writes.push_back({metric->settings->command_topic, text});
    }
  }
  return taken;
}

}  // namespace ferrule::bridge
