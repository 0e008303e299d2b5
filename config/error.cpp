#include "config/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/utf8.hpp"

namespace ferrule::config {
namespace {

constexpr std::size_t kListed = 100;
constexpr std::size_t kWidest = 160;  // characters of a source line that are shown

// `line` without its first `characters`.
std::string_view from_character(std::string_view line, std::size_t characters) {
  std::size_t at = 0;
  for (; at < line.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(line[at]) & 0xC0U) != 0x80;
    if (begins && characters-- == 0) break;
  }
  return line.substr(at);
}

struct Excerpt {
  std::string line;
  std::string before_caret;
};

// A long line is shown around the caret only.
Excerpt excerpt(std::string_view line, std::size_t caret) {
  Excerpt result;
  std::size_t first = 0;
  if (count_characters(line) > kWidest && caret > kWidest / 2) {
    first = caret - kWidest / 2;
    result.line = "...";
    result.before_caret = "   ";
  }
  const auto rest = from_character(line, first);
  result.line += shortened(rest, kWidest);
  const auto behind = from_character(rest, caret - first);
  result.before_caret += blanks_as_wide_as(rest.substr(0, rest.size() - behind.size()));
  return result;
}

}  // namespace

std::string Mistake::text() const {
  auto result = printable(where.file);
  if (where.line > 0) result += fmt::format(":{}", where.line);
  if (where.line > 0 && where.column > 0) result += fmt::format(":{}", where.column);
  if (!result.empty()) result += ": ";
  result += warning ? "warning: " : "error: ";
  if (!path.empty()) result += printable(path) + ": ";
  result += printable(message);
  if (source_line.empty() || where.column <= 0) return result;
  const auto shown = excerpt(source_line, static_cast<std::size_t>((caret > 0 ? caret : where.column) - 1));
  return result + '\n' + shown.line + '\n' + shown.before_caret + '^';
}

Error::Error(std::vector<Mistake> mistakes, std::size_t unlisted) : mistakes_(std::move(mistakes)) {
  const auto listed = std::min(mistakes_.size(), kListed);
  for (std::size_t i = 0; i < listed; ++i) {
    if (i > 0) text_ += '\n';
    text_ += mistakes_[i].text();
  }
  const auto more = mistakes_.size() - listed + unlisted;
  if (more > 0) text_ += fmt::format("\n... and {} more", more);
}

Error::Error(Location where, std::string path, std::string message, int exit_code)
    : Error(std::vector<Mistake>{Mistake{std::move(where), std::move(path), std::move(message), {}, 0, false}}) {
  exit_code_ = exit_code;
}

}  // namespace ferrule::config
