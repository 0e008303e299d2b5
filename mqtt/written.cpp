#include "mqtt/written.hpp"

#include <future>
#include <memory>
#include <stdexcept>

namespace ferrule::mqtt {

void wait_until_written(const std::function<void(Written)>& begin) {
  // Shared: set_value may still run when we have left. No exception_ptr: what is thrown is this thread's own.
  const auto outcome = std::make_shared<std::promise<std::string>>();
  begin([outcome](const std::string& error) { outcome->set_value(error); });
  if (const auto error = outcome->get_future().get(); !error.empty()) throw std::runtime_error(error);
}

}  // namespace ferrule::mqtt
