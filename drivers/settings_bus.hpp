// Keys of a bus that several drivers have.
#pragma once

#include "drivers/settings.hpp"

namespace ferrule::drivers {

/// `timeout`, `retries`, `offline` and `reconnect`: of a bus whose devices are asked.
void read_polling(const config::Node& node, BusSettings& bus);

/// `host`, `port`, `keepalive` and `connect_delay`. The defaults are those in `bus`.
void read_tcp(const config::Node& node, BusSettings& bus);

/// `port`, a path, and `line` without its data bits. The defaults are those in `bus`.
void read_serial_line(const config::Node& node, BusSettings& bus);

}  // namespace ferrule::drivers
