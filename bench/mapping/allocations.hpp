// Counts what the whole program takes from the heap.
#pragma once

#include <cstdint>

namespace ferrule::bench {

std::uint64_t allocations();  ///< so far; for programs of one thread

}  // namespace ferrule::bench
