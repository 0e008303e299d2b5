#include "bridge/exchange_record.hpp"

#include <fmt/format.h>

#include <charconv>

namespace ferrule::bridge {

RecordKey parse_record_key(std::string_view key) {
  const auto hyphen = key.find('-');
  if (hyphen == key.npos) return {};
  RecordKey parsed;
  parsed.kind = key.substr(0, hyphen);
  if (parsed.kind.ends_with('5')) {
    parsed.kind.remove_suffix(1);
    parsed.mqtt_version = 5;
  }
  std::from_chars(key.data() + hyphen + 1, key.data() + key.size(), parsed.number);
  return parsed;
}

std::string record_key(std::string_view kind, int number, int mqtt_version) {
  return fmt::format("{}{}-{}", kind, mqtt_version == 5 ? "5" : "", number);
}

}  // namespace ferrule::bridge
