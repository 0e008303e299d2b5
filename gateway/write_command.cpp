#include "gateway/write_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "gateway/field.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;

json limit(const std::optional<double>& value) { return value ? json(*value) : json(); }

json writable_json(const WritablePoint& point) {
  json words = json::array();
  for (const auto& [code, word] : point.words) words.push_back(word);
  return {{"device", point.device},         {"point", point.name},
          {"topic", point.topic},           {"min", limit(point.limits.min)},
          {"max", limit(point.limits.max)}, {"step", point.limits.step > 0 ? json(point.limits.step) : json()},
          {"words", std::move(words)},      {"readback", point.limits.readback.count() > 0}};
}

void write(Field& field, const ControlRequest& request, ControlReply reply) {
  const auto text = [&](const char* member) {
    const auto found = request.body.find(member);
    return found == request.body.end() || !found->is_string() ? std::string() : found->get<std::string>();
  };
  const auto device = text("device"), point = text("point");
  const auto value = request.body.find("value");
  // Not nested ones: `dump` calls itself for each level.
  const bool is_plain = value != request.body.end() && !value->is_structured();
  const auto wanted = is_plain ? command_value(value->dump(-1, ' ', true)) : std::nullopt;
  if (device.empty() || point.empty() || !wanted) {
    return reply.error("bad-request", "a write has a \"device\", a \"point\" and a \"value\": number, boolean or text");
  }
  const auto points = field.commands().writable();
  const auto found =
      std::ranges::find_if(points, [&](const auto* known) { return known->device == device && known->name == point; });
  if (found == points.end()) {
    return reply.error("bad-request", fmt::format("there is no point {}/{} that can be written", device, point));
  }
  field.commands().write((*found)->topic, *wanted, request.who,
                         [reply, known = **found](const drivers::WriteResult& result) mutable {
                           json answer{{"result", name(result.outcome)}, {"why", result.why}};
                           if (result.read_back) {
                             answer["v"] = json::parse(value_json(*result.read_back, known.words, known.digits));
                           }
                           reply.result(answer);
                         });
}

}  // namespace

void add_write_commands(ControlCommands& commands, Field& field) {
  commands.on("writable", [&field](const ControlRequest&, ControlReply reply) {
    json points = json::array();
    for (const auto* point : field.commands().writable()) points.push_back(writable_json(*point));
    reply.result(points);
  });
  commands.on("write",
              [&field](const ControlRequest& request, ControlReply reply) { write(field, request, std::move(reply)); });
}

}  // namespace ferrule::gateway
