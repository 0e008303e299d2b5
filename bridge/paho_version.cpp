#include "bridge/paho_version.hpp"

#include <MQTTAsync.h>
#include <dlfcn.h>

namespace ferrule::bridge {

namespace {

thread_local int version_to_create = 0;  // 0: as the caller says

}  // namespace

PahoVersion::PahoVersion(int mqtt_version) { version_to_create = mqtt_version; }
PahoVersion::~PahoVersion() { version_to_create = 0; }

}  // namespace ferrule::bridge

/// Stands before Paho C's own function: Paho C++ calls this one, which calls that one in turn.
extern "C" int MQTTAsync_createWithOptions(MQTTAsync* handle, const char* server, const char* client_id,
                                           int persistence_type, void* persistence, MQTTAsync_createOptions* options) {
  static const auto original =
      reinterpret_cast<decltype(&MQTTAsync_createWithOptions)>(dlsym(RTLD_NEXT, "MQTTAsync_createWithOptions"));
  if (original == nullptr) return MQTTASYNC_FAILURE;
  if (options == nullptr || ferrule::bridge::version_to_create == 0) {
    return original(handle, server, client_id, persistence_type, persistence, options);
  }
  auto of_version = *options;
  of_version.MQTTVersion = ferrule::bridge::version_to_create;
  return original(handle, server, client_id, persistence_type, persistence, &of_version);
}
