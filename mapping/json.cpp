#include "mapping/json.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <iterator>

#include "config/utf8.hpp"

namespace ferrule::mapping {

namespace {

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

std::string_view number_text(NumberText& room, double number, int digits) {
  auto* const begin = room.data();
  char* end = nullptr;
  if (digits == 9) {
    end = fmt::format_to_n(begin, room.size(), "{}", static_cast<float>(number)).out;
  } else if (digits > 0) {
    end = std::to_chars(begin, begin + room.size(), number, std::chars_format::general, digits).ptr;  // as "{:.{}g}"
  } else {
    end = fmt::format_to_n(begin, room.size(), "{}", number).out;
  }
  return {begin, end};
}

void append_integer(std::string& out, std::int64_t number) {
  const fmt::format_int text(number);
  out.append(text.data(), text.size());
}

void append_integer(std::string& out, std::uint64_t number) {
  const fmt::format_int text(number);
  out.append(text.data(), text.size());
}

void append_json(std::string& out, const KeptValue& value, int digits) {
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          out += "null";
        } else if constexpr (std::is_same_v<T, std::unique_ptr<const std::string>>) {
          append_json(out, *v);
        } else if constexpr (std::is_same_v<T, double>) {
          NumberText room;
          out += std::isfinite(v) ? number_text(room, v, digits) : "null";  // decoding lets none of these through
        } else if constexpr (std::is_same_v<T, bool>) {
          out += v ? "true" : "false";
        } else {
          append_integer(out, v);
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
