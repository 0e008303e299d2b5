#include "bridge/routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "bridge/batch.hpp"
#include "mqtt/properties.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using mqtt::Qos;

constexpr std::string_view kPlaceholder = "{topic}", kRest = "{topic:", kRestEnd = "..}";
constexpr unsigned kMostLevels = 100;

/// A placeholder at the front of a text.
struct Placeholder {
  std::size_t size = 0;
  unsigned first_level = 0;
};

std::optional<Placeholder> parse_placeholder(std::string_view text) {
  if (text.starts_with(kPlaceholder)) return Placeholder{kPlaceholder.size()};
  if (!text.starts_with(kRest)) return {};
  Placeholder placeholder;
  const auto [end, error] =
      std::from_chars(text.data() + kRest.size(), text.data() + text.size(), placeholder.first_level);
  const auto at = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || placeholder.first_level > kMostLevels || !text.substr(at).starts_with(kRestEnd))
    return {};
  placeholder.size = at + kRestEnd.size();
  return placeholder;
}

std::string_view from_level(std::string_view topic, unsigned level) {
  for (; level > 0; --level) {
    const auto slash = topic.find('/');
    if (slash == topic.npos) return {};
    topic.remove_prefix(slash + 1);
  }
  return topic;
}

unsigned levels(std::string_view text) { return static_cast<unsigned>(std::ranges::count(text, '/')) + 1; }

/// `from` tells how many levels a topic has at least; what "#" matches may also be nothing, and then there is no topic.
void check_to(const config::Node& node, const std::string& to, std::string_view from) {
  const auto least = levels(from);
  for (std::size_t at = to.find_first_of("{}"); at != to.npos; at = to.find_first_of("{}", at)) {
    const auto placeholder = parse_placeholder(std::string_view(to).substr(at));
    if (!placeholder) {
      const auto end = to.find('}', at);
      const auto size = end == to.npos ? end : end - at + 1;
      node.mistake(fmt::format("\"{}\" is no placeholder", to.substr(at, size)), "there are: {topic} and {topic:1..}");
      return;
    }
    if (placeholder->first_level >= least && placeholder->first_level > 0) {
      node.mistake(fmt::format("a topic that matches \"{}\" may have no level {}", from, placeholder->first_level),
                   "the first level is 0");
      return;
    }
    at += placeholder->size;
  }
  std::string example = "x";
  for (unsigned i = 0; i < kMostLevels; ++i) example += "/x";
  if (!mqtt::is_valid_topic_name(rewrite(to, example))) {
    node.mistake(fmt::format("\"{}\" does not make a topic that one can publish to", to),
                 "no \"+\", no \"#\", not empty");
  }
}

std::optional<Qos> read_qos(const config::Node& node) {
  if (!node.present()) return {};
  return static_cast<Qos>(node.integer(1, 0, 2));
}

std::optional<mqtt::TopicFilter> read_from(const config::Node& node) {
  const auto text = node.required_text();
  if (text.empty()) return {};
  const auto from = mqtt::TopicFilter::parse(text);
  if (!from) node.mistake(fmt::format("\"{}\" is not a topic filter", text), "e.g. plant1/# or +/temperature");
  return from ? std::optional(*from) : std::nullopt;
}

std::string read_to(const config::Node& node, const std::optional<mqtt::TopicFilter>& from) {
  const auto to = node.text(kPlaceholder);
  if (node.present()) check_to(node, to, from ? from->text() : "x");
  return to;
}

bool takes_the_same(const OutRoute& one, const OutRoute& other) {
  return one.from == other.from && one.own_levels == 0 && other.own_levels == 0;
}

bool takes_the_same(const InRoute& one, const InRoute& other) { return one.from == other.from; }

template <class Route>
void add(const config::Node& node, std::vector<Route>& routes, Route route) {
  const auto same = [&](const Route& other) { return takes_the_same(other, route); };
  if (std::ranges::any_of(routes, same)) {
    node["from"].mistake(
        fmt::format("\"{}\" stands above already, and the first route that matches is taken", route.from.text()));
  }
  routes.push_back(std::move(route));
}

/// What an item of a batch is in the queue. Its properties, which only one message can have, stay behind.
mqtt::PublicationPtr as_item(const mqtt::Publication& publication, std::string_view topic) {
  auto item = std::make_shared<mqtt::Publication>(publication);
  item->payload = batch_item(topic, publication.payload);
  item->properties.clear();
  item->retain = false;
  return item;
}

std::optional<BatchSettings> read_batch(const config::Node& node, const config::Node& to) {
  if (!node.present()) return {};
  BatchSettings batch;
  batch.max_size = static_cast<std::uint32_t>(node["max_size"].size(batch.max_size, 1'000, 100'000'000));
  batch.wait = node["wait"].duration(batch.wait, 0ms, 60s);
  if (to.text(kPlaceholder).find('{') != std::string::npos) {
    to.mistake("a batch goes to one topic", "to: \"sites/plant1\": each item says which local topic it is of");
  }
  return batch;
}

}  // namespace

const OutRoute* find_batch(const std::vector<OutRoute>& routes, std::string_view topic) {
  const auto found = std::ranges::find_if(routes, [&](const OutRoute& one) { return one.batch && one.to == topic; });
  return found == routes.end() ? nullptr : &*found;
}

std::string rewrite(std::string_view to, std::string_view topic) {
  std::string result;
  while (!to.empty()) {
    if (const auto placeholder = parse_placeholder(to)) {
      result += from_level(topic, placeholder->first_level);
      to.remove_prefix(placeholder->size);
    } else {
      const auto next = std::min(to.find('{', 1), to.size());
      result += to.substr(0, next);
      to.remove_prefix(next);
    }
  }
  return result;
}

std::optional<Routed> find_route(const std::vector<OutRoute>& routes, const mqtt::PublicationPtr& publication) {
  const auto route =
      std::ranges::find_if(routes, [&](const OutRoute& one) { return one.from.matches(publication->topic); });
  if (route == routes.end()) return {};
  const auto topic = from_level(publication->topic, route->own_levels);
  Routed routed{publication, {}, route->qos.value_or(publication->qos), route->priority};
  if (route->to != kPlaceholder || route->own_levels > 0) routed.topic = rewrite(route->to, topic);
  if (find_batch(routes, routed.topic.empty() ? publication->topic : routed.topic)) {
    routed.publication = as_item(*publication, topic);
    routed.qos = std::max(Qos::AtLeastOnce, route->qos.value_or(Qos::AtLeastOnce));  // one for all of a batch
    return routed;
  }
  const bool strips = publication->retain && !route->retain;
  if (!strips && route->compress == Compression::None) return routed;
  auto changed = std::make_shared<mqtt::Publication>(*publication);
  changed->retain = publication->retain && route->retain;
  compress(*changed, route->compress);
  routed.publication = std::move(changed);
  return routed;
}

void compress(mqtt::Publication& publication, Compression compression) {
  auto smaller = compressed(compression, publication.payload);
  if (!smaller) return;
  mqtt::PropertyBuilder encoding;
  encoding.add_user("content-encoding", name(compression));
  publication.payload = std::move(*smaller);
  publication.properties += encoding.encoded();
}

void read_routes(const config::Node& node, std::vector<OutRoute>& routes) {
  static constexpr std::array kCompressions{config::Choice<Compression>{"none", Compression::None},
                                            config::Choice<Compression>{"gzip", Compression::Gzip},
                                            config::Choice<Compression>{"zstd", Compression::Zstd}};
  static constexpr std::array kWords{config::Choice<Priority>{"low", Priority::Low},
                                     config::Choice<Priority>{"normal", Priority::Normal},
                                     config::Choice<Priority>{"high", Priority::High}};
  const auto items = node.items();
  for (const auto& item : items) {
    const auto from = read_from(item["from"]);
    const auto to = read_to(item["to"], from);
    const auto qos = read_qos(item["qos"]);
    const bool retain = item["retain"].boolean(true);
    const auto compress = item["compress"].one_of<Compression>(Compression::None, kCompressions);
    const auto batch = read_batch(item["batch"], item["to"]);
    const auto priority = item["priority"].one_of<Priority>(Priority::Normal, kWords);
    const bool has_format = item["format"].present() || item["payload"].present();
    if (!from) continue;
    add(item, routes, OutRoute{*from, to, qos, retain, compress, batch, priority, has_format ? kOwnLevels : 0});
  }
}

void read_routes(const config::Node& node, std::vector<InRoute>& routes) {
  for (const auto& item : node.items()) {
    const auto from = read_from(item["from"]);
    const auto to = read_to(item["to"], from);
    const auto qos = read_qos(item["qos"]).value_or(Qos::AtLeastOnce);
    const auto max_age = item["max_age"].duration(0ms, 100ms);
    if (from) add(item, routes, InRoute{*from, to, qos, max_age});
  }
}

}  // namespace ferrule::bridge
