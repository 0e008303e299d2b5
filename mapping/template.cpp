#include "mapping/template.hpp"

#include <algorithm>

namespace ferrule::mapping {

namespace {

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/// The word that begins at a brace; empty when there is none.
std::string_view word_at(std::string_view text, std::size_t brace) {
  const auto end =
      std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(brace) + 1, text.end(), is_word_character);
  if (end == text.end() || *end != '}') return {};
  return text.substr(brace + 1, static_cast<std::size_t>(end - text.begin()) - brace - 1);
}

}  // namespace

tl::expected<Template, std::string> Template::parse(std::string_view text, std::span<const std::string_view> words) {
  Template parsed;
  Piece piece;
  for (std::size_t at = 0; at < text.size();) {
    const auto word = text[at] == '{' ? word_at(text, at) : std::string_view{};
    if (word.empty()) {
      piece.literal += text[at++];
      continue;
    }
    const auto found = std::ranges::find(words, word);
    if (found == words.end()) return tl::unexpected(std::string(word));
    piece.word = static_cast<std::size_t>(found - words.begin());
    parsed.pieces_.push_back(std::exchange(piece, {}));
    at += word.size() + 2;
  }
  if (!piece.literal.empty()) parsed.pieces_.push_back(std::move(piece));
  return parsed;
}

bool Template::has(std::size_t word) const {
  return std::ranges::any_of(pieces_, [&](const auto& piece) { return piece.word == word; });
}

}  // namespace ferrule::mapping
