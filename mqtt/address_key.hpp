// Under which key an address counts where somebody may ask only so often.
#pragma once

#include <string>
#include <string_view>

namespace ferrule::mqtt {

/// Whoever has one IPv6 address has the whole /64, so that is the key. An IPv4 address in IPv6's clothes has the four
/// bytes, all else is its own key.
std::string address_key(std::string_view address);

}  // namespace ferrule::mqtt
