// What happens to a point's value between decoding and publishing.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/node.hpp"
#include "drivers/reading.hpp"
#include "drivers/settings.hpp"
#include "drivers/settings_layers.hpp"
#include "mapping/kept_value.hpp"

namespace ferrule::mapping {

/// The steps in their order; each may be left out. Scale and offset belong to decoding.
struct Conversion {
  std::string expression;     ///< of the value and of other points' values; see Expression
  std::optional<double> min;  ///< `clamp`: what lies beyond is shown at the limit, as uncertain
  std::optional<double> max;
  double round = 0;                           ///< to the nearest multiple of it; 0: not at all
  std::map<std::int64_t, std::string> words;  ///< `enum`: published instead of the number

  auto operator<=>(const Conversion&) const = default;
};

/// Reads `expression` (as text only), `clamp`, `round` and `enum` of a point. Mistakes go to the document.
Conversion read_conversion(const drivers::Layers& layers, const drivers::PointSettings& point);

/// A value on its way, with what is to be said about it.
struct Judged {
  KeptValue value;
  drivers::Quality quality = drivers::Quality::Good;
  drivers::Failure failure = drivers::Failure::None;
};

/// The value as a number; NaN for text and for none.
double as_number(const KeptValue& value);

/// Clamps and rounds numbers, and looks whether `words` has one. A result that is no finite number is Bad.
void convert(const Conversion& conversion, Judged& judged);

/// The word that stands for the value; null when the number itself is published.
const std::string* word_for(const Conversion& conversion, const KeptValue& value);

}  // namespace ferrule::mapping
