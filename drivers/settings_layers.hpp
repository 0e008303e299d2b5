// A device's map over its template's, read key by key.
#pragma once

#include <string_view>

#include "config/node.hpp"

namespace ferrule::drivers {

/// Two maps that describe one thing; either may be absent. A key of `own` hides the same key of `base`.
struct Layers {
  config::Node own;
  config::Node base;

  /// The value that counts; an absent node with the place where the key would be written when neither has it.
  config::Node operator[](std::string_view key) const {
    const auto mine = own[key];
    const auto inherited = base[key];  // asked in any case, so that a hidden key is not an unknown one
    if (mine.present()) return mine;
    if (inherited.present()) return inherited;
    return own.present() || !base.present() ? mine : inherited;
  }
};

}  // namespace ferrule::drivers
