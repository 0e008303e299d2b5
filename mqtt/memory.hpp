// How much memory the process has in use.
#pragma once

#include <cstddef>

namespace ferrule::mqtt {

/// Bytes of heap that are handed out, of the whole process; 0 where the C library does not tell (under sanitizers).
/// A few microseconds.
std::size_t heap_in_use();

}  // namespace ferrule::mqtt
