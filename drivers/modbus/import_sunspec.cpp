#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>

#include "config/node.hpp"
#include "config/quote.hpp"
#include "drivers/modbus/import.hpp"
#include "drivers/modbus/planner.hpp"

namespace ferrule::drivers::modbus {

namespace {

using config::Choice;
using config::Node;

// How a type of SunSpec (Device Information Model Specification V1.1, 4.2) is called here.
struct Kind {
  std::string_view type;     // empty: it becomes no point
  std::uint32_t registers;   // 0: the model says how many
  std::string_view invalid;  // what stands for "not implemented"; a float has NaN
};
constexpr std::array kKinds{
    Choice<Kind>{"int16", {"int16", 1, "0x8000"}},
    Choice<Kind>{"uint16", {"uint16", 1, "0xFFFF"}},
    Choice<Kind>{"count", {"uint16", 1, "0xFFFF"}},
    Choice<Kind>{"acc16", {"uint16", 1, "0"}},
    Choice<Kind>{"enum16", {"uint16", 1, "0xFFFF"}},
    Choice<Kind>{"bitfield16", {"uint16", 1, "0xFFFF"}},
    Choice<Kind>{"raw16", {"uint16", 1, ""}},
    Choice<Kind>{"pad", {"", 1, ""}},
    Choice<Kind>{"sunssf", {"", 1, ""}},
    Choice<Kind>{"int32", {"int32", 2, "0x80000000"}},
    Choice<Kind>{"uint32", {"uint32", 2, "0xFFFFFFFF"}},
    Choice<Kind>{"acc32", {"uint32", 2, "0"}},
    Choice<Kind>{"enum32", {"uint32", 2, "0xFFFFFFFF"}},
    Choice<Kind>{"bitfield32", {"uint32", 2, "0xFFFFFFFF"}},
    Choice<Kind>{"ipaddr", {"uint32", 2, "0"}},
    Choice<Kind>{"float32", {"float32", 2, ""}},
    Choice<Kind>{"int64", {"int64", 4, "0x8000000000000000"}},
    Choice<Kind>{"uint64", {"uint64", 4, "0xFFFFFFFFFFFFFFFF"}},
    Choice<Kind>{"acc64", {"uint64", 4, "0"}},
    Choice<Kind>{"bitfield64", {"uint64", 4, "0xFFFFFFFFFFFFFFFF"}},
    Choice<Kind>{"eui48", {"uint64", 4, "0xFFFFFFFFFFFFFFFF"}},
    Choice<Kind>{"float64", {"float64", 4, ""}},
    Choice<Kind>{"ipv6addr", {"", 8, ""}},
    Choice<Kind>{"string", {"string", 0, ""}},
};

struct Unit {
  std::string_view theirs;
  std::string_view ours;
};
constexpr std::array kUnits{Unit{"Pct", "%"},   Unit{"C", "°C"}, Unit{"Secs", "s"}, Unit{"Tms", "s"},
                            Unit{"VAr", "var"}, Unit{"PF", ""},  Unit{"cos()", ""}};

std::string unit_of(const Node& point) {
  const auto unit = point["units"].text("");
  const auto known = std::ranges::find(kUnits, unit, &Unit::theirs);
  return known == kUnits.end() ? unit : std::string(known->ours);
}

/// Addresses of the scale factors that points of a group and of those within may have.
using Factors = std::map<std::string, std::uint32_t, std::less<>>;

constexpr std::size_t kMostPoints = 10'000;
constexpr int kMostGroups = 10'000;

class Model {
 public:
  Model(const SunspecModel& model, int repeat, ImportedTemplate& imported)
      : address_(model.address), repeat_(repeat), imported_(imported) {}

  void read(const Node& root) {
    const auto group = root["group"];
    if (!group.is_map()) {
      group.mistake("is missing: this is no model in the JSON of github.com/sunspec/models");
    } else {
      imported_.heading.push_back(fmt::format("SunSpec model {}, {}, with its ID at {}.", root["id"].text("?"),
                                              group["label"].text(group["name"].text("")), address_));
      read_group(group, "", {}, 2);
    }
    root.ignore();  // what is for people only
  }

 private:
  // The first `headers` points are the model's ID and its length.
  void read_group(const Node& group, const std::string& prefix, Factors factors, std::size_t headers) {
    if (groups_++ == kMostGroups) group.mistake(fmt::format("is a group too many: {} are the most", kMostGroups));
    if (groups_ > kMostGroups) return;
    const auto points = group["points"].items();
    auto at = address_;
    for (const auto& point : points) {
      if (point["type"].text("") == "sunssf") factors[point["name"].text("")] = at;
      at += registers_of(point);
    }
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (i >= headers) add(points[i], prefix, factors);
      address_ += registers_of(points[i]);
    }
    for (const auto& inner : group["groups"].items()) read_repeated(inner, prefix, factors);
  }

  // A count that is a point's name, or 0, is known to the device only.
  void read_repeated(const Node& group, const std::string& prefix, const Factors& factors) {
    const auto count = group["count"].text("1");
    int times = 0;
    const auto [rest, error] = std::from_chars(count.data(), count.data() + count.size(), times);
    if (error != std::errc{} || times <= 0) times = repeat_;
    const auto name = group["name"].required_text();
    for (int i = 1; i <= times && groups_ <= kMostGroups; ++i) {
      read_group(group, times == 1 ? fmt::format("{}{}_", prefix, name) : fmt::format("{}{}_{}_", prefix, name, i),
                 factors, 0);
    }
  }

  static Kind kind_of(const Node& point) {
    const auto type = point["type"];
    if (!type.present()) type.required_text();
    return type.one_of<Kind>(Kind{"", 1, ""}, kKinds);
  }

  static std::uint32_t registers_of(const Node& point) {
    const auto kind = kind_of(point);
    const auto size = point["size"];
    const auto registers = static_cast<std::uint32_t>(kind.registers == 0 ? size.required_integer(1, kMaxRegisters)
                                                                          : size.integer(kind.registers));
    if (kind.registers != 0 && registers != kind.registers) {
      size.mistake(fmt::format("{} fills {} registers", point["type"].text(""), kind.registers));
    }
    return registers;
  }

  void add(const Node& point, const std::string& prefix, const Factors& factors) {
    const auto kind = kind_of(point);
    const auto name = prefix + point["name"].required_text();
    if (kind.type.empty() || imported_.points.size() == kMostPoints) return;
    const auto registers = registers_of(point);
    if (address_ + registers > 65536)
      return point.mistake(fmt::format("would be at {}, beyond the last register", address_));
    ImportedPoint added{
        name,
        {{"register", "holding"}, {"address", fmt::format("{}", address_)}, {"type", std::string(kind.type)}},
        {}};
    if (kind.type == "string") added.keys.emplace_back("length", fmt::format("{}", 2 * registers));
    if (!add_scale(point, registers, factors, added)) return;
    if (!kind.invalid.empty()) added.keys.emplace_back("invalid", kind.invalid);
    if (const auto unit = unit_of(point); !unit.empty()) added.keys.emplace_back("unit", config::as_word(unit));
    if (point["type"].text("").starts_with("acc")) added.keys.emplace_back("counter", "true");
    if (point["type"].text("").starts_with("enum")) add_words(point, added);
    added.remark = point["label"].text(point["desc"].text(""));
    if (point["access"].text("R") == "RW") added.remark += added.remark.empty() ? "can be written" : ", can be written";
    imported_.points.push_back(std::move(added));
  }

  // False when the value cannot be had.
  bool add_scale(const Node& point, std::uint32_t registers, const Factors& factors, ImportedPoint& added) {
    const auto factor = point["sf"];
    if (!factor.present()) return true;
    const auto name = factor.text();
    int exponent = 0;
    const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), exponent);
    if (error == std::errc{} && rest == name.data() + name.size()) {
      added.keys.emplace_back("scale", fmt::format("{:.12g}", std::pow(10.0, std::clamp(exponent, -10, 10))));
      return true;
    }
    const auto found = factors.find(name);
    if (found == factors.end()) return factor.mistake(fmt::format("there is no scale factor \"{}\"", name)), false;
    const auto first = std::min(address_, found->second);
    if (std::max(address_ + registers, found->second + 1) - first > kMaxRegisters) {
      imported_.heading.push_back(fmt::format("{} is left out: one read does not reach its scale factor.", added.name));
      return false;
    }
    added.keys.emplace_back("scale_factor", fmt::format("{}", found->second));
    return true;
  }

  static void add_words(const Node& point, ImportedPoint& added) {
    std::string words;
    for (const auto& symbol : point["symbols"].items()) {
      words += fmt::format("{}{}: {}", words.empty() ? "" : ", ", symbol["value"].required_integer(0, 0xFFFF'FFFF),
                           config::as_word(symbol["name"].required_text()));
    }
    if (!words.empty()) added.keys.emplace_back("enum", '{' + words + '}');
  }

  std::uint32_t address_;
  const int repeat_;
  int groups_ = 0;
  ImportedTemplate& imported_;
};

}  // namespace

ImportedTemplate import_sunspec(const std::vector<SunspecModel>& models, int repeat) {
  ImportedTemplate imported;
  for (const auto& model : models) {
    const auto document = config::Document::load(model.file);
    Model(model, repeat, imported).read(document.root());
    document.finish();
  }
  return imported;
}

}  // namespace ferrule::drivers::modbus
