// Whether what a cloud publishes can come out at a topic here.
#pragma once

#include <string_view>
#include <vector>

#include "bridge/routes.hpp"

namespace ferrule::gateway {

/// Whether some topic at the cloud is `topic` here by these routes of an uplink. Looks for topics that have levels of
/// `topic`, whole ones, behind levels of a route's `from`; so false says that none was found.
bool leads_to(const std::vector<bridge::InRoute>& routes, std::string_view topic);

}  // namespace ferrule::gateway
