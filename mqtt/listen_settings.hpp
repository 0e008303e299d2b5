// Reads the `broker.listen` section. Private to mqtt; settings.hpp has the structs and the keys.
#pragma once

#include "mqtt/settings.hpp"

namespace ferrule::mqtt {

std::vector<ListenSettings> read_listeners(const config::Node& list);

}  // namespace ferrule::mqtt
