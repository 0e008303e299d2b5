// Reads the `broker.listen` section; settings.hpp has the structs and the keys.
#pragma once

#include "mqtt/settings.hpp"

namespace ferrule::mqtt {

std::vector<ListenSettings> read_listeners(const config::Node& list);

/// Reads a `tls` section, and looks into the files that it names. Also for whoever else listens with a Listener.
TlsSettings read_tls(const config::Node& node);

}  // namespace ferrule::mqtt
