#include "gateway/route_forms.hpp"

#include <fmt/format.h>

#include <utility>

namespace ferrule::gateway {

std::vector<mapping::RouteForm> take_route_forms(const config::Node& section,
                                                 std::vector<bridge::UplinkSettings>& uplinks) {
  std::vector<mapping::RouteForm> forms;
  for (auto& uplink : uplinks) {
    const auto items = section[uplink.name]["out"].items();
    for (std::size_t i = 0; i < items.size(); ++i) {
      auto form = mapping::read_form(items[i]);
      auto prefix = fmt::format("$route/{}/{}", uplink.name, i + 1);
      auto from = mqtt::TopicFilter::parse(prefix + "/#");
      if (!form || !from || items.size() != uplink.out.size())
        continue;  // names and routes with a mistake: told already
      auto& route = uplink.out[i];
      forms.push_back({std::exchange(route.from, std::move(*from)), std::move(*form), std::move(prefix)});
    }
  }
  return forms;
}

}  // namespace ferrule::gateway
