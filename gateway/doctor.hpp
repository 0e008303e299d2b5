// `ferrule doctor`: what keeps a gateway from working on this machine, each with the command that mends it.
#pragma once

#include <netdb.h>

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gateway/settings.hpp"

namespace ferrule::gateway {

struct Finding {
  bool bad = false;
  std::string what;    ///< what was looked at: "state directory /var/lib/ferrule"
  std::string detail;  ///< how it is
  std::string mend;    ///< a command; empty when all is well
};

struct DoctorOptions {
  std::filesystem::path file;
  std::filesystem::path socket;  ///< empty: what the configuration says
};

/// Prints the findings. 0: all is well; 1: something is not. What it tries is what the gateway would do anyway:
/// addresses are bound and devices connected to only while no gateway runs.
int doctor(const DoctorOptions& options);

/// How many days a certificate (PEM; the first of the file) is valid from `now` on, negative when it has expired;
/// nothing when it cannot be read.
std::optional<std::int64_t> days_left(const std::filesystem::path& certificate, std::time_t now);

/// Why none of a host's addresses takes a TCP connection, by the first of them; empty when one does. Up to 3 s for
/// each.
std::string why_unreachable(const addrinfo& addresses);

}  // namespace ferrule::gateway
