#include "gateway/redact.hpp"

#include <algorithm>
#include <array>

#include "config/text.hpp"

namespace ferrule::gateway {

namespace {

constexpr std::array<std::string_view, 10> kSecret{"password", "passwd", "passphrase", "secret", "token",
                                                   "key",      "sas",    "credential", "auth",   "pin"};
constexpr std::string_view kHidden = " '***'";

/// Where the value of the first key that sounds like a secret begins; npos when there is none.
std::size_t secret_value(std::string_view line) {
  const auto text = config::lower(line);
  auto first = std::string::npos;
  for (const auto word : kSecret) {
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      // Up to the colon of the key that the word is part of.
      const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-\"' ", at);
      if (end != std::string::npos && text[end] == ':') first = std::min(first, end + 1);
    }
  }
  return first;
}

/// `//user:password@host` -> `//***@host`.
void hide_in_urls(std::string& line) {
  for (auto at = line.find("://"); at != std::string::npos; at = line.find("://", at + 3)) {
    const auto begin = at + 3;
    const auto end = line.find_first_of(" \t\"',]}", begin);
    const auto sign = line.substr(begin, end == std::string::npos ? end : end - begin).rfind('@');
    if (sign != std::string::npos) line.replace(begin, sign, "***");
  }
}

}  // namespace

std::string redacted(std::string_view yaml) {
  std::string text;
  auto hidden_below = std::string::npos;  // indentation of a secret's key
  while (!yaml.empty()) {
    const auto end = std::min(yaml.find('\n'), yaml.size());
    std::string line(yaml.substr(0, end));
    yaml.remove_prefix(std::min(end + 1, yaml.size()));
    const auto indentation = line.find_first_not_of(" \t");
    if (indentation == std::string::npos || line[indentation] == '#') continue;
    if (hidden_below != std::string::npos && indentation > hidden_below) continue;
    hidden_below = std::string::npos;
    if (const auto value = secret_value(line); value != std::string::npos) {
      line = line.substr(0, value) + std::string(kHidden);
      hidden_below = indentation;
    }
    if (const auto comment = line.find(" #"); comment != std::string::npos) line.erase(comment);
    hide_in_urls(line);
    text += line + '\n';
  }
  return text;
}

}  // namespace ferrule::gateway
