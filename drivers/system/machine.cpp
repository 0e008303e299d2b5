#include "drivers/system/machine.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <sstream>
#include <string_view>
#include <system_error>
#include <vector>

namespace ferrule::drivers::system {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = 8192;  // of a file; the rest does not matter

// Types of thermal zones that are the processor's, the better ones first.
constexpr std::array<std::string_view, 6> kProcessors{"x86_pkg_temp", "cpu-thermal", "cpu_thermal",
                                                      "soc_thermal",  "soc-thermal", "acpitz"};

tl::unexpected<Fault> failed(Failure failure, const fs::path& path, std::string_view why) {
  return tl::unexpected(Fault{failure, fmt::format("{}: {}", path.string(), why)});
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return value;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(std::move(word));
  return words;
}

/// Millidegrees, perhaps below zero, as degrees.
std::optional<std::string> degrees(std::string_view text) {
  std::int64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return fmt::format("{}", static_cast<double>(value) / 1000);
}

std::string percent(double part, double whole) { return fmt::format("{:.1f}", whole > 0 ? 100 * part / whole : 0.0); }

}  // namespace

tl::expected<std::string, Fault> Machine::read(const PointRule& rule) {
  const auto statistics = [&](const char* name) {
    return word_of(roots_.sys / "class/net" / rule.name / "statistics" / name, 0);
  };
  switch (rule.source) {
    case Source::CpuTemperature:
      return cpu_temperature(rule.name);
    case Source::CpuUsed:
      return cpu_used();
    case Source::Load:
      return word_of(roots_.proc / "loadavg", 0);
    case Source::MemoryUsed:
      return memory(true);
    case Source::MemoryAvailable:
      return memory(false);
    case Source::DiskUsed:
      return disk(rule.name, true);
    case Source::DiskFree:
      return disk(rule.name, false);
    case Source::Link:
      return link(rule.name);
    case Source::Received:
      return statistics("rx_bytes");
    case Source::Sent:
      return statistics("tx_bytes");
    case Source::Uptime:
      return word_of(roots_.proc / "uptime", 0);
    case Source::OneWire:
      return one_wire(rule.name);
    case Source::File:
      return word_of(rule.name, 0);
    case Source::Gpio:
      break;
  }
  return failed(Failure::PointRejected, rule.name, "is no file");
}

/// At most its first 8 KiB.
Machine::Text Machine::file(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const bool wrong = errno == ENOENT || errno == ENOTDIR || errno == EACCES;
    return failed(wrong ? Failure::PointRejected : Failure::DeviceBusy, path, std::strerror(errno));
  }
  std::string text(kMostBytes, '\0');
  std::size_t used = 0;
  ssize_t got = 0;
  while (used < text.size() && (got = ::read(descriptor, text.data() + used, text.size() - used)) > 0) {
    used += static_cast<std::size_t>(got);
  }
  const int error = errno;
  ::close(descriptor);
  if (got < 0) return failed(Failure::DeviceBusy, path, std::strerror(error));
  text.resize(used);
  return text;
}

Machine::Text Machine::word_of(const fs::path& path, std::size_t index) const {
  const auto text = file(path);
  if (!text) return text;
  auto words = words_of(*text);
  if (index >= words.size()) return failed(Failure::BadReply, path, "is empty");
  return std::move(words[index]);
}

/// Of the zone of that type; without one of the processor's, or of the first.
Machine::Text Machine::cpu_temperature(const std::string& type) const {
  const auto directory = roots_.sys / "class/thermal";
  std::vector<std::pair<std::size_t, fs::path>> zones;  // by preference
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (!at->path().filename().string().starts_with("thermal_zone")) continue;
    const auto found = word_of(at->path() / "type", 0);
    if (!found || (!type.empty() && *found != type)) continue;
    const auto rank = static_cast<std::size_t>(std::ranges::find(kProcessors, *found) - kProcessors.begin());
    zones.emplace_back(rank, at->path());
  }
  if (zones.empty()) return failed(Failure::PointRejected, directory, "no such zone");
  const auto path = std::ranges::min_element(zones)->second / "temp";
  const auto text = word_of(path, 0);
  if (!text) return text;
  if (auto value = degrees(*text)) return std::move(*value);
  return failed(Failure::BadReply, path, "is no temperature");
}

/// Since it was last asked, at first since the machine was started.
Machine::Text Machine::cpu_used() {
  const auto path = roots_.proc / "stat";
  const auto text = file(path);
  if (!text) return text;
  const auto words = words_of(text->substr(0, text->find('\n')));
  // cpu user nice system idle iowait irq softirq steal guest guest_nice (proc(5)); guest time is part of user time.
  if (words.size() < 9 || words[0] != "cpu") return failed(Failure::BadReply, path, "has no line of the processor");
  std::uint64_t all = 0;
  std::uint64_t idle = 0;
  for (std::size_t i = 1; i < 9; ++i) {
    const auto value = number(words[i]);
    if (!value) return failed(Failure::BadReply, path, "has something else than numbers");
    all += *value;
    if (i == 4 || i == 5) idle += *value;
  }
  const auto past = all - std::exchange(cpu_all_, all);
  const auto spent_idle = idle - std::exchange(cpu_idle_, idle);
  return percent(static_cast<double>(past) - static_cast<double>(spent_idle), static_cast<double>(past));
}

Machine::Text Machine::memory(bool in_percent) const {
  const auto path = roots_.proc / "meminfo";
  const auto text = file(path);
  if (!text) return text;
  const auto words = words_of(*text);
  const auto kilobytes = [&](std::string_view key) -> std::optional<std::uint64_t> {
    const auto found = std::ranges::find(words, key);
    return words.end() - found < 2 ? std::nullopt : number(found[1]);
  };
  const auto total = kilobytes("MemTotal:");
  const auto available = kilobytes("MemAvailable:");
  if (!total || !available || *available > *total) return failed(Failure::BadReply, path, "does not say");
  if (!in_percent) return fmt::format("{}", *available * 1024);
  return percent(static_cast<double>(*total - *available), static_cast<double>(*total));
}

Machine::Text Machine::disk(const std::string& path, bool in_percent) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) {
    return failed(errno == ENOENT ? Failure::PointRejected : Failure::DeviceBusy, path, std::strerror(errno));
  }
  if (!in_percent) return fmt::format("{}", std::uint64_t{status.f_bavail} * status.f_frsize);
  const auto used = status.f_blocks - status.f_bfree;
  return percent(static_cast<double>(used), static_cast<double>(used + status.f_bavail));
}

/// Virtual interfaces say "unknown" while they work (Linux Documentation/networking/operstates.rst).
Machine::Text Machine::link(const std::string& interface) const {
  const auto state = word_of(roots_.sys / "class/net" / interface / "operstate", 0);
  if (!state) return state;
  return *state == "up" || *state == "unknown" ? "true" : "false";
}

/// Two lines (Linux Documentation/w1/slaves/w1_therm.rst): `... : crc=4a YES`, `... t=23125`.
Machine::Text Machine::one_wire(const std::string& sensor) const {
  const auto path = roots_.sys / "bus/w1/devices" / sensor / "w1_slave";
  const auto text = file(path);
  if (!text) return text;
  if (text->empty()) return failed(Failure::DeviceBusy, path, "the sensor does not answer");
  const auto words = words_of(*text);
  if (std::ranges::find(words, "YES") == words.end()) return failed(Failure::BadReply, path, "wrong checksum");
  if (words.back().starts_with("t=")) {
    if (auto value = degrees(std::string_view(words.back()).substr(2))) return std::move(*value);
  }
  return failed(Failure::BadReply, path, "is no temperature");
}

}  // namespace ferrule::drivers::system
