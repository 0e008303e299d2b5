// What parts of a configuration say, in short: so that a reload finds what has changed.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "config/node.hpp"

namespace ferrule::gateway {

/// Gathers parts of a configuration. Equal fingerprints mean that they say the same: the same keys in the same order
/// with the same values, those of `!include`, `!env`, `!file` and `!credential` among them; comments and the way of
/// writing do not count.
class Fingerprint {
 public:
  /// `without` names keys of the map that do not count.
  Fingerprint& add(const config::Node& node, std::span<const std::string_view> without = {});
  Fingerprint& add(std::string_view text);
  std::string value() const;  ///< a hash of this process's own: nobody gains by two parts that share one

 private:
  std::string spelled_;
};

}  // namespace ferrule::gateway
