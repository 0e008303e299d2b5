// A link through a client of our own, on mqtt's codec.
#pragma once

#include <memory>

#include "bridge/address.hpp"
#include "bridge/dialer.hpp"
#include "bridge/link.hpp"
#include "bridge/settings.hpp"

namespace ferrule::bridge {

/// Its thread waits for the socket, for orders and for the disk, and for nobody else. CloudSession holds what is under
/// way. `resolve` looks up the cloud's name on that thread; a destruction does not wait for it. `state` and `events`
/// must live until `disconnect` has returned, or until the destruction.
std::unique_ptr<Link> make_ferrule_link(const UplinkSettings& settings, LinkState& state, LinkEvents& events,
                                        Dialer::Resolve resolve = bridge::resolve);

}  // namespace ferrule::bridge
