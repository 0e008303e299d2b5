// Counts what is taken from the heap, by a program that is linked with it.
#pragma once

#include <cstdint>

namespace ferrule::bench {

std::uint64_t allocations();  ///< of the calling thread, so far

}  // namespace ferrule::bench
