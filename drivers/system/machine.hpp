// Reads what Linux says about the machine in /proc and /sys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <tl/expected.hpp>

#include "drivers/fault.hpp"
#include "drivers/system/settings.hpp"

namespace ferrule::drivers::system {

/// Where the kernel's file systems are; elsewhere in tests.
struct Roots {
  std::filesystem::path sys = "/sys";
  std::filesystem::path proc = "/proc";
};

/// Used by one thread. Reads block as long as the kernel does: a 1-wire thermometer takes 0.75 s.
class Machine {
 public:
  explicit Machine(Roots roots) : roots_(std::move(roots)) {}

  /// The value as text, in the unit of its source. PointRejected: there is no such thing; DeviceBusy: it cannot be read
  /// now; BadReply: it says something else than a value, or its checksum is wrong.
  tl::expected<std::string, Fault> read(const PointRule& rule);

 private:
  using Text = tl::expected<std::string, Fault>;

  static Text file(const std::filesystem::path& path);
  Text cpu_temperature(const std::string& type) const;
  Text cpu_used();
  Text memory(bool percent) const;
  Text link(const std::string& interface) const;
  Text one_wire(const std::string& sensor) const;
  static Text disk(const std::string& path, bool percent);
  Text word_of(const std::filesystem::path& path, std::size_t index) const;

  const Roots roots_;
  std::uint64_t cpu_idle_ = 0;  // of /proc/stat, when it was last read
  std::uint64_t cpu_all_ = 0;
};

}  // namespace ferrule::drivers::system
