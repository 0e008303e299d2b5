// Where tests kill the process.
#pragma once

#include <string_view>

namespace ferrule::mqtt {

#ifdef NDEBUG
inline void failpoint(std::string_view) {}
#else
/// Kills the process (SIGKILL) when the environment's FERRULE_KILL_AT is `NAME:N` and this is the Nth call with this
/// name. Nothing in a release build. Any thread.
void failpoint(std::string_view name);
#endif

}  // namespace ferrule::mqtt
