// `ferrule queue`: what waits for a cloud, and what the cloud refused for good.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/uplink.hpp"
#include "gateway/ask.hpp"
#include "gateway/control_commands.hpp"
#include "gateway/withheld.hpp"

namespace ferrule::gateway {

struct QueueOptions {
  AskOptions ask;
  std::filesystem::path state_dir;  ///< look into this one, of a gateway that does not run
  std::string uplink;               ///< empty: all
  std::vector<std::uint64_t> seqs;
  bool all = false;
  bool queued = false;  ///< what waits, rather than what was refused
};

int list_queue(const QueueOptions& options);    ///< a line for each
int show_queue(const QueueOptions& options);    ///< one with its payload
int export_queue(const QueueOptions& options);  ///< JSON lines, with payloads
int retry_parked(const QueueOptions& options);
int drop_parked(const QueueOptions& options);

using UplinkList = std::vector<std::unique_ptr<bridge::Uplink>>;
/// Adds `queue`; `uplinks` outlive the commands. `withheld` says whose payloads of an uplink are not shown. `note`
/// hears who decided over parked messages, and how.
void add_queue_commands(ControlCommands& commands, const UplinkList& uplinks,
                        std::function<Withheld(const std::string& uplink)> withheld,
                        std::function<void(std::string_view who, std::string_view what)> note);

}  // namespace ferrule::gateway
