// Hostile bytes as the properties of any packet or will. What is accepted must say the same by every way of asking, and
// build to the bytes it was.
// Input: place and sender (1 byte) | the properties
#include <cstdint>
#include <string>
#include <string_view>

#include "mqtt/properties.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::mqtt;
using ferrule::fuzz::require;

std::string rebuilt(const Properties& properties) {
  PropertyBuilder builder;
  for (const Property& property : properties) {
    const PropertyRule* rule = rule_of(static_cast<std::uint8_t>(property.id));
    require(rule != nullptr, "what was accepted is in the table");
    if (rule->type == PropertyType::TextPair) {
      builder.add_user(property.text, property.value);
    } else if (rule->type == PropertyType::Text || rule->type == PropertyType::Binary) {
      builder.add(property.id, property.text);
    } else {
      require(property.number >= rule->min && property.number <= rule->max, "a number is in its range");
      builder.add(property.id, property.number);
    }
  }
  return builder.encoded();
}

void check_lookups(const Properties& properties) {
  for (const PropertyRule& rule : property_rules()) {
    const auto found = properties.find(rule.id);
    require(found.has_value() == properties.has(rule.id), "has() and find() agree");
    require(!found || found->id == rule.id, "find() finds what it was asked for");
    require(properties.text(rule.id).has_value() == found.has_value(), "text() and find() agree");
    require(properties.number(rule.id).has_value() == found.has_value(), "number() and find() agree");
  }
}

void check_forwarding(const Properties& properties, Sender sender) {
  std::string scratch;
  const std::string forwarded(forwardable(properties, scratch));
  const auto onward = Properties::parse(forwarded, PacketType::Publish, sender);
  require(onward.has_value(), "what is forwarded may stand in a PUBLISH");
  std::string again;
  require(forwardable(*onward, again) == forwarded, "what was forwarded is forwarded whole");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto place = static_cast<PacketType>(data[0] % 16);
  const auto sender = static_cast<Sender>(data[0] / 16 % 2);
  const std::string_view encoded(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto properties = Properties::parse(encoded, place, sender);
  if (!properties) return 0;
  require(rebuilt(*properties) == encoded, "properties build to what they were");
  check_lookups(*properties);
  if (place == PacketType::Publish || place == kWill) check_forwarding(*properties, sender);
  return 0;
}
