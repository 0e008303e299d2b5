// How the gateway is, for people and programs: the `status` and `points` commands of the control socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/uplink.hpp"
#include "drivers/bus.hpp"
#include "gateway/event_log.hpp"
#include "mapping/mapper.hpp"

namespace ferrule::gateway {

class ControlCommands;
class Gateway;

/// What is wrong at `now` (unset: nothing is said of how long), e.g. "device plc2" by "no reply in 500 ms", "uplink hq"
/// by "connection refused, 312 messages wait", or an alarm that is active; nothing when all is well. What has not been
/// tried yet is not wrong.
std::vector<Condition> conditions(const std::vector<drivers::BusStatus>& buses,
                                  const std::vector<bridge::UplinkStatus>& uplinks,
                                  const std::vector<mapping::AlarmStatus>& alarms = {},
                                  std::chrono::steady_clock::time_point now = {});
/// The same as sentences: "device plc2: no reply in 500 ms, unit 7 on line1, silent for 4 min".
std::vector<std::string> problems(const std::vector<Condition>& conditions);

/// "3 min 20 s", in two units at most.
std::string in_words(std::chrono::seconds time);

/// As docs/control.md has it.
nlohmann::json status_of(const Gateway& gateway);
nlohmann::json devices_of(const Gateway& gateway);
/// Of one device, or of all when its name is empty; `most` at most.
nlohmann::json points_of(const Gateway& gateway, std::string_view device = {}, std::size_t most = SIZE_MAX,
                         std::size_t after = 0);
nlohmann::json events_of(const Gateway& gateway, std::size_t limit);  ///< the newest, the oldest of them first

/// Adds the commands `status`, `devices`, `points` and `events`; `gateway` outlives `commands`.
void add_status_commands(ControlCommands& commands, const Gateway& gateway);

/// The status, from what the `status` command answered: on one screen, so that of many devices only those are listed
/// with which something is wrong, and not all of these if there are many; or `all` of it.
std::string status_text(const nlohmann::json& status, bool all = false);
/// A table, a line for each point, from what the `points` command answered.
std::string points_text(const nlohmann::json& points);

}  // namespace ferrule::gateway
