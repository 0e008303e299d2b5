#include "gateway/settings_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gateway/settings.hpp"
#include "mapping/homeassistant.hpp"
#include "mqtt/access.hpp"

namespace ferrule::gateway {

namespace {

/// Whether everything that matches `narrow` matches `wide`.
bool covers(const std::string& wide, const std::string& narrow) {
  const mqtt::RuleList list({{wide, true}});
  return mqtt::Rights({&list, nullptr, nullptr}, {}).coverage(narrow) == mqtt::Coverage::All;
}

template <class Route>
void warn_of_covered(const config::Node& list, const std::vector<Route>& routes) {
  const auto nodes = list.items();
  for (std::size_t i = 1; i < std::min(nodes.size(), routes.size()); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto& above = routes[j].from.text();
      if (above == routes[i].from.text() || !covers(above, routes[i].from.text())) continue;  // the same is a mistake
      nodes[i]["from"].warning(fmt::format(
          "nothing ever takes this route: \"{}\" above matches all of it, and the first that matches is taken", above));
      break;
    }
  }
}

constexpr std::size_t kMostCompared = 300;  // rules of a list, each with each

/// Of one list, in which a rule that denies wins wherever it stands.
void warn_of_useless_rules(const config::Node& list) {
  if (!list.is_list()) return;
  const auto items = list.items();
  std::vector<std::string> rules;
  for (const auto& item : items) rules.push_back(item.text());
  const auto denies = [](const std::string& rule) { return rule.starts_with('!'); };
  const auto filter = [&](const std::string& rule) { return rule.substr(denies(rule) ? 1 : 0); };
  const auto count = std::min(rules.size(), kMostCompared);
  /// One that denies or permits as asked, and leaves this one nothing.
  const auto other_than = [&](std::size_t rule, bool denying) {
    for (std::size_t other = 0; other < count; ++other) {
      const bool counts = other != rule && (other < rule || rules[other] != rules[rule]);  // of two alike the second
      if (counts && denies(rules[other]) == denying && covers(filter(rules[other]), filter(rules[rule]))) return other;
    }
    return count;
  };
  for (std::size_t rule = 0; rule < count; ++rule) {
    const auto denied_by = denies(rules[rule]) ? count : other_than(rule, true);
    const auto said_by = other_than(rule, denies(rules[rule]));
    if (denied_by < count) {
      items[rule].warning(
          fmt::format("permits nothing: \"{}\" denies all of it, wherever it stands", rules[denied_by]));
    } else if (said_by < count) {
      items[rule].warning(fmt::format("adds nothing: \"{}\" says the same of all of it", rules[said_by]));
    }
  }
}

/// Whether somebody, or somebody with a client id that nobody here knows, may publish there.
class Publishers {
 public:
  explicit Publishers(const mqtt::AccessSettings& settings) : access_(settings) {
    using mqtt::Proof;
    who_.push_back({{}, Proof::None, mqtt::Identity::kNoListener});
    for (const auto& [name, user] : settings.users) {
      who_.push_back({name, Proof::Password, mqtt::Identity::kNoListener});
      who_.push_back({name, Proof::Certificate, mqtt::Identity::kNoListener});
    }
    clients_.emplace_back();
    for (const auto& [id, rules] : settings.clients) clients_.push_back(id);
  }
  bool any_may(const std::string& topic) const {
    return std::ranges::any_of(who_, [&](const auto& who) {
      return std::ranges::any_of(clients_, [&](const auto& id) { return access_.may_publish(who, id).allow(topic); });
    });
  }

 private:
  const mqtt::Access access_;
  std::vector<mqtt::Identity> who_;
  std::vector<std::string> clients_;
};

/// Rules that are about each client's own topics can be about any.
bool names_clients(const mqtt::AccessSettings& settings) {
  const auto names = [](const mqtt::RuleSettings& rules) {
    return std::ranges::any_of(rules.publish,
                               [](const auto& rule) { return rule.filter.find("%c") != std::string::npos; });
  };
  return names(settings.everyone) || names(settings.anonymous) ||
         std::ranges::any_of(settings.users, [&](const auto& user) { return names(user.second.rules); });
}

bool shown_for_writing(const Settings& settings, std::size_t bus, std::size_t point) {
  return std::ranges::any_of(settings.modbus_servers, [&](const auto& one) {
    return std::ranges::any_of(one.server.points, [&](const auto& shown) {
      return shown.writable && shown.bus == bus && shown.point == point;
    });
  });
}

}  // namespace

void warn_of_unreachable_routes(const config::Node& root, const Settings& settings) {
  for (const auto& uplink : settings.uplinks) {
    const auto node = root["uplinks"][uplink.name];
    warn_of_covered(node["out"], uplink.out);
    warn_of_covered(node["in"], uplink.in);
  }
}

void tell_clouds_of_status(const config::Node& root, Settings& settings) {
  const auto status = mapping::status_topic(settings.id);
  for (const auto& bus : settings.mappings) {
    const auto found = std::ranges::find(bus.announcements, status, &mqtt::Publication::topic);
    if (found == bus.announcements.end()) continue;
    for (auto& uplink : settings.uplinks) {
      const auto routed = bridge::find_route(uplink.out, *std::prev(found));  // that of the first device
      if (!routed || !routed->topic.empty() || uplink.status_topic == status) continue;
      const bool may_leave_will = uplink.client == bridge::Client::Ferrule && uplink.retain;
      if (uplink.status_topic.empty() && may_leave_will) {
        uplink.status_topic = status;
        continue;
      }
      root["uplinks"][uplink.name].warning(fmt::format(
          "carries what Home Assistant is told, but {}: there a gateway that is cut off looks as if it were "
          "here (leave out \"status_topic\", or say \"{}\")",
          may_leave_will ? "its status is elsewhere" : "leaves no retained will", status));
    }
    return;
  }
}

void warn_of_useless_rules(const config::Node& root, const Settings& settings) {
  if (!settings.broker.access.restricted) return;
  const auto look = [](const config::Node& rules) {
    warn_of_useless_rules(rules["subscribe"]);
    warn_of_useless_rules(rules["publish"]);
  };
  const auto broker = root["broker"];
  for (const auto* key : {"users", "clients"}) {
    for (const auto& [name, rules] : broker[key].entries()) look(rules);
  }
  look(broker["everyone"]);
  look(broker["anonymous"]);
}

void warn_of_shut_out_commands(const config::Node& root, const Settings& settings) {
  const auto& access = settings.broker.access;
  const bool from_clouds = std::ranges::any_of(settings.uplinks, [](const auto& uplink) { return !uplink.in.empty(); });
  if (!access.restricted || from_clouds || names_clients(access)) return;
  const Publishers publishers(access);
  std::size_t shut_out = 0;
  std::string first;
  for (std::size_t bus = 0; bus < settings.buses.size(); ++bus) {
    std::size_t index = 0;
    for (const auto& device : settings.buses[bus].devices) {
      for (const auto& point : device.points) {
        const auto& mapping = settings.mappings[bus].points[index];
        if (point.write && !mapping.topic.empty() && !shown_for_writing(settings, bus, index)) {
          const auto topic = mapping::command_topic(mapping);
          if (!publishers.any_may(topic) && ++shut_out == 1) first = topic;
        }
        ++index;
      }
    }
  }
  if (shut_out == 0) return;
  root["broker"].warning(
      fmt::format("nobody may publish to {}{}: no rule permits it, so the commands of this point are shut out", first,
                  shut_out == 1 ? "" : fmt::format(" and {} more", shut_out - 1)));
}

}  // namespace ferrule::gateway
