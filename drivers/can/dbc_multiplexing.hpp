// Which values of which signals select a multiplexed signal of a DBC file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "drivers/can/dbc.hpp"
#include "drivers/can/dbc_lexer.hpp"

namespace ferrule::drivers::can {

/// What a file says of one signal.
struct Multiplexed {
  Token at;                            ///< of its name
  bool is_selector = false;            ///< M
  std::optional<std::uint64_t> value;  ///< mN
  std::string selector;                ///< SG_MUL_VAL_; empty: the message's only selector, and `value`
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
};

/// Gives the message's signals their `when`, outermost selection first. `roles` are those of its signals. A mistake:
/// there is no such selector, several that may be meant, or one that selects itself.
tl::expected<void, DbcMistake> resolve_multiplexing(DbcMessage& message, const std::vector<Multiplexed>& roles,
                                                    const DbcLexer& lexer);

}  // namespace ferrule::drivers::can
