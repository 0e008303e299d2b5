// What Sparkplug B messages say (Sparkplug 3.0 chapter 6): metrics, as protobuf.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ferrule::mqtt::sparkplug {

/// The types of Ferrule's metrics, with their numbers on the wire [tck-id-payloads-metric-datatype-value]
/// [tck-id-payloads-metric-datatype-value-type]. Points are plain values: there is no
/// template [tck-id-payloads-template-definition-nbirth-only] [tck-id-payloads-template-definition-nbirth]
/// [tck-id-payloads-template-definition-members] [tck-id-payloads-template-definition-ref]
/// [tck-id-payloads-template-definition-is-definition] [tck-id-payloads-template-definition-parameters]
/// [tck-id-payloads-template-definition-parameters-default] [tck-id-payloads-template-instance-ref]
/// [tck-id-payloads-template-instance-is-definition] [tck-id-payloads-template-instance-members]
/// [tck-id-payloads-template-instance-members-birth] [tck-id-payloads-template-instance-members-data]
/// [tck-id-payloads-template-instance-parameters] [tck-id-payloads-template-is-definition]
/// [tck-id-payloads-template-is-definition-definition] [tck-id-payloads-template-is-definition-instance]
/// [tck-id-payloads-template-ref-definition] [tck-id-payloads-template-ref-instance] [tck-id-payloads-template-version]
/// [tck-id-payloads-template-parameter-name-required] [tck-id-payloads-template-parameter-name-type]
/// [tck-id-payloads-template-parameter-type-req] [tck-id-payloads-template-parameter-type-value]
/// [tck-id-payloads-template-parameter-value] [tck-id-payloads-template-parameter-value-type],
/// and no data set [tck-id-payloads-dataset-column-num-headers] [tck-id-payloads-dataset-column-size]
/// [tck-id-payloads-dataset-parameter-type-req] [tck-id-payloads-dataset-types-def]
/// [tck-id-payloads-dataset-types-num] [tck-id-payloads-dataset-types-type] [tck-id-payloads-dataset-types-value]
/// [tck-id-payloads-template-dataset-value].
enum class Datatype : std::uint32_t {
  Int8 = 1,
  Int16 = 2,
  Int32 = 3,
  Int64 = 4,
  UInt8 = 5,
  UInt16 = 6,
  UInt32 = 7,
  UInt64 = 8,
  Float = 9,
  Double = 10,
  Boolean = 11,
  String = 12,
};

/// The codes of the property "Quality" (section 6.4.9.1) [tck-id-payloads-propertyset-quality-value-value].
enum class Quality : std::uint16_t { Bad = 0, Good = 192, Stale = 500 };

/// Null, or as on the wire: signed integers of up to 32 bits are an uint32, of 64 an uint64, in two's complement.
using Value = std::variant<std::monostate, std::uint32_t, std::uint64_t, float, double, bool, std::string>;

struct Metric {
  std::string name;                          ///< empty: it goes by its alias
  std::optional<std::uint64_t> alias{};      ///< one for all metrics of an edge node
  std::optional<std::uint64_t> timestamp{};  ///< milliseconds since 1970 UTC
  std::optional<Datatype> datatype{};
  bool historical = false;
  Value value{};
  // Properties
  std::optional<Quality> quality{};  ///< "Quality"
  std::string cause{};               ///< "Cause" of a quality that is not good, in a word; empty: none
  std::string unit{};                ///< "engUnit"; empty: none
  std::optional<bool> read_only{};   ///< "readOnly"
};

struct Payload {
  std::optional<std::uint64_t> timestamp{};  ///< milliseconds since 1970 UTC
  std::vector<Metric> metrics{};
  std::optional<std::uint64_t> seq{};
};

std::uint64_t milliseconds(std::chrono::system_clock::time_point time);

/// Appends the protobuf.
void encode(const Payload& payload, std::string& out);
std::string encode(const Payload& payload);
/// Nothing when it is no such protobuf. A type or a quality that is none of ours is left out, a value that is none,
/// too.
std::optional<Payload> decode(std::string_view bytes);

}  // namespace ferrule::mqtt::sparkplug
