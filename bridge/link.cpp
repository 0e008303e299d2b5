#include "bridge/link.hpp"

#include <utility>

namespace ferrule::bridge {

void LinkState::put(std::vector<InFlight> records) {
  mqtt::wait_until_written([&](mqtt::Written written) { write(std::move(records), std::move(written)); });
}

}  // namespace ferrule::bridge
