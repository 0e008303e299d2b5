#include "gateway/way_in.hpp"

#include <algorithm>
#include <string>

namespace ferrule::gateway {

namespace {

std::vector<std::string> levels_of(std::string_view text) {
  std::vector<std::string> levels;
  for (;;) {
    const auto slash = text.find('/');
    levels.emplace_back(text.substr(0, slash));
    if (slash == text.npos) return levels;
    text.remove_prefix(slash + 1);
  }
}

void append(std::string& topic, const std::string& level) {
  if (!topic.empty()) topic += '/';
  topic += level;
}

/// The first levels of a topic that matches the filter: none, one, two ...
std::vector<std::string> heads_of(const std::string& filter) {
  std::vector<std::string> heads{{}};
  for (const auto& level : levels_of(filter)) {
    if (level == "#") break;
    heads.push_back(heads.back());
    append(heads.back(), level == "+" ? "x" : level);
  }
  return heads;
}

/// Every run of levels, and the empty one.
std::vector<std::string> runs_of(std::string_view topic) {
  const auto levels = levels_of(topic);
  std::vector<std::string> runs{{}};
  for (std::size_t first = 0; first < levels.size(); ++first) {
    std::string run;
    for (std::size_t i = first; i < levels.size(); ++i) {
      append(run, levels[i]);
      runs.push_back(run);
    }
  }
  return runs;
}

/// As Inbound::take does it.
std::string here(const std::vector<bridge::InRoute>& routes, const std::string& at_cloud) {
  const auto route = std::ranges::find_if(routes, [&](const auto& one) { return one.from.matches(at_cloud); });
  return route == routes.end() ? std::string() : bridge::rewrite(route->to, at_cloud);
}

}  // namespace

bool leads_to(const std::vector<bridge::InRoute>& routes, std::string_view topic) {
  const auto runs = runs_of(topic);
  for (const auto& route : routes) {
    for (const auto& head : heads_of(route.from.text())) {
      const bool found = std::ranges::any_of(runs, [&](const auto& run) {
        auto at_cloud = head;
        if (!run.empty()) append(at_cloud, run);
        return !at_cloud.empty() && here(routes, at_cloud) == topic;
      });
      if (found) return true;
    }
  }
  return false;
}

}  // namespace ferrule::gateway
