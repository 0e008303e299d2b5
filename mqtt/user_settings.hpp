// How the configuration names users and what they prove themselves with; of the broker and of the page alike.
#pragma once

#include <map>
#include <string>

#include "config/node.hpp"
#include "mqtt/credentials.hpp"

namespace ferrule::mqtt {

/// The users of the password file that `node` names; none when it is absent. What is wrong with the file is a mistake.
std::map<std::string, Credentials> read_password_file(const config::Node& node);

/// What a user's own entry says by `password` or `password_hash`; empty when it says nothing. A password is hashed at
/// once.
Credentials read_credentials(const config::Node& user);

}  // namespace ferrule::mqtt
