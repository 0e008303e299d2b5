// Hearing that what was handed to another thread is on disk, and waiting for it.
#pragma once

#include <functional>
#include <string>

namespace ferrule::mqtt {

/// Told once, on whichever thread knows: empty, or why it is not on disk. Must not throw.
using Written = std::function<void(const std::string& error)>;

/// Returns when what `begin` began is on disk; throws std::runtime_error when it could not be written.
void wait_until_written(const std::function<void(Written)>& begin);

}  // namespace ferrule::mqtt
