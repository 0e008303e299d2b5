#include "mapping/conversion.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

namespace ferrule::mapping {

namespace {

using drivers::Failure;
using drivers::Quality;

// value / 10 is the double nearest to a decimal, value * 0.1 is not.
double rounded(double value, double step) {
  const double divisor = std::round(1 / step);
  if (step < 1 && std::abs(divisor * step - 1) < 1e-12) return std::round(value * divisor) / divisor;
  return std::round(value / step) * step;
}

void uncertain(Judged& judged, Failure failure) {
  judged.quality = Quality::Uncertain;
  judged.failure = failure;
}

std::optional<std::int64_t> as_code(const KeptValue& value) {
  const double number = as_number(value);
  if (!(std::abs(number) < 9.2e18) || number != std::floor(number)) return std::nullopt;
  if (const auto* exact = std::get_if<std::uint64_t>(&value)) return static_cast<std::int64_t>(*exact);
  if (const auto* exact = std::get_if<std::int64_t>(&value)) return *exact;
  return static_cast<std::int64_t>(number);
}

void read_words(const config::Node& node, Conversion& conversion) {
  for (const auto& [key, label] : node.entries()) {
    std::int64_t code = 0;
    const auto* end = key.data() + key.size();
    const auto [rest, error] = std::from_chars(key.data(), end, code);
    if (error != std::errc{} || rest != end) {
      label.mistake(fmt::format("an enum is numbers and their words, \"{}\" is no number", key),
                    "e.g. {0: off, 1: on}");
    }
    conversion.words.insert_or_assign(code, label.required_text());
  }
}

}  // namespace

double as_number(const KeptValue& value) {
  return std::visit(
      [](const auto& v) -> double {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(v)>>) {
          return static_cast<double>(v);
        } else {
          return std::numeric_limits<double>::quiet_NaN();
        }
      },
      value);
}

Conversion read_conversion(const drivers::Layers& layers, const drivers::PointSettings& point) {
  Conversion conversion;
  // What stands beside `bits` is about the register that holds them all.
  const bool named_bit = layers["bits"].present() && point.type == drivers::Type::Bool;
  const auto text = point.type == drivers::Type::String;
  conversion.expression = layers["expression"].text();
  const auto clamp = layers["clamp"];
  if (clamp["min"].present()) conversion.min = clamp["min"].number(0);
  if (clamp["max"].present())
    conversion.max = clamp["max"].number(0, conversion.min.value_or(std::numeric_limits<double>::lowest()));
  if (clamp.present() && clamp.is_map() && !conversion.min && !conversion.max)
    clamp.mistake("needs a min, a max or both");
  const auto round = layers["round"];
  conversion.round = round.number(0, 0);
  if (round.present() && conversion.round <= 0) round.mistake("must be more than 0", "round: 0.1 is to one decimal");
  const auto words = layers["enum"];
  read_words(words, conversion);
  const bool calculated = !conversion.expression.empty() || clamp.present() || round.present();
  if (point.words && !words.present() && !calculated) conversion.words = *point.words;
  if (text && !named_bit) {
    for (const auto* key : {"expression", "clamp", "round", "enum"}) {
      if (layers[key].present()) layers[key].mistake("a string has none");
    }
  }
  if (words.present() && (clamp.present() || round.present())) {
    words.mistake("a value with words is neither clamped nor rounded");
  }
  return named_bit ? Conversion{} : conversion;
}

void convert(const Conversion& conversion, Judged& judged) {
  const bool bounded = conversion.min || conversion.max;
  if (!conversion.words.empty()) {
    if (word_for(conversion, judged.value) == nullptr) uncertain(judged, Failure::UnknownCode);
    return;
  }
  if (!bounded && conversion.round == 0) return;
  double number = as_number(judged.value);
  if (conversion.round > 0) judged.value = number = rounded(number, conversion.round);
  if (conversion.min && number < *conversion.min) {
    judged.value = *conversion.min;
    uncertain(judged, Failure::Clamped);
  } else if (conversion.max && number > *conversion.max) {
    judged.value = *conversion.max;
    uncertain(judged, Failure::Clamped);
  }
}

const std::string* word_for(const Conversion& conversion, const KeptValue& value) {
  if (conversion.words.empty()) return nullptr;
  const auto code = as_code(value);
  const auto found = code ? conversion.words.find(*code) : conversion.words.end();
  return found == conversion.words.end() ? nullptr : &found->second;
}

}  // namespace ferrule::mapping
