#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <tl/expected.hpp>

#include "config/asked.hpp"
#include "config/text.hpp"
#include "config/tree.hpp"
#include "config/utf8.hpp"

namespace ferrule::config {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool all_digits(std::string_view text) {
  for (const char c : text)
    if (!is_digit(c)) return false;
  return !text.empty();
}

std::string_view without_sign(std::string_view word) {
  return !word.empty() && (word[0] == '-' || word[0] == '+') ? word.substr(1) : word;
}

std::string without(std::string_view word, char unwanted) {
  std::string result;
  for (const char c : word)
    if (c != unwanted) result += c;
  return result;
}

// What YAML 1.1 readers make of `1:30`, `010` and the like, which is rarely what was meant.
Misread not_an_integer(std::string_view word) {
  const auto number = without_sign(word);
  const auto fault = fmt::format("must be an integer, is {}", quoted(word));
  if (number.starts_with("0o") || number.starts_with("0b")) return {fault, "write it in decimal or as 0x..."};
  if (number.find(':') != std::string_view::npos && all_digits(without(number, ':'))) {
    return {fault, "some YAML readers take this for a number of base 60; write it in decimal"};
  }
  if (number.find('_') != std::string_view::npos && all_digits(without(number, '_'))) {
    return {fault, fmt::format("did you mean {}?", without(word, '_'))};
  }
  const auto point = number.find('.');
  if (point != std::string_view::npos && point > 0 &&
      number.find_first_not_of('0', point + 1) == std::string_view::npos && all_digits(number.substr(0, point))) {
    return {fault, fmt::format("did you mean {}?", word.substr(0, word.find('.')))};
  }
  return {fault, {}};
}

Misread leading_zero(std::string_view word) {
  const auto number = without_sign(word);
  const auto digits = number.substr(std::min(number.find_first_not_of('0'), number.size() - 1));
  const auto sign = word.size() > number.size() && word[0] == '-' ? "-" : "";
  return {fmt::format("must not begin with 0, is {}: some YAML readers take that for octal", word),
          fmt::format("did you mean {}{}?", sign, digits)};
}

tl::expected<std::int64_t, Misread> parse_integer(std::string_view word) {
  const bool negative = word.starts_with('-');
  const auto number = without_sign(word);
  const bool hexadecimal = number.starts_with("0x") || number.starts_with("0X");
  const auto digits = hexadecimal ? number.substr(2) : number;
  std::uint64_t magnitude = 0;
  const auto end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, magnitude, hexadecimal ? 16 : 10);
  if (digits.empty() || result.ptr != end || result.ec == std::errc::invalid_argument)
    return tl::unexpected(not_an_integer(word));
  if (!hexadecimal && digits.size() > 1 && digits[0] == '0') return tl::unexpected(leading_zero(word));
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (result.ec != std::errc{} || magnitude > kMax + (negative ? 1 : 0)) {
    return tl::unexpected(Misread{fmt::format("is {}, which does not fit into 64 bits", shortened(word, 40)), {}});
  }
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

tl::expected<double, Misread> parse_number(std::string_view word) {
  const auto number = without_sign(word);
  if (number.starts_with("0x") || number.starts_with("0X"))
    return parse_integer(word).map([](auto v) { return static_cast<double>(v); });
  const bool begins =
      !number.empty() && (is_digit(number[0]) || (number[0] == '.' && number.size() > 1 && is_digit(number[1])));
  double value = 0;
  const auto end = number.data() + number.size();
  const auto result = std::from_chars(number.data(), end, value);
  if (!begins || result.ptr != end) {
    const auto fault = fmt::format("must be a number, is {}", quoted(word));
    const auto comma = word.find(',');
    if (comma != std::string_view::npos && comma == word.rfind(',')) {
      auto fixed = std::string(word);
      fixed[comma] = '.';
      if (parse_number(fixed)) return tl::unexpected(Misread{fault, fmt::format("did you mean {}?", fixed)});
    }
    if (word == ".nan" || word == ".inf" || word == "-.inf" || word == "nan" || word == "inf" || word == "NaN") {
      return tl::unexpected(Misread{fmt::format("must be a finite number, is {}", word), {}});
    }
    return tl::unexpected(Misread{fault, not_an_integer(word).hint});
  }
  if (number.size() > 1 && number[0] == '0' && is_digit(number[1])) return tl::unexpected(leading_zero(word));
  if (result.ec != std::errc{})
    return tl::unexpected(Misread{fmt::format("is {}, which does not fit into a double", word), {}});
  return word.starts_with('-') ? -value : value;
}

// "must be between 1 and 247, is 300"; a limit that is none is not named.
template <class T, class Text>
std::string out_of_range(T value, T min, T max, T lowest, T highest, Text text) {
  if (min == max) return fmt::format("must be {}, is {}", text(min), text(value));
  if (min > lowest && max < highest)
    return fmt::format("must be between {} and {}, is {}", text(min), text(max), text(value));
  return value < min ? fmt::format("must be at least {}, is {}", text(min), text(value))
                     : fmt::format("must be at most {}, is {}", text(max), text(value));
}

}  // namespace

namespace {

template <class T, class Text>
void ask(const Node& node, std::string_view kind, T fallback, T min, T max, Text text) {
  if (!anybody_gathers()) return;
  using Limits = std::numeric_limits<decltype(text.raw(min))>;
  Question question{{}, kind, text(fallback)};
  if (min > T{Limits::lowest()}) question.min = static_cast<double>(text.raw(min));
  if (max < T{Limits::max()}) question.max = static_cast<double>(text.raw(max));
  ask(node, std::move(question));
}

void ask(const Node& node, std::string_view kind, std::string_view fallback) {
  if (anybody_gathers()) ask(node, {{}, kind, std::string(fallback)});
}

}  // namespace

std::string Node::text(std::string_view fallback) const {
  ask(*this, "text", fallback);
  if (!present()) return std::string(fallback);
  if (!is_scalar()) return must_be("text"), std::string(fallback);
  switch (tree_->tag) {
    case Tag::Env:
      return from_environment().value_or(std::string(fallback));
    case Tag::File:
      return from_file().value_or(std::string(fallback));
    case Tag::Credential:
      return from_credential().value_or(std::string(fallback));
    case Tag::Include:  // a map or a list, which a node is at once
    case Tag::None:
      break;
  }
  return std::string(tree_->text);
}

std::string Node::required_text() const {
  ask(*this, "text", "required");
  if (!check_required()) return {};
  const auto mistakes = state_ == nullptr ? 0 : state_->mistakes.size();
  auto value = text();
  if (value.empty() && state_ != nullptr && state_->mistakes.size() == mistakes) mistake("must not be empty");
  return value;
}

// Whether there is a value; a mistake when not.
bool Node::check_required() const {
  if (present()) return true;
  if (tree_ != nullptr && tree_->blamed) return false;
  mistake(tree_ == nullptr ? "is required" : "is required, but empty");
  return false;
}

// The text of a scalar for a reader that wants `what`; nothing when absent or when a mistake was recorded.
std::optional<std::string_view> Node::word(std::string_view what) const {
  if (!present()) return std::nullopt;
  if (!is_scalar()) return must_be(what), std::nullopt;
  if (tree_->tag != Tag::None)
    return mistake(fmt::format("must be {}; !env, !file and !credential give text only", what)), std::nullopt;
  return tree_->text;
}

// Likewise, for what is no number or boolean when it stands in quotes.
std::optional<std::string_view> Node::plain_word(std::string_view what) const {
  const auto value = word(what);
  if (!value || !tree_->quoted) return value;
  const bool single_line = value->find_first_of("\r\n") == std::string_view::npos && !value->empty();
  mistake(fmt::format("must be {}, is text in quotes", what),
          single_line ? fmt::format("write {} without quotes", shortened(*value, 40)) : "");
  return std::nullopt;
}

bool Node::boolean(bool fallback) const {
  ask(*this, "bool", fallback ? "true" : "false");
  const auto value = plain_word("true or false");
  if (!value) return fallback;
  if (*value == "true") return true;
  if (*value == "false") return false;
  constexpr std::array<std::string_view, 7> kTrue = {"yes", "on", "y", "1", "enabled", "enable", "t"};
  constexpr std::array<std::string_view, 7> kFalse = {"no", "off", "n", "0", "disabled", "disable", "f"};
  constexpr std::array<std::string_view, 2> kWords = {"true", "false"};
  const auto small = lower(*value);
  std::string_view meant = nearest(small, kWords);
  if (std::find(kTrue.begin(), kTrue.end(), small) != kTrue.end()) meant = "true";
  if (std::find(kFalse.begin(), kFalse.end(), small) != kFalse.end()) meant = "false";
  mistake(fmt::format("must be true or false, is {}", quoted(*value)),
          meant.empty() ? "" : fmt::format("did you mean {}?", meant));
  return fallback;
}

template <class T, class Text>
T Node::in_range(T value, T fallback, T min, T max, Text text) const {
  if (value >= min && value <= max) return value;
  using Limits = std::numeric_limits<decltype(text.raw(value))>;
  mistake(out_of_range(value, min, max, T{Limits::lowest()}, T{Limits::max()}, text));
  return fallback;
}

namespace {

struct PlainText {
  static auto raw(auto value) { return value; }
  std::string operator()(auto value) const { return fmt::format("{}", value); }
};
struct DurationText {
  static std::int64_t raw(Milliseconds value) { return value.count(); }
  std::string operator()(Milliseconds value) const { return duration_text(value); }
};
struct SizeText {
  static std::uint64_t raw(std::uint64_t value) { return value; }
  std::string operator()(std::uint64_t value) const { return size_text(value); }
};

}  // namespace

std::int64_t Node::integer(std::int64_t fallback, std::int64_t min, std::int64_t max) const {
  ask(*this, "integer", fallback, min, max, PlainText{});
  const auto written = plain_word("an integer");
  if (!written) return fallback;
  const auto value = parse_integer(*written);
  if (!value) return mistake(value.error().message, value.error().hint), fallback;
  return in_range(*value, fallback, min, max, PlainText{});
}

std::int64_t Node::required_integer(std::int64_t min, std::int64_t max) const {
  check_required();
  return integer(min, min, max);
}

double Node::number(double fallback, double min, double max) const {
  ask(*this, "number", fallback, min, max, PlainText{});
  const auto written = plain_word("a number");
  if (!written) return fallback;
  const auto value = parse_number(*written);
  if (!value) return mistake(value.error().message, value.error().hint), fallback;
  return in_range(*value, fallback, min, max, PlainText{});
}

Milliseconds Node::duration(Milliseconds fallback, Milliseconds min, Milliseconds max) const {
  ask(*this, "duration", fallback, min, max, DurationText{});
  const auto written = word("a duration");
  if (!written) return fallback;
  const auto value = parse_duration(*written);
  if (!value) return mistake(value.error().message + ", is " + quoted(*written), value.error().hint), fallback;
  return in_range(*value, fallback, min, max, DurationText{});
}

std::pair<Milliseconds, Milliseconds> Node::duration_range(std::pair<Milliseconds, Milliseconds> fallback) const {
  ask(*this, "durations", duration_text(fallback.first) + ".." + duration_text(fallback.second));
  const auto written = word("a range of durations");
  if (!written) return fallback;
  const auto dots = written->find("..");
  if (dots == std::string_view::npos) {
    const bool single = parse_duration(*written).has_value();
    mistake(fmt::format("must be a range such as 1s..60s, is {}", quoted(*written)),
            single ? fmt::format("did you mean {0}..{0}?", *written) : "");
    return fallback;
  }
  const auto first = parse_duration(trimmed(written->substr(0, dots), " "));
  const auto second = parse_duration(trimmed(written->substr(dots + 2), " "));
  for (const auto* end : {&first, &second}) {
    if (*end) continue;
    mistake(fmt::format("{} of the range {}", end == &first ? "the first end" : "the second end", end->error().message),
            end->error().hint);
    return fallback;
  }
  if (*first > *second) {
    mistake(fmt::format("must be a range from small to big, is {}", *written),
            fmt::format("did you mean {}..{}?", duration_text(*second), duration_text(*first)));
    return fallback;
  }
  return {*first, *second};
}

std::uint64_t Node::size(std::uint64_t fallback, std::uint64_t min, std::uint64_t max) const {
  ask(*this, "size", fallback, min, max, SizeText{});
  const auto written = word("a size");
  if (!written) return fallback;
  const auto value = parse_size(*written);
  if (!value) return mistake(value.error().message + ", is " + quoted(*written), value.error().hint), fallback;
  return in_range(*value, fallback, min, max, SizeText{});
}

std::size_t Node::word_index(std::span<const std::string_view> words) const {
  if (anybody_gathers()) ask(*this, {{}, "words", {}, {}, {}, {words.begin(), words.end()}});
  const auto written = word("a word");
  if (!written) return words.size();
  const auto found = std::find(words.begin(), words.end(), *written);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  const auto near = nearest(*written, words);
  mistake(fmt::format("must be one of {}; is {}", fmt::join(words, ", "), quoted(*written)),
          near.empty() ? "" : fmt::format("did you mean {}?", near));
  return words.size();
}

}  // namespace ferrule::config
