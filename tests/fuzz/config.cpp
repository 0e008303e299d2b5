// Hostile configuration files: read or refused, and what is refused is refused with a place and a reason.
// Input: the file
#include <cstdint>
#include <string>

#include "config/error.hpp"
#include "gateway/settings.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ferrule::fuzz::require;
  try {
    ferrule::gateway::parse_settings({reinterpret_cast<const char*>(data), size}, "fuzz.yaml");
  } catch (const ferrule::config::Error& error) {
    require(!error.mistakes().empty(), "an error has mistakes");
    require(std::string_view(error.what()).starts_with("fuzz.yaml:"), "a mistake has its place in front");
  }
  return 0;
}
