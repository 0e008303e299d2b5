// A configuration as it may be shown to strangers.
#pragma once

#include <string>
#include <string_view>

namespace ferrule::gateway {

/// Without what follows a key that sounds like a secret (password, key, token ...), on its line and on the deeper lines
/// below it, without user names and passwords in URLs, and without comments. Errs on the side of taking too much.
std::string redacted(std::string_view yaml);

}  // namespace ferrule::gateway
