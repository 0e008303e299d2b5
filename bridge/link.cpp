#include "bridge/link.hpp"

#include <future>
#include <memory>
#include <stdexcept>
#include <utility>

namespace ferrule::bridge {

void LinkState::put(std::vector<InFlight> records) {
  const auto outcome = std::make_shared<std::promise<std::string>>();  // set_value may still run when we have left
  write(std::move(records), [outcome](const std::string& error) { outcome->set_value(error); });
  if (const auto error = outcome->get_future().get(); !error.empty()) throw std::runtime_error(error);
}

}  // namespace ferrule::bridge
