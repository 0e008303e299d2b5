#include "drivers/can/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "config/quote.hpp"
#include "config/units.hpp"
#include "config/utf8.hpp"

namespace ferrule::drivers::can {

namespace {

using config::as_word;
using config::printable;

std::string selection_text(const Signal& signal) {
  std::string text;
  for (const auto& [selector, ranges] : signal.when) {
    std::string values;
    for (const auto& [from, to] : ranges) {
      values += values.empty() ? "" : ", ";
      values += from == to ? fmt::format("{}", from) : fmt::format("{}-{}", from, to);
    }
    text += fmt::format("{}selected by {}", text.empty() ? "" : ", ", values);
  }
  return text;
}

std::string comment_of(const DbcSignal& signal) {
  std::string text;
  const auto add = [&](const std::string& part) {
    if (!part.empty()) text += (text.empty() ? "  # " : ", ") + part;
  };
  const bool has_range = signal.min != 0 || signal.max != 0;
  if (has_range) add(fmt::format("{}..{}", signal.min, signal.max));
  add(printable(signal.unit));
  for (const auto& [value, word] : signal.words) add(fmt::format("{} = {}", value, printable(word)));
  add(selection_text(signal.signal));
  return text;
}

std::string heading_of(const DbcMessage& message) {
  auto text = fmt::format("{} {}", message.name, id_text(message.id));
  if (message.j1939) text += fmt::format(", PGN {}", message.id >> 8 & 0x3'FFFF);
  if (message.cycle.count() > 0) text += ", every " + config::duration_text(message.cycle);
  if (message.sender != "Vector__XXX") text += ", from " + message.sender;
  return text;
}

}  // namespace

std::string as_yaml(const Dbc& dbc, const ImportNames& names) {
  std::unordered_map<std::string_view, int> uses;
  for (const auto& message : dbc.messages) {
    for (const auto& signal : message.signals) ++uses[signal.name];
  }
  std::string text = fmt::format(
      "buses:\n  {}: {{type: can, interface: {}}}\n\ndevices:\n  {}:\n    bus: {}\n    dbc: {}\n"
      "    points:\n",
      as_word(names.bus), names.interface, as_word(names.device), as_word(names.bus), config::in_quotes(names.file));
  const auto out = std::back_inserter(text);
  for (const auto& message : dbc.messages) {
    if (message.signals.empty()) continue;
    fmt::format_to(out, "      # {}\n", heading_of(message));
    if (message.size > Frame::kMostBytes) {
      fmt::format_to(out, "      # CAN FD, {} bytes: not supported\n", message.size);
      continue;
    }
    for (const auto& signal : message.signals) {
      const auto name = uses[signal.name] == 1 ? as_word(signal.name) : message.name + '_' + signal.name;
      fmt::format_to(out, "      {}: {{signal: {}.{}}}{}\n", name, message.name, signal.name, comment_of(signal));
    }
  }
  return text;
}

}  // namespace ferrule::drivers::can
