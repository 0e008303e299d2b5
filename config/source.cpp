#include "config/source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "config/utf8.hpp"

namespace ferrule::config {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";  // UTF-8's byte order mark
constexpr std::string_view kStars = "***";
constexpr std::size_t kLongestShown = 4096;  // bytes of a line; a mistake in a longer one shows its place only
constexpr std::size_t kShortestSecret = 3;   // hiding every "a" of a message would hide the message

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7F;
}

// C1 controls are U+0080..U+009F, in UTF-8 C2 80..C2 9F: a terminal would obey them.
std::size_t first_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_control(text[i])) return i;
    const bool c1 = text[i] == '\xC2' && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) return i;
  }
  return std::string_view::npos;
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool names_secret(std::string_view key) {
  constexpr std::array<std::string_view, 4> kParts = {"password", "pasword", "passwd", "passphrase"};
  constexpr std::array<std::string_view, 2> kEndings = {"secret", "token"};
  std::string lower(key);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::any_of(kParts.begin(), kParts.end(), [&](auto part) { return lower.find(part) != std::string::npos; }) ||
         std::any_of(kEndings.begin(), kEndings.end(), [&](auto ending) { return lower.ends_with(ending); });
}

// Offsets where the values of keys like `password:` begin, unless they only name where the secret is kept. For lines
// that nobody could read as a secret: a YAML error, a misspelt key.
std::vector<std::size_t> guessed_secrets(std::string_view line) {
  std::vector<std::size_t> result;
  for (auto colon = line.find(':'); colon != std::string_view::npos; colon = line.find(':', colon + 1)) {
    auto end = colon;
    while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '"' || line[end - 1] == '\'')) --end;
    auto begin = end;
    while (begin > 0 && is_word(line[begin - 1])) --begin;
    const auto value = line.find_first_not_of(" \t", colon + 1);
    if (value == std::string_view::npos || !names_secret(line.substr(begin, end - begin))) continue;
    const auto written = line.substr(value);
    const bool elsewhere = written.starts_with("!env ") || written.starts_with("!file ") ||
                           written.starts_with("!credential ") || written[0] == '*' || written[0] == '#';
    if (!elsewhere) result.push_back(value);
  }
  return result;
}

}  // namespace

Source::Source(std::string text, std::string file, std::shared_ptr<Secrets> secrets)
    : text_(std::move(text)), file_(std::move(file)), secrets_(std::move(secrets)) {
  if (text_.size() > kMaxFile) throw Error({file_, 0, 0}, {}, "is larger than 16MiB");
  if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF")) {
    throw Error({file_, 0, 0}, {}, "is UTF-16 text (save it as UTF-8)");
  }
  while (std::string_view(text_).starts_with(kMark)) text_.erase(0, kMark.size());
  lines_.push_back(0);
  for (auto at = text_.find('\n'); at != std::string::npos; at = text_.find('\n', at + 1)) {
    lines_.push_back(static_cast<Offset>(at + 1));
  }
  check();
}

void Source::check() const {
  if (text_.find_first_not_of(" \t\r\n") == std::string::npos) throw Error({file_, 0, 0}, {}, "is empty");
  if (text_.find('\0') != std::string::npos) throw Error({file_, 0, 0}, {}, "is not a text file");
  const auto bad = first_invalid_utf8(text_);
  const auto control = first_control(text_);
  const auto first = std::min(bad, control);
  if (first == std::string::npos) return check_brackets();
  auto where = locate(static_cast<Offset>(first));
  const auto byte = static_cast<unsigned char>(text_[first]);
  if (bad < control)
    throw Error(std::move(where), {}, fmt::format("byte 0x{:02X} is not UTF-8 text (save the file as UTF-8)", byte));
  throw Error(std::move(where), {},
              "has a control character here, which is not text (in quotes it can be written as \\xNN)");
}

// yaml-cpp scans on to the end behind an open bracket and needs 250 bytes for each further one, before it looks at
// depth.
void Source::check_brackets() const {
  constexpr int kMaxOpen = 10'000;
  int open = 0;
  for (std::size_t i = 0; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '[' || c == '{') ++open;
    if (c == ']' || c == '}') open = std::max(open - 1, 0);
    if (open > kMaxOpen) throw Error(locate(static_cast<Offset>(i)), {}, "has too many open brackets before it");
  }
}

std::size_t Source::line_index(Offset at) const {
  return static_cast<std::size_t>(std::upper_bound(lines_.begin(), lines_.end(), at) - lines_.begin()) - 1;
}

int Source::line(Offset at) const { return at == kNowhere ? 0 : static_cast<int>(line_index(at)) + 1; }

std::string_view Source::line_text(Offset at) const {
  const auto index = line_index(at);
  const auto end = index + 1 < lines_.size() ? lines_[index + 1] - 1 : text_.size();
  auto line = std::string_view(text_).substr(lines_[index], end - lines_[index]);
  while (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Location Source::locate(Offset at) const {
  if (at == kNowhere) return {file_, 0, 0};
  const auto first = lines_[line_index(at)];
  const auto before = std::string_view(text_).substr(first, at - first);
  return {file_, line(at), static_cast<int>(count_characters(before)) + 1};
}

void Source::hide(Offset first, Offset last) { hidden_.push_back({first, last}); }

void Source::hide(std::string secret) {
  auto& secrets = *secrets_;
  if (secret.size() < kShortestSecret || std::find(secrets.begin(), secrets.end(), secret) != secrets.end()) return;
  secrets.push_back(std::move(secret));
  // Longest first, so that no secret hides a part of another one and leaves the rest.
  std::sort(secrets.begin(), secrets.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string Source::without_secrets(std::string text) const {
  for (const auto& secret : *secrets_) {
    for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kStars.size())) {
      text.replace(at, secret.size(), kStars);
    }
  }
  return text;
}

// Ranges of offsets into `line`, which begins at `first` in the text; sorted and disjoint.
std::vector<Source::Range> Source::hidden_in(Offset first, std::string_view line) const {
  std::vector<Range> ranges;
  const auto size = static_cast<Offset>(line.size());
  for (const auto& range : hidden_) {
    if (range.last <= first || range.first >= first + size) continue;
    ranges.push_back({range.first > first ? range.first - first : 0, std::min(range.last - first, size)});
  }
  for (const auto& secret : *secrets_) {
    for (auto at = line.find(secret); at != std::string_view::npos; at = line.find(secret, at + secret.size())) {
      ranges.push_back({static_cast<Offset>(at), static_cast<Offset>(at + secret.size())});
    }
  }
  for (const auto guess : guessed_secrets(line)) {
    const auto at = static_cast<Offset>(guess);
    // Where it ends is a guess too: all the rest. What was read as a secret is hidden exactly; inside of it, nothing is
    // to do.
    const bool known = std::any_of(ranges.begin(), ranges.end(),
                                   [at](const Range& range) { return range.first <= at && at < range.last; });
    if (!known) ranges.push_back({at, size});
  }
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  std::vector<Range> disjoint;
  for (const auto& range : ranges) {
    if (!disjoint.empty() && range.first <= disjoint.back().last) {
      disjoint.back().last = std::max(disjoint.back().last, range.last);
    } else {
      disjoint.push_back(range);
    }
  }
  return disjoint;
}

Mistake Source::mistake(Offset at, std::string path, std::string message) const {
  Mistake result{locate(at), std::move(path), without_secrets(std::move(message)), {}, 0, false};
  if (at == kNowhere) return result;
  const auto line = line_text(at);
  if (line.size() > kLongestShown) return result;
  const auto first = lines_[line_index(at)];
  const auto caret = std::min<std::size_t>(at - first, line.size());
  std::size_t copied = 0;
  std::size_t shown_caret = caret;
  for (const auto& range : hidden_in(first, line)) {
    result.source_line += line.substr(copied, range.first - copied);
    if (caret >= range.first && caret < range.last) shown_caret = result.source_line.size();
    result.source_line += kStars;
    if (caret >= range.last) shown_caret = result.source_line.size() + (caret - range.last);
    copied = range.last;
  }
  result.source_line += line.substr(copied);
  if (copied > 0)
    result.caret = static_cast<int>(count_characters(std::string_view(result.source_line).substr(0, shown_caret))) + 1;
  return result;
}

std::size_t skip_properties(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == '!' || text[at] == '&')) {
    at = std::min(text.find_first_of(" \t\r\n", at), text.size());
    at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
  }
  return std::min(at, text.size());
}

std::optional<std::size_t> closing_quote(std::string_view text, std::size_t at) {
  if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return std::nullopt;
  const char quote = text[at];
  for (auto i = at + 1; i < text.size(); ++i) {
    const bool escape = quote == '"' ? text[i] == '\\' : text.substr(i, 2) == "''";
    if (escape) {
      ++i;
    } else if (text[i] == quote) {
      return i;
    }
  }
  return std::nullopt;
}

}  // namespace ferrule::config
