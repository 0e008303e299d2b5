// A formula over the values of a device's points: `value * 0.9 + ambient / 2`.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace ferrule::mapping {

/// A name for the point that has the expression itself; every other name is that of a point.
inline constexpr std::string_view kOwnValue = "value";

/// How many points one expression may use.
inline constexpr std::size_t kMaxNames = 64;

/// Compiled once, by muParser: + - * / ^, comparisons, && ||, ?:, min, max, sqrt and the like. Used by one thread.
class Expression {
 public:
  /// Nothing but numbers, operators, functions and names; one result. Else says what is wrong, for people.
  static tl::expected<Expression, std::string> parse(const std::string& text);
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  const std::vector<std::string>& names() const;  ///< that it uses, each once
  /// The result, perhaps not finite. `values` are those of `names`, in their order. Allocates nothing.
  double evaluate(std::span<const double> values) const;

 private:
  struct Parsed;
  explicit Expression(std::unique_ptr<Parsed> parsed);
  std::unique_ptr<Parsed> parsed_;
};

}  // namespace ferrule::mapping
