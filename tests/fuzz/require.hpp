// What a fuzz target finds out is wrong.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace ferrule::fuzz {

/// Ends the process, which libFuzzer takes for a finding, unless `holds`.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace ferrule::fuzz
