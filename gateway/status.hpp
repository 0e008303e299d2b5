// How the gateway is, for people and programs: the `status` and `points` commands of the control socket.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bridge/uplink.hpp"
#include "drivers/bus.hpp"

namespace ferrule::gateway {

class Control;
class Gateway;

/// What is wrong, a sentence each, e.g. "device plc2: timeout" or "uplink hq: connection refused, 312 messages wait";
/// empty when all is well. What has not been tried yet is not wrong.
std::vector<std::string> problems(const std::vector<drivers::BusStatus>& buses,
                                  const std::vector<bridge::UplinkStatus>& uplinks);

/// As docs/control.md has it.
nlohmann::json status_of(const Gateway& gateway);
nlohmann::json points_of(const Gateway& gateway);

/// Adds the commands `status` and `points`; `gateway` outlives `control`.
void add_status_commands(Control& control, const Gateway& gateway);

/// The status on one screen, from what the `status` command answered.
std::string status_text(const nlohmann::json& status);
/// A table, a line for each point, from what the `points` command answered.
std::string points_text(const nlohmann::json& points);

}  // namespace ferrule::gateway
