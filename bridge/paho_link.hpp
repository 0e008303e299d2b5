// A link through Paho MQTT C++.
#pragma once

#include <memory>

#include "bridge/address.hpp"
#include "bridge/dialer.hpp"
#include "bridge/link.hpp"
#include "bridge/settings.hpp"

namespace ferrule::bridge {

/// Calls Paho only on a thread of its own, because any call may block: Paho has one lock for all its clients, and holds
/// it while it connects and while a record is written. Names are resolved on that thread too, outside the lock, so that
/// a DNS that does not answer holds up nobody else. Each connection gets a client of its own, which finds the QoS 2
/// exchanges under way in `state`: the way back after a cut cable is the way back after a kill.
///
/// `resolve`, `state`, `events`: as with make_ferrule_link.
std::unique_ptr<Link> make_paho_link(const UplinkSettings& settings, LinkState& state, LinkEvents& events,
                                     Dialer::Resolve resolve = bridge::resolve);

}  // namespace ferrule::bridge
