#include "mqtt/memory.hpp"

#include <malloc.h>

namespace ferrule::mqtt {

std::size_t heap_in_use() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace ferrule::mqtt
