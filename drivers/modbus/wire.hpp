// A bus's port and the client that speaks over it, as its type says.
#pragma once

#include <memory>

#include "drivers/modbus/client.hpp"
#include "drivers/port.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

struct Wire {
  std::unique_ptr<Port> port;
  std::unique_ptr<Client> client;  ///< borrows the port

  /// Opens the port and makes the client ready. Failure::PortLost when that cannot be done by `deadline`.
  tl::expected<void, Fault> open(TimePoint deadline) const;
};

/// Both arguments outlive what is made. Does no I/O.
Wire make_wire(const BusSettings& settings, const StopSignal& stop);

}  // namespace ferrule::drivers::modbus
