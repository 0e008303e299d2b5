#include "mapping/json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "config/utf8.hpp"

namespace ferrule::mapping {

namespace {

void append_number(std::string& out, double number, int digits) {
  const auto end = std::back_inserter(out);
  if (!std::isfinite(number)) {
    out += "null";  // decoding lets none through
  } else if (digits == 9) {
    fmt::format_to(end, "{}", static_cast<float>(number));
  } else if (digits > 0) {
    fmt::format_to(end, "{:.{}g}", number, digits);
  } else {
    fmt::format_to(end, "{}", number);
  }
}

/// RFC 8259 section 7.
void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
  constexpr std::string_view kLetters = "\"\\bfnrt";
  for (const char c : text) {
    if (const auto letter = kShort.find(c); letter != std::string_view::npos) {
      out += '\\';
      out += kLetters[letter];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
}

}  // namespace

void append_json(std::string& out, const KeptValue& value, int digits) {
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          out += "null";
        } else if constexpr (std::is_same_v<T, std::unique_ptr<const std::string>>) {
          append_json(out, *v);
        } else if constexpr (std::is_same_v<T, double>) {
          append_number(out, v, digits);
        } else {
          fmt::format_to(std::back_inserter(out), "{}", v);
        }
      },
      value);
}

void append_json(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const auto valid = config::first_invalid_utf8(text);
    append_escaped(out, text.substr(0, valid));
    if (valid == std::string_view::npos) break;
    out += "\xEF\xBF\xBD";  // U+FFFD
    text.remove_prefix(valid + 1);
  }
  out += '"';
}

}  // namespace ferrule::mapping
