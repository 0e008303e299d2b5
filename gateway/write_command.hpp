// The `write` and `writable` commands: a value to a point, and which points take one.
#pragma once

#include "gateway/control_commands.hpp"

namespace ferrule::gateway {

class Field;

/// `field` outlives whoever asks.
void add_write_commands(ControlCommands& commands, Field& field);

}  // namespace ferrule::gateway
