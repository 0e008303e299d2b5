// A client that is on its way in: what the broker keeps of it until it knows who it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mqtt/access.hpp"
#include "mqtt/scram.hpp"
#include "mqtt/wire.hpp"

namespace ferrule::mqtt {

struct Login {
  explicit Login(Identity claimed) : identity(std::move(claimed)) {}

  void keep(const Frame& frame) {
    first_byte = frame.first;
    connect = frame.body;
  }
  Frame kept() const { return {first_byte, connect}; }

  Identity identity;        ///< what it claims until it is checked
  std::uint64_t check = 0;  ///< of its password, under way; 0: none
  // Its CONNECT, to go on with it.
  std::uint8_t first_byte = 0;
  std::string connect;
  // By SCRAM; the method holds for as long as the connection [MQTT-4.12.1-1].
  bool by_scram = false;
  std::optional<ScramExchange> exchange;  ///< under way
  std::string verifier;                   ///< the server's last word, for CONNACK or AUTH
};

}  // namespace ferrule::mqtt
