// The grammar of DBC files.
#pragma once

#include <string_view>
#include <tl/expected.hpp>

#include "drivers/can/dbc.hpp"

namespace ferrule::drivers::can {

/// parse_dbc of a text that is UTF-8 and not too long.
tl::expected<Dbc, DbcMistake> parse_dbc_text(std::string_view text);

}  // namespace ferrule::drivers::can
