// Reading `frame` and bytes with escapes.
#pragma once

#include <string>
#include <string_view>

#include "config/node.hpp"
#include "drivers/serial/frame_rule.hpp"

namespace ferrule::drivers::serial {

/// Text with the escapes \r \n \t \0 \\ and \xHH. A character beyond ASCII is a mistake: nobody knows which bytes it
/// stands for.
std::string read_bytes(const config::Node& node, std::string_view fallback);

FrameRule read_frame(const config::Node& node);

}  // namespace ferrule::drivers::serial
