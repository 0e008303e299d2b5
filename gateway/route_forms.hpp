// Routes of uplinks that ask for a format of their own: what ties the mapping engine to the bridge.
#pragma once

#include <vector>

#include "bridge/settings.hpp"
#include "config/node.hpp"
#include "mapping/route_forms.hpp"

namespace ferrule::gateway {

/// For each route with `format` or `payload` in `uplinks` the mapping engine publishes what the route carries once
/// more, under `$route/UPLINK/NUMBER/TOPIC`, which the route takes instead of `from`. No client may publish there, and
/// no subscription to `#` gets it.
std::vector<mapping::RouteForm> take_route_forms(const config::Node& section,
                                                 std::vector<bridge::UplinkSettings>& uplinks);

}  // namespace ferrule::gateway
