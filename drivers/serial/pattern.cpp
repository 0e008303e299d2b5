#include "drivers/serial/pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <charconv>
#include <new>
#include <utility>

namespace ferrule::drivers::serial {

namespace {

// Far beyond what a sensible pattern needs for a frame of 4096 bytes; a few milliseconds at most.
constexpr std::uint32_t kMostSteps = 50'000;
constexpr std::uint32_t kMostHeap = 1024;  // KiB

const std::uint8_t* units(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

}  // namespace

struct Pattern::Code {
  ~Code() {
    ::pcre2_match_data_free(data);
    ::pcre2_match_context_free(context);
    ::pcre2_code_free(code);
  }
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  pcre2_match_data* data = nullptr;
};

Pattern::Pattern(std::unique_ptr<Code> code) : code_(std::move(code)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

tl::expected<Pattern, Pattern::Wrong> Pattern::compile(std::string_view pattern) {
  auto code = std::make_unique<Code>();
  int error = 0;
  std::size_t at = 0;
  code->code = ::pcre2_compile(units(pattern), pattern.size(), PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &error,
                               &at, nullptr);
  if (code->code == nullptr) {
    std::array<std::uint8_t, 128> words{};
    ::pcre2_get_error_message(error, words.data(), words.size());
    return tl::unexpected(Wrong{reinterpret_cast<const char*>(words.data()), at});
  }
  code->context = ::pcre2_match_context_create(nullptr);
  code->data = ::pcre2_match_data_create_from_pattern(code->code, nullptr);
  if (code->context == nullptr || code->data == nullptr) throw std::bad_alloc();
  ::pcre2_set_match_limit(code->context, kMostSteps);
  ::pcre2_set_depth_limit(code->context, kMostSteps);
  ::pcre2_set_heap_limit(code->context, kMostHeap);
  return Pattern(std::move(code));
}

std::optional<std::size_t> Pattern::group(std::string_view name) const {
  std::uint32_t groups = 0;
  ::pcre2_pattern_info(code_->code, PCRE2_INFO_CAPTURECOUNT, &groups);
  std::size_t number = 0;
  const auto* end = name.data() + name.size();
  if (const auto [rest, error] = std::from_chars(name.data(), end, number); error == std::errc{} && rest == end) {
    return number <= groups ? std::optional(number) : std::nullopt;
  }
  const std::string text(name);
  const int found = ::pcre2_substring_number_from_name(code_->code, units(text));
  return found > 0 ? std::optional(static_cast<std::size_t>(found)) : std::nullopt;
}

std::vector<std::string> Pattern::group_names() const {
  std::uint32_t count = 0;
  std::uint32_t size = 0;
  PCRE2_SPTR table = nullptr;
  ::pcre2_pattern_info(code_->code, PCRE2_INFO_NAMECOUNT, &count);
  ::pcre2_pattern_info(code_->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
  ::pcre2_pattern_info(code_->code, PCRE2_INFO_NAMETABLE, &table);
  std::vector<std::string> names;
  // An entry is two bytes of group number, then the name up to a NUL (pcre2api, "Information about a pattern").
  for (std::uint32_t i = 0; i < count; ++i) names.emplace_back(reinterpret_cast<const char*>(table + i * size + 2));
  return names;
}

bool Pattern::match(std::string_view text) {
  text_ = text;
  const int result = ::pcre2_match(code_->code, units(text), text.size(), 0, 0, code_->data, code_->context);
  if (result < 0 && result != PCRE2_ERROR_NOMATCH) ++gave_up_;
  return result > 0;
}

std::optional<std::string_view> Pattern::group_text(std::size_t number) const {
  const auto* ends = ::pcre2_get_ovector_pointer(code_->data);
  const auto from = ends[2 * number];
  const auto to = ends[2 * number + 1];
  if (from == PCRE2_UNSET || to < from) return std::nullopt;  // \K in a look-ahead can put the end before the start
  return text_.substr(from, to - from);
}

}  // namespace ferrule::drivers::serial
