// `ferrule diag`: everything a bug report needs, in one file, without secrets.
#pragma once

#include <filesystem>

namespace ferrule::gateway {

struct DiagOptions {
  std::filesystem::path file;    ///< configuration; may be empty
  std::filesystem::path socket;  ///< empty: default_control_socket()
  std::filesystem::path output;  ///< empty: ferrule-diag-<UTC time>.tar.gz here
};

/// Writes status, points and events of the running gateway, the configuration as `redacted` leaves it, versions and the
/// newest lines of the journal; what cannot be had is named in it. Prints where it is. Throws config::Error when it
/// cannot be written.
int diag(const DiagOptions& options);

}  // namespace ferrule::gateway
