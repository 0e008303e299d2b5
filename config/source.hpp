// The text of a configuration file and the places in it. Private to config.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace ferrule::config {

using Offset = std::uint32_t;                 ///< of a byte in the text
constexpr Offset kNowhere = 0xFFFF'FFFF;      ///< the file as a whole
constexpr std::size_t kMaxFile = 16U << 20U;  ///< bytes

using Secrets = std::vector<std::string>;  ///< longest first

/// A text with its line beginnings, and the ranges of it that must not be shown.
class Source {
 public:
  /// Throws Error for a text that is empty, too large, full of open brackets, or no text: UTF-16, not
  /// UTF-8, control characters. A byte order mark is dropped.
  /// Files that belong to one configuration share the secrets that none of them may show.
  Source(std::string text, std::string file, std::shared_ptr<Secrets> secrets);

  const std::string& text() const { return text_; }
  const std::string& file() const { return file_; }
  const std::shared_ptr<Secrets>& secrets() const { return secrets_; }

  /// Columns count characters from 1.
  Location locate(Offset at) const;
  int line(Offset at) const;
  /// Without its line ending.
  std::string_view line_text(Offset at) const;

  /// Never shows [first, last) again, nor the secret itself wherever else it stands.
  void hide(Offset first, Offset last);
  void hide(std::string secret);
  /// `text` with each hidden secret in it as `***`.
  std::string without_secrets(std::string text) const;

  /// A mistake with its line as far as it may be shown, unless that is longer than 4096 bytes.
  Mistake mistake(Offset at, std::string path, std::string message) const;

 private:
  struct Range {
    Offset first;
    Offset last;
  };
  void check() const;
  void check_brackets() const;
  std::size_t line_index(Offset at) const;
  std::vector<Range> hidden_in(Offset first, std::string_view line) const;

  std::string text_;
  std::string file_;
  std::vector<Offset> lines_;  // offset of each line's first byte
  std::vector<Range> hidden_;
  std::shared_ptr<Secrets> secrets_;
};

/// Where a YAML value begins whose tag and anchor begin at `at`.
std::size_t skip_properties(std::string_view text, std::size_t at);

/// The quote that closes the one at `at`; nothing when it is never closed, or there is no quote.
std::optional<std::size_t> closing_quote(std::string_view text, std::size_t at);

}  // namespace ferrule::config
