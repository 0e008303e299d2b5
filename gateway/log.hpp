// Where log lines go and how they look.
#pragma once

#include <functional>
#include <string>

namespace ferrule::gateway {

/// Sets up spdlog's default logger on standard error. Under systemd (JOURNAL_STREAM names our standard error) each line
/// begins with its priority, `<4>`, and carries no time, because the journal adds it; elsewhere with UTC time and
/// level.
void set_up_log();
/// Only warnings and errors from now on: `ferrule demo` has the terminal for itself.
void quiet_log();
/// Each line to `show`, on the thread that logs, instead of standard error; `set_up_log` ends that.
void log_lines_to(std::function<void(std::string)> show);

}  // namespace ferrule::gateway
