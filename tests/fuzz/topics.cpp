// Hostile topics and filters: the subscription tree, the retained topics and TopicFilter::matches must all agree with
// the plainest reading of MQTT 5 section 4.7. Input: lines; the first is a topic, each further one what stands in a
// SUBSCRIBE
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/retained.hpp"
#include "mqtt/subscription_tree.hpp"
#include "mqtt/topic.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::mqtt;
using ferrule::fuzz::require;

class Client : public Subscriber {
 public:
  Client() { online_ = ready_ = true; }
};

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (std::size_t end = 0; end != std::string_view::npos; text.remove_prefix(end + 1)) {
    end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
  }
  return parts;
}

/// Both are valid.
bool matches(std::string_view filter, std::string_view topic) {
  const auto wanted = split(filter, '/');
  const auto levels = split(topic, '/');
  if (topic.front() == '$' && (wanted[0] == "#" || wanted[0] == "+")) return false;  // [MQTT-4.7.2-1]
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "#") return true;  // the parent level too
    if (i == levels.size() || (wanted[i] != "+" && wanted[i] != levels[i])) return false;
  }
  return wanted.size() == levels.size();
}

bool is_retained_match(std::string_view topic, std::string_view filter) {
  Retained retained(1);
  Publication publication;
  publication.topic = topic;
  publication.payload = "x";
  retained.keep(publication);
  std::vector<Retained::Id> found;
  retained.find(filter, found);
  return !found.empty();
}

/// Whether `topic`, subscribed to by this filter alone, would be delivered.
void check_filter(std::string_view topic, std::string_view filter) {
  const bool expected = matches(filter, topic);
  const auto parsed = TopicFilter::parse(std::string(filter));
  // Inside a shared subscription `$share/...` is a filter like others; a TopicFilter is never shared.
  require(parsed.has_value() || filter.starts_with("$share/"), "TopicFilter takes every filter");
  if (parsed) require(parsed->matches(topic) == expected, "TopicFilter::matches is right");
  require(is_retained_match(topic, filter) == expected, "retained topics are found by their filters");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto lines = split({reinterpret_cast<const char*>(data), size}, '\n');
  const std::string_view topic = lines[0];
  require(check_topic_name(topic).has_value() == is_valid_topic_name(topic), "both checks of a topic agree");
  const bool routable = is_valid_topic_name(topic);

  Client client;
  SubscriptionTree tree;
  std::vector<ShareFilter> subscriptions;
  bool expected = false;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto share = split_share(lines[i]);
    if (!share) continue;
    require(is_valid_topic_filter(share->filter), "what split_share lets through is a filter");
    subscriptions.push_back(*share);
    tree.add(client, share->group, share->filter, {}, static_cast<std::uint32_t>(i));
    if (!routable) continue;
    check_filter(topic, share->filter);
    expected = expected || matches(share->filter, topic);
  }
  require(tree.size() == client.subscriptions(), "the tree counts what its only client has");
  if (routable) {
    Matches found;
    tree.match(topic, nullptr, found);
    require(found.all().empty() == !expected, "the tree finds what its filters match");
  }
  for (const ShareFilter& one : subscriptions) tree.remove(client, one.group, one.filter);
  require(tree.size() == 0 && client.subscriptions() == 0, "what was added can be removed");
  return 0;
}
