#include "mqtt/credentials.hpp"

#include "mqtt/crypto.hpp"

namespace ferrule::mqtt {

Credentials Credentials::of_secret(std::string_view password) {
  Credentials credentials;
  credentials.scram = ScramKeys::of(password, 4096, random_bytes(16));
  return credentials;
}

bool Credentials::verify(std::string_view password) const {
  if (hash) return hash->verify(password);
  return scram && scram->verify(password);
}

}  // namespace ferrule::mqtt
