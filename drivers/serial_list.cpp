#include "drivers/serial_list.hpp"

#include <fmt/format.h>
#include <libserialport.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <system_error>

namespace ferrule::drivers {

namespace {

namespace fs = std::filesystem;

std::string text_of(const char* text) { return text == nullptr ? std::string() : std::string(text); }

SerialPortInfo describe(const sp_port* port) {
  SerialPortInfo info;
  info.device = text_of(::sp_get_port_name(port));
  info.adapter = text_of(::sp_get_port_description(port));
  const auto serial = text_of(::sp_get_port_usb_serial(port));
  if (info.adapter.find(serial) == std::string::npos) info.adapter += ", " + serial;
  info.by_id = link_to(info.device, "/dev/serial/by-id");
  info.users = users_of(info.device, "/proc");
  return info;
}

bool has_open(const fs::path& process, const fs::path& device) {
  std::error_code error;
  for (fs::directory_iterator at(process / "fd", error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;  // closed since, or not ours to see
    if (fs::read_symlink(at->path(), gone) == device && !gone) return true;
  }
  return false;
}

}  // namespace

std::vector<SerialPortInfo> list_serial_ports() {
  sp_port** ports = nullptr;
  if (::sp_list_ports(&ports) != SP_OK) return {};
  std::vector<SerialPortInfo> found;
  for (auto** port = ports; *port != nullptr; ++port) found.push_back(describe(*port));
  ::sp_free_port_list(ports);
  std::ranges::sort(found, {}, &SerialPortInfo::device);
  return found;
}

std::string link_to(const fs::path& device, const fs::path& directory) {
  std::string first;
  std::error_code error;
  const auto wanted = fs::canonical(device, error);
  if (error) return {};
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    std::error_code dangling;
    if (fs::canonical(at->path(), dangling) != wanted || dangling) continue;  // `equivalent` knows no devices
    if (const auto path = at->path().string(); first.empty() || path < first) first = path;
  }
  return first;
}

std::vector<std::string> users_of(const fs::path& device, const fs::path& proc) {
  std::map<int, std::string> users;
  std::error_code error;
  for (fs::directory_iterator at(proc, error), end; !error && at != end; at.increment(error)) {
    const auto name = at->path().filename().string();
    int id = 0;
    const auto* last = name.data() + name.size();
    if (const auto [rest, bad] = std::from_chars(name.data(), last, id); bad != std::errc{} || rest != last) continue;
    if (!has_open(at->path(), device)) continue;
    std::string command;
    std::getline(std::ifstream(at->path() / "comm"), command);
    users.emplace(id, fmt::format("{} ({})", command, id));
  }
  std::vector<std::string> result;
  for (auto& [id, user] : users) result.push_back(std::move(user));
  return result;
}

}  // namespace ferrule::drivers
