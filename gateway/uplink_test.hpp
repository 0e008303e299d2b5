// `ferrule uplink test`: tries the way to a cloud, for the person who sets it up.
#pragma once

#include <filesystem>
#include <string>

namespace ferrule::gateway {

struct UplinkTestOptions {
  std::filesystem::path file;
  std::string uplink;  ///< its name in the file
  std::string topic;   ///< to publish to; empty: one made from the first route
  bool publish = true;
  bool as_itself = false;  ///< with the uplink's own client id: throws out a gateway that runs
};

/// Prints each step of the way to each of the uplink's servers. EX_UNAVAILABLE when one fails. Throws config::Error
/// when the file cannot be read.
int test_uplink(const UplinkTestOptions& options);

}  // namespace ferrule::gateway
