// A regular expression with named groups.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace ferrule::drivers::serial {

/// Perl's syntax, by PCRE2, on bytes. One match takes a bounded number of steps: a text on which a pattern would run
/// for long does not match, and is counted. Used by one thread at a time.
class Pattern {
 public:
  struct Wrong {
    std::string why;
    std::size_t at = 0;  ///< offset in the pattern
  };
  static tl::expected<Pattern, Wrong> compile(std::string_view pattern);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  /// The number of a group, by its name or its number; nothing when there is none. 0 is the whole match.
  std::optional<std::size_t> group(std::string_view name_or_number) const;
  std::vector<std::string> group_names() const;

  /// Whether the text matches somewhere. If so `group_text` says what the groups matched, until the next call.
  bool match(std::string_view text);
  /// Nothing when the group took no part in the match. Its view is into the text that was matched.
  std::optional<std::string_view> group_text(std::size_t number) const;
  std::uint64_t gave_up() const { return gave_up_; }  ///< matches that would have taken too many steps

 private:
  struct Code;
  explicit Pattern(std::unique_ptr<Code> code);
  std::unique_ptr<Code> code_;
  std::string_view text_;
  std::uint64_t gave_up_ = 0;
};

}  // namespace ferrule::drivers::serial
