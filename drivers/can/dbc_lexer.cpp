#include "drivers/can/dbc_lexer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "config/utf8.hpp"

namespace ferrule::drivers::can {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0'; }

}  // namespace

DbcLexer::DbcLexer(std::string_view text) : text_(text) {
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  token_ = scan();
}

Token DbcLexer::take() { return std::exchange(token_, scan()); }

void DbcLexer::skip_blanks() {
  for (;;) {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    if (!text_.substr(at_).starts_with("//")) return;
    at_ = std::min(text_.find('\n', at_), text_.size());
  }
}

Token DbcLexer::scan() {
  skip_blanks();
  const auto first = at_;
  if (first >= text_.size()) return {Token::Kind::End, {}, text_.size()};
  const char c = text_[first];
  const auto digit_at = [&](std::size_t i) { return i < text_.size() && (is_digit(text_[i]) || text_[i] == '.'); };
  if (c == '"') {
    auto end = first + 1;
    while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2U : 1U;
    unclosed_ = unclosed_ || end >= text_.size();
    end = std::min(end, text_.size());
    at_ = std::min(end + 1, text_.size());
    return {Token::Kind::Text, text_.substr(first + 1, end - first - 1), first};
  }
  if (is_letter(c)) {
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    return {Token::Kind::Word, text_.substr(first, at_ - first), first};
  }
  const bool is_signed = (c == '-' || c == '+') && digit_at(first + 1);
  if (!is_signed && !digit_at(first)) {
    ++at_;
    return {Token::Kind::Sign, text_.substr(first, 1), first};
  }
  ++at_;
  while (digit_at(at_)) ++at_;
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    const auto sign = at_ + 1 < text_.size() && (text_[at_ + 1] == '-' || text_[at_ + 1] == '+') ? 1U : 0U;
    if (digit_at(at_ + 1 + sign)) at_ += 1 + sign;
    while (digit_at(at_)) ++at_;
  }
  return {Token::Kind::Number, text_.substr(first, at_ - first), first};
}

tl::expected<void, DbcMistake> DbcLexer::expect(char sign) {
  const auto token = take();
  if (token.is(sign)) return {};
  return mistake(token, fmt::format("here stands {}", sign));
}

tl::expected<std::string, DbcMistake> DbcLexer::word(std::string_view what) {
  const auto token = take();
  if (token.kind != Token::Kind::Word) return mistake(token, fmt::format("here stands {}", what));
  return std::string(token.text);
}

tl::expected<double, DbcMistake> DbcLexer::number() {
  const auto token = take();
  double value = 0;
  auto text = token.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (token.kind != Token::Kind::Number || error != std::errc{} || rest != text.data() + text.size()) {
    return mistake(token, "here stands a number");
  }
  return value;
}

tl::expected<std::uint64_t, DbcMistake> DbcLexer::whole(std::string_view what, std::uint64_t most) {
  const auto token = take();
  std::uint64_t value = 0;
  const auto* end = token.text.data() + token.text.size();
  const auto [rest, error] = std::from_chars(token.text.data(), end, value);
  if (token.kind != Token::Kind::Number || error != std::errc{} || rest != end || value > most) {
    return mistake(token, fmt::format("here stands {}, 0 to {}", what, most));
  }
  return value;
}

tl::unexpected<DbcMistake> DbcLexer::mistake(const Token& token, std::string message) const {
  const auto before = text_.substr(0, token.at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto begin = before.rfind('\n') + 1;  // npos + 1 is 0
  const auto column = 1 + config::count_characters(before.substr(begin));
  return tl::unexpected(DbcMistake{static_cast<int>(line), static_cast<int>(column), std::move(message)});
}

}  // namespace ferrule::drivers::can
