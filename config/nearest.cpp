#include <algorithm>
#include <string>

#include "config/node.hpp"

namespace ferrule::config {
namespace {

constexpr std::size_t kLongest = 64;  // longer words are not typing mistakes of ours; bounds the quadratic comparison

// For comparing: case and the two separators do not count.
std::string folded(std::string_view word) {
  std::string result(word);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    if (c == '-' || c == '.' || c == ' ') c = '_';
  }
  return result;
}

// Edits that turn `a` into `b`: insert, delete, replace, or swap two neighbours (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

// `baud` for `baudrate`, `stop_bits` for `stop`: the one begins the other, and is not just a letter or two.
bool begins(std::string_view a, std::string_view b) {
  return std::min(a.size(), b.size()) >= 3 && (a.starts_with(b) || b.starts_with(a));
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> words) {
  if (word.size() > kLongest) return {};
  const auto wanted = folded(word);
  // One edit in a short word, one in three letters of a long one; a common beginning counts as the last that is
  // allowed.
  const auto allowed = std::max<std::size_t>(1, wanted.size() / 3);
  std::string_view best;
  auto best_distance = allowed + 1;
  for (const auto candidate : words) {
    if (candidate.size() > kLongest) continue;
    const auto other = folded(candidate);
    auto edits = distance(wanted, other);
    if (edits >= std::max(wanted.size(), other.size())) continue;  // nothing in common
    if (edits > allowed && begins(wanted, other)) edits = allowed;
    if (edits < best_distance) {
      best = candidate;
      best_distance = edits;
    }
  }
  return best;
}

}  // namespace ferrule::config
