#include "gateway/uplink_test.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sysexits.h>

#include <algorithm>

#include "bridge/probe.hpp"
#include "gateway/settings.hpp"

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

const bridge::UplinkSettings* find_uplink(const std::vector<bridge::UplinkSettings>& uplinks, const std::string& name) {
  const auto found = std::ranges::find(uplinks, name, &bridge::UplinkSettings::name);
  if (found != uplinks.end()) return &*found;
  std::vector<std::string> names;
  for (const auto& uplink : uplinks) names.push_back(uplink.name);
  fmt::print(stderr, "ferrule: there is no uplink {}; there are: {}\n", name, fmt::join(names, ", "));
  return nullptr;
}

}  // namespace

int test_uplink(const UplinkTestOptions& options) {
  const auto all = load_settings(options.file);
  const auto* found = find_uplink(all.uplinks, options.uplink);
  if (found == nullptr) return EX_USAGE;
  auto settings = *found;
  if (!options.as_itself) {  // leaves no session behind, nor a word of its end
    settings.client_id += "-test";
    settings.session_expiry = 0s;
    settings.status_topic.clear();
  }
  auto topic = options.topic.empty() ? bridge::probe_topic(settings) : options.topic;
  if (!options.publish) topic.clear();
  bool all_passed = true;
  for (const auto& url : settings.urls) {
    fmt::print("{}\n", url);
    const auto server = bridge::parse_url(url);
    const bool passed = server && bridge::probe(settings, *server, topic, [](const bridge::ProbeStep& step) {
                          fmt::print("  {:<9} {:>5} ms  {}{}\n", step.name, step.time.count(),
                                     step.passed ? "" : "FAILED: ", step.text);
                          std::fflush(stdout);
                        });
    all_passed = all_passed && passed;
  }
  return all_passed ? EX_OK : EX_UNAVAILABLE;
}

}  // namespace ferrule::gateway
