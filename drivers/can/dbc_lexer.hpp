// The words, numbers and texts of a DBC file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "drivers/can/dbc.hpp"

namespace ferrule::drivers::can {

struct Token {
  enum class Kind : std::uint8_t { End, Word, Number, Text, Sign };
  Kind kind = Kind::End;
  std::string_view text;  ///< of Text what stands between the quotes; points into the file
  std::size_t at = 0;     ///< offset of its first byte

  bool is(char sign) const { return kind == Kind::Sign && text.front() == sign; }
  bool is_word(std::string_view word) const { return kind == Kind::Word && text == word; }
};

/// One token ahead. `text` outlives it.
class DbcLexer {
 public:
  explicit DbcLexer(std::string_view text);

  const Token& peek() const { return token_; }
  Token take();  ///< the one seen by peek, and looks at the next one

  // Each takes the next token, which has to be that, or says what should stand there.
  tl::expected<void, DbcMistake> expect(char sign);
  tl::expected<std::string, DbcMistake> word(std::string_view what);
  tl::expected<double, DbcMistake> number();
  tl::expected<std::uint64_t, DbcMistake> whole(std::string_view what, std::uint64_t most);  ///< 0 to `most`

  /// A mistake at the token.
  tl::unexpected<DbcMistake> mistake(const Token& token, std::string message) const;
  /// A text whose closing quote is missing, if that is why it ended here.
  bool is_unclosed() const { return unclosed_; }

 private:
  Token scan();
  void skip_blanks();

  std::string_view text_;
  std::size_t at_ = 0;
  bool unclosed_ = false;
  Token token_;
};

}  // namespace ferrule::drivers::can
