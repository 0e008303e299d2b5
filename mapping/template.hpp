// Text with placeholders: `{gateway}/{device}/{point}`.
#pragma once

#include <compare>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace ferrule::mapping {

/// A template cut into literals and the words between them.
class Template {
 public:
  Template() = default;
  /// `words` are what may stand in braces. A brace that holds no word, as in JSON, is a brace. Else the unknown word.
  static tl::expected<Template, std::string> parse(std::string_view text, std::span<const std::string_view> words);

  bool empty() const { return pieces_.empty(); }
  bool has(std::size_t word) const;  ///< an index into the `words` that it was parsed with
  /// Appends the literals, and calls `append_word(index)` for each word between them.
  template <class AppendWord>
  void render(std::string& out, const AppendWord& append_word) const {
    for (const auto& piece : pieces_) {
      out += piece.literal;
      if (piece.word != kNone) append_word(piece.word);
    }
  }

  auto operator<=>(const Template&) const = default;

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  struct Piece {
    std::string literal;
    std::size_t word = kNone;  // behind it
    auto operator<=>(const Piece&) const = default;
  };
  std::vector<Piece> pieces_;
};

}  // namespace ferrule::mapping
