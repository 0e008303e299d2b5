// Who a client has proved to be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace ferrule::mqtt {

/// How a client proved who it is.
enum class Proof : std::uint8_t { None, Certificate, Password };

/// Who a client is.
struct Identity {
  static constexpr std::size_t kNoListener = SIZE_MAX;  ///< it came in where the configuration has no listener any more

  std::string user;  ///< empty: anonymous
  Proof proof = Proof::None;
  std::size_t listener = 0;  ///< index in BrokerSettings::listen
};

}  // namespace ferrule::mqtt
