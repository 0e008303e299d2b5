#include "mapping/expression.hpp"

#include <fmt/format.h>
#include <muParser.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace ferrule::mapping {

namespace {

/// muParser would take `a = 1` for an assignment, and text for a value.
std::string_view what_is_foreign(std::string_view text) {
  if (text.find('"') != std::string_view::npos) return "has text in it: expressions are about numbers";
  for (std::size_t at = 0; (at = text.find('=', at)) != std::string_view::npos; ++at) {
    const bool closes = at > 0 && std::string_view("<>!=").find(text[at - 1]) != std::string_view::npos;
    const bool opens = at + 1 < text.size() && text[at + 1] == '=';
    if (!closes && !opens) return "assigns with = where == compares";
  }
  return {};
}

}  // namespace

struct Expression::Parsed {
  struct Variables {
    std::vector<std::string> names;
    std::vector<double> values = std::vector<double>(kMaxNames, 1.0);  // muParser keeps their addresses
  };

  static double* make_variable(const char* name, void* variables) {
    auto& [names, values] = *static_cast<Variables*>(variables);
    if (names.size() == kMaxNames) throw mu::ParserError(fmt::format("more than {} names", kMaxNames));
    names.emplace_back(name);
    return &values[names.size() - 1];
  }

  mu::Parser parser;
  Variables variables;
};

Expression::Expression(std::unique_ptr<Parsed> parsed) : parsed_(std::move(parsed)) {}
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

tl::expected<Expression, std::string> Expression::parse(const std::string& text) {
  if (const auto foreign = what_is_foreign(text); !foreign.empty()) return tl::unexpected(std::string(foreign));
  auto parsed = std::make_unique<Parsed>();
  try {
    parsed->parser.SetVarFactory(&Parsed::make_variable, &parsed->variables);
    parsed->parser.SetExpr(text);
    int results = 0;
    parsed->parser.Eval(results);  // compiles
    if (results != 1) return tl::unexpected(std::string("has several results, separated by commas"));
  } catch (const mu::ParserError& error) {
    return tl::unexpected(error.GetMsg());
  }
  return Expression(std::move(parsed));
}

const std::vector<std::string>& Expression::names() const { return parsed_->variables.names; }

double Expression::evaluate(std::span<const double> values) const {
  std::copy(values.begin(), values.end(), parsed_->variables.values.begin());
  try {
    return parsed_->parser.Eval();
  } catch (const mu::ParserError&) {
    return std::numeric_limits<double>::quiet_NaN();  // a function that has no answer here
  }
}

}  // namespace ferrule::mapping
