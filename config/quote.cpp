#include "config/quote.hpp"

#include <algorithm>
#include <array>

namespace ferrule::config {

namespace {

constexpr std::array<std::string_view, 10> kOtherwise{"null", "true", "false", "yes", "no",
                                                      "on",   "off",  "y",     "n",   "nan"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool is_plain(std::string_view text) {
  const auto within = [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '/' || c == '.'; };
  if (text.empty() || !is_letter(text.front()) || !std::ranges::all_of(text, within)) return false;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return std::ranges::find(kOtherwise, lower) == kOtherwise.end();
}

}  // namespace

std::string in_quotes(std::string_view text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("''") : std::string(1, c);
  return result + '\'';
}

std::string as_word(std::string_view text) { return is_plain(text) ? std::string(text) : in_quotes(text); }

}  // namespace ferrule::config
