// What the control socket answered, as text for people.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "gateway/status.hpp"
#include "mqtt/log_limit.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;

// Of more there are only counts, so that all has room on one screen.
constexpr std::size_t kMostDevices = 12;
constexpr std::size_t kMostBuses = 5;
constexpr std::size_t kMostBad = 6;  // devices, and problems

/// A member for people: as text, without what a terminal would take for a command.
std::string word(const json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return "-";
  return mqtt::for_log(found->is_string() ? found->get<std::string>() : found->dump());
}

bool is_good(const json& device) {
  const auto state = device.value("state", "");
  return state == "ok" || state == "write-only";
}

json devices_in(const json& bus) { return bus.value("devices", json::array()); }

std::size_t count_good(const json& devices) {
  return static_cast<std::size_t>(std::ranges::count_if(devices, is_good));
}

/// How the bus is, and `count`, what is said of its devices instead of listing them.
std::string bus_line(const json& bus, const std::string& count) {
  const auto trouble = bus.value("trouble", "");
  auto line = fmt::format("{:<14} {:<16}", word(bus, "name"), count);
  if (!trouble.empty()) line += ' ' + mqtt::for_log(trouble);
  if (const auto share = bus.find("utilisation"); trouble.empty() && share != bus.end() && share->is_number()) {
    line += fmt::format(" {:.0f} % busy", share->get<double>() * 100);
    const auto planned = bus.find("planned");
    if (planned != bus.end() && planned->is_number())
      line += fmt::format(", planned {:.0f} %", planned->get<double>() * 100);
  }
  return line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
}

std::string device_line(const json& device) {
  const auto failure = word(device, "failure");
  const auto state = failure == "-" ? word(device, "state") : fmt::format("{}: {}", word(device, "state"), failure);
  return fmt::format("{:<14} {:<16} {:<28} {:>10} {:>10} {:>9}\n", "", word(device, "name"), state,
                     word(device, "polls"), word(device, "failures"), word(device, "overruns"));
}

/// Buses and devices with something wrong, few of them, and how many others there are.
void append_brief_buses(std::string& text, const json& buses) {
  std::size_t quiet_buses = 0, quiet_devices = 0, listed = 0, unlisted = 0, shown = 0;
  for (const auto& bus : buses) {
    const auto devices = devices_in(bus);
    const auto good = count_good(devices);
    const bool quiet = good == devices.size() && bus.value("trouble", "").empty();
    if (shown >= (quiet ? kMostBuses : kMostBuses + kMostBad)) {
      quiet_buses += quiet ? 1 : 0;
      quiet_devices += quiet ? good : 0;
      unlisted += devices.size() - good;
      continue;
    }
    ++shown;
    text += bus_line(bus, fmt::format("{} of {} ok", good, devices.size()));
    for (const auto& device : devices) {
      if (is_good(device)) continue;
      if (listed < kMostBad) text += device_line(device);
      ++(listed < kMostBad ? listed : unlisted);
    }
  }
  if (quiet_buses > 0) text += fmt::format("{} more buses with {} devices: all ok\n", quiet_buses, quiet_devices);
  if (unlisted > 0) text += fmt::format("{} more that are not ok: ferrule status --all\n", unlisted);
}

void append_buses(std::string& text, const json& buses, bool all) {
  if (buses.empty()) return;
  std::size_t devices = 0;
  for (const auto& bus : buses) devices += devices_in(bus).size();
  fmt::format_to(std::back_inserter(text), "\n{:<14} {:<16} {:<28} {:>10} {:>10} {:>9}\n", "bus", "device", "state",
                 "polls", "failures", "overruns");
  if (!all && devices > kMostDevices) return append_brief_buses(text, buses);
  for (const auto& bus : buses) {
    text += bus_line(bus, "");
    for (const auto& device : devices_in(bus)) text += device_line(device);
  }
}

void append_problems(std::string& text, const json& problems, bool all) {
  text += fmt::format("{} problem{}:\n", problems.size(), problems.size() == 1 ? "" : "s");
  const auto shown = all || problems.size() <= kMostBad + 1 ? problems.size() : kMostBad;
  for (std::size_t i = 0; i < shown; ++i) text += fmt::format("  {}\n", mqtt::for_log(problems[i].get<std::string>()));
  if (shown < problems.size()) text += fmt::format("  and {} more: ferrule status --all\n", problems.size() - shown);
}

void append_uplinks(std::string& text, const json& uplinks) {
  if (uplinks.empty()) return;
  fmt::format_to(std::back_inserter(text), "\n{:<14} {:<12} {:>8} {:>12} {:>8} {:>8}  {}\n", "uplink", "state", "queue",
                 "delivered", "dropped", "parked", "last error");
  for (const auto& uplink : uplinks) {
    auto line = fmt::format("{:<14} {:<12} {:>8} {:>12} {:>8} {:>8}  {}", word(uplink, "name"), word(uplink, "state"),
                            word(uplink, "queued"), word(uplink, "acknowledged"), word(uplink, "dropped"),
                            word(uplink, "parked"), word(uplink, "last_error"));
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
}

}  // namespace

std::string in_words(std::chrono::seconds time) {
  const auto total = time.count();
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {} s", total / 60, total % 60);
  if (total < 86400) return fmt::format("{} h {} min", total / 3600, total / 60 % 60);
  return fmt::format("{} d {} h", total / 86400, total / 3600 % 24);
}

std::string status_text(const json& status, bool all) {
  const auto found = status.value("problems", json::array());
  auto text = fmt::format("ferrule {} runs {} for {}\n", word(status, "version"), word(status, "id"),
                          in_words(std::chrono::seconds(static_cast<std::int64_t>(status.value("uptime", 0.0)))));
  if (found.empty()) {
    text += fmt::format("all is well: {}\n", word(status, "summary"));
  } else {
    append_problems(text, found, all);
  }
  append_buses(text, status.value("buses", json::array()), all);
  append_uplinks(text, status.value("uplinks", json::array()));
  const auto broker = status.value("broker", json::object());
  std::vector<std::string> listening;
  for (const auto& name : broker.value("listening", json::array())) listening.push_back(name.get<std::string>());
  text += fmt::format("\nbroker on {}: {} clients, {} messages in, {} out, {} dropped\n", fmt::join(listening, ", "),
                      word(broker, "clients"), word(broker, "received"), word(broker, "sent"), word(broker, "dropped"));
  return text;
}

std::string points_text(const json& points) {
  auto text =
      fmt::format("{:<16} {:<20} {:>14} {:<6} {:<24} {:>9}\n", "device", "point", "value", "unit", "quality", "age");
  for (const auto& point : points) {
    const auto failure = word(point, "failure");
    const auto age = point.find("age");
    fmt::format_to(std::back_inserter(text), "{:<16} {:<20} {:>14} {:<6} {:<24} {:>9}\n", word(point, "device"),
                   word(point, "point"), word(point, "value"), word(point, "unit"),
                   failure == "-" ? word(point, "quality") : fmt::format("{}: {}", word(point, "quality"), failure),
                   age != point.end() && age->is_number() ? fmt::format("{:.1f} s", age->get<double>()) : "-");
  }
  return text;
}

}  // namespace ferrule::gateway
