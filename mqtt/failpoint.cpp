#include "mqtt/failpoint.hpp"

#ifndef NDEBUG

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

namespace ferrule::mqtt {

namespace {

struct Wanted {
  std::string name;
  std::atomic<long> left = 1;

  Wanted() {
    const char* text = std::getenv("FERRULE_KILL_AT");
    if (text == nullptr) return;
    name = text;
    if (const auto colon = name.rfind(':'); colon != name.npos) {
      left = std::strtol(text + colon + 1, nullptr, 10);
      name.resize(colon);
    }
  }
};

}  // namespace

void failpoint(std::string_view name) {
  static Wanted wanted;
  if (name == wanted.name && --wanted.left == 0) std::raise(SIGKILL);
}

}  // namespace ferrule::mqtt

#endif
