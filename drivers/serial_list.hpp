// The serial ports of this machine: what they are called for good, and who has them open.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ferrule::drivers {

struct SerialPortInfo {
  std::string device;              ///< `/dev/ttyUSB0`: may be another one's name after the next start
  std::string by_id;               ///< the link to put into a configuration; empty when the port has none
  std::string adapter;             ///< what the port says of itself; empty when it says nothing
  std::vector<std::string> users;  ///< processes that have it open, `mbpoll (4711)`; of other users only root sees them
};

/// By device. Opens none of them.
std::vector<SerialPortInfo> list_serial_ports();

/// The first link in `directory` that leads to `device`, by name; empty when there is none.
std::string link_to(const std::filesystem::path& device, const std::filesystem::path& directory);

/// The processes under `proc` (laid out like /proc) that have `device` open, by process id.
std::vector<std::string> users_of(const std::filesystem::path& device, const std::filesystem::path& proc);

}  // namespace ferrule::drivers
