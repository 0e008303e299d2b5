#include "drivers/can/dbc_multiplexing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace ferrule::drivers::can {

namespace {

constexpr std::size_t kDeepest = 8;  // selectors that select selectors

/// The selectors of a message.
class Selectors {
 public:
  Selectors(const DbcMessage& message, const std::vector<Multiplexed>& roles) {
    for (std::size_t i = 0; i < roles.size(); ++i) {
      if (!roles[i].is_selector) continue;
      by_name_.emplace(message.signals[i].name, i);
      if (roles[i].value) continue;
      ++roots_;
      root_ = i;
    }
  }

  /// The index of the signal that selects this one.
  tl::expected<std::size_t, std::string> of(const Multiplexed& role) const {
    if (!role.selector.empty()) {
      const auto found = by_name_.find(role.selector);
      if (found != by_name_.end()) return found->second;
      return tl::unexpected(fmt::format("selected by {}, which is no selector of this message", role.selector));
    }
    if (roots_ == 1) return root_;
    return tl::unexpected<std::string>(roots_ == 0 ? "multiplexed, but the message has no selector (M)"
                                                   : "the message has several selectors: SG_MUL_VAL_ is needed");
  }

 private:
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::size_t roots_ = 0;
  std::size_t root_ = 0;
};

}  // namespace

tl::expected<void, DbcMistake> resolve_multiplexing(DbcMessage& message, const std::vector<Multiplexed>& roles,
                                                    const DbcLexer& lexer) {
  const Selectors selectors(message, roles);
  for (std::size_t i = 0; i < roles.size(); ++i) {
    auto& when = message.signals[i].signal.when;
    for (auto at = i; roles[at].value;) {
      const auto selector = selectors.of(roles[at]);
      if (!selector) return lexer.mistake(roles[i].at, selector.error());
      if (when.size() >= kDeepest || *selector == i) return lexer.mistake(roles[i].at, "selects itself, in the end");
      const auto value = *roles[at].value;
      auto ranges = roles[at].ranges;
      if (ranges.empty()) ranges.emplace_back(value, value);
      when.insert(when.begin(), Selection{message.signals[*selector].signal.place, std::move(ranges)});
      at = *selector;
    }
  }
  return {};
}

}  // namespace ferrule::drivers::can
