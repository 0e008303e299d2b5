// Why an operation on the wire did not succeed, with the words for the log.
#pragma once

#include <cstdint>
#include <string>

#include "drivers/reading.hpp"

namespace ferrule::drivers {

/// `failure` decides what happens next; `detail` is for people only.
struct Fault {
  Failure failure = Failure::PortLost;
  std::string detail;          ///< e.g. "no answer", "exception 02 (illegal data address)", "connection refused"
  std::uint8_t exception = 0;  ///< the device's own number for a refusal (Modbus AP v1.1b3 7); 0 when it sent none
  bool sent = false;           ///< the request had gone out: if it was a write, the device may have executed it
};

}  // namespace ferrule::drivers
