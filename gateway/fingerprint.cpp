#include "gateway/fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace ferrule::gateway {

Fingerprint& Fingerprint::add(std::string_view text) {
  spelled_ += fmt::format("{}:", text.size());  // so that no two neighbours read like two others
  spelled_ += text;
  return *this;
}

Fingerprint& Fingerprint::add(const config::Node& node, std::span<const std::string_view> without) {
  if (!node.present()) {
    spelled_ += '~';
  } else if (node.is_map()) {
    spelled_ += '{';
    for (const auto& [key, value] : node.entries()) {
      if (std::ranges::find(without, key) == without.end()) add(key).add(value);
    }
    spelled_ += '}';
  } else if (node.is_list()) {
    spelled_ += '[';
    for (const auto& item : node.items()) add(item, without);
    spelled_ += ']';
  } else {
    add(node.text());
  }
  return *this;
}

std::string Fingerprint::value() const {
  const auto hash = std::hash<std::string>{}(spelled_);
  return {reinterpret_cast<const char*>(&hash), sizeof hash};
}

}  // namespace ferrule::gateway
