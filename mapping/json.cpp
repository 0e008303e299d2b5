#include "mapping/json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

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

void append_json(std::string& out, const std::string& text) {
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace ferrule::mapping
