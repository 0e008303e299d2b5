#include "gateway/commands.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "gateway/result_message.hpp"
#include "mapping/conversion.hpp"
#include "mapping/json.hpp"
#include "mqtt/properties.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::gateway {

namespace {

using drivers::Outcome;
using drivers::Value;
using drivers::WriteResult;
using namespace std::chrono_literals;

constexpr std::string_view kCommandSuffix = "/set";
constexpr std::string_view kResultSuffix = "/result";
constexpr std::size_t kMostPayload = 4096;
constexpr std::size_t kMostAudited = 64;  // bytes of a text
constexpr double kStepTolerance = 1e-9;   // of a step: 0.3 is three steps of 0.1

std::optional<Value> value_of(const nlohmann::json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned()) return json.get<std::uint64_t>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number_float()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  return std::nullopt;
}

std::optional<double> number_of(const Value& value) {
  return std::visit(
      [](const auto& held) -> std::optional<double> {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<Held> && !std::is_same_v<Held, bool>) return static_cast<double>(held);
        return std::nullopt;
      },
      value);
}

/// The code of a word, or a code that has one; else why not.
tl::expected<Value, std::string> code_of(const Value& value, const EnumWords& words) {
  const auto number = number_of(value);
  const auto* text = std::get_if<std::string>(&value);
  for (const auto& [code, word] : words) {
    if (number == static_cast<double>(code) || (text != nullptr && *text == word)) return code;
  }
  std::string known;
  for (const auto& [code, word] : words) known += (known.empty() ? "" : ", ") + word;
  return tl::unexpected(fmt::format("it is none of: {}", known));
}

/// For the audit: of a long text its beginning is enough.
std::string brief(const Value& value, const EnumWords& words = {}, int digits = 0) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || text->size() <= kMostAudited) return value_json(value, words, digits);
  return value_json(text->substr(0, kMostAudited) + "...", words, digits);
}

/// What a boolean may be called; nothing for any other value.
std::optional<bool> switched(const Value& value) {
  if (const auto number = number_of(value); number == 0 || number == 1) return number == 1;
  const auto* text = std::get_if<std::string>(&value);
  if (text != nullptr && (*text == "on" || *text == "true" || *text == "1")) return true;
  if (text != nullptr && (*text == "off" || *text == "false" || *text == "0")) return false;
  return std::nullopt;
}

/// Text for itself, neither in JSON's quotes nor in an object.
bool is_plain_text(std::string_view payload) {
  return !payload.empty() && payload.size() <= kMostPayload && payload[0] != '"' && payload[0] != '{' &&
         mqtt::is_valid_utf8(payload);
}

}  // namespace

std::string value_json(const Value& value, const EnumWords& words, int digits) {
  const auto kept = mapping::keep(value);
  std::string json;
  for (const auto& [code, word] : words) {
    if (mapping::as_number(kept) != static_cast<double>(code)) continue;
    mapping::append_json(json, word);
    return json;
  }
  mapping::append_json(json, kept, digits);
  return json;
}

std::optional<Value> command_value(std::string_view payload) {
  if (payload.size() > kMostPayload) return std::nullopt;
  const auto json = nlohmann::json::parse(payload, nullptr, false);
  if (json.is_object()) return json.contains("v") ? value_of(json["v"]) : std::nullopt;
  return value_of(json);
}

tl::expected<Value, std::string> wanted_value(std::string_view payload, const EnumWords& words, drivers::Type type) {
  auto value = command_value(payload);
  const Value plain(std::string(payload.substr(0, kMostPayload)));
  if (!words.empty()) return code_of(value.value_or(plain), words);
  if (type == drivers::Type::Bool) {
    if (const auto state = switched(value.value_or(plain))) return *state;
  } else if (type == drivers::Type::String && is_plain_text(payload)) {
    return plain;
  }
  if (value) return *std::move(value);
  return tl::unexpected<std::string>(
      "the payload is no JSON number, boolean or string, nor an object that has one as \"v\"");
}

std::optional<std::string> violated_limit(const Value& value, const drivers::WriteSettings& limits) {
  if (!limits.min && !limits.max && limits.step == 0) return std::nullopt;
  const auto number = number_of(value);
  if (!number) return "a number is needed";
  if (limits.min && *number < *limits.min) return fmt::format("{} is below the minimum, {}", *number, *limits.min);
  if (limits.max && *number > *limits.max) return fmt::format("{} is above the maximum, {}", *number, *limits.max);
  if (limits.step > 0) {
    const double steps = (*number - limits.min.value_or(0)) / limits.step;
    if (std::abs(steps - std::round(steps)) > kStepTolerance * std::max(1.0, std::abs(steps))) {
      return fmt::format("{} is not a whole number of steps of {} from {}", *number, limits.step,
                         limits.min.value_or(0));
    }
  }
  return std::nullopt;
}

Commands::Commands(std::string gateway_id, Way way, const drivers::Clock& clock)
    : own_prefix_(std::move(gateway_id) + "/"), way_(std::move(way)), clock_(clock) {}

void Commands::take_for(std::vector<WritablePoint> points) {
  const auto before = std::exchange(targets_, {});
  for (auto& point : points) {
    const auto known = before.find(point.topic);  // what it was written to in the last minute counts on
    auto recent = known == before.end() ? std::deque<drivers::TimePoint>{} : known->second.recent;
    auto topic = point.topic;
    targets_.emplace(std::move(topic), Target{std::move(point), std::move(recent)});
  }
}

tl::expected<mqtt::Ticket, mqtt::Reason> Commands::append(const mqtt::PublicationPtr& publication, bool) {
  const auto found = targets_.find(publication->topic);
  const bool known = found != targets_.end();
  if (!known && !is_command(*publication)) return mqtt::Ticket{0};
  const auto point = known ? found->second.point : WritablePoint{publication->topic};
  const auto who = "client " + publication->origin;
  const auto payload = Value(publication->payload.substr(0, kMostPayload));
  const auto done = [this, reply = reply_to(*publication), point](const WriteResult& result) {
    answer(reply, point, result);
  };
  if (!known) {
    refuse({point, who, brief(payload)}, done);
    return mqtt::Ticket{0};
  }
  ++received_;
  auto value = wanted_value(publication->payload, point.words, point.type);
  const auto told = later(order(point, who, value.value_or(payload)), done);
  if (publication->retain) value = tl::unexpected<std::string>("a command must not be retained");
  carry_out(found->second, std::move(value), publication->expires.value_or(drivers::TimePoint::max()), told);
  return mqtt::Ticket{0};
}

void Commands::write(std::string_view topic, const Value& value, std::string_view who, Done done) {
  ++received_;
  const auto found = targets_.find(std::string(topic));
  if (found == targets_.end()) {
    return refuse({WritablePoint{std::string(topic)}, std::string(who), brief(value)}, std::move(done));
  }
  const auto& point = found->second.point;
  auto wanted = point.words.empty() ? tl::expected<Value, std::string>(value) : code_of(value, point.words);
  const auto told = later(order(point, std::string(who), wanted.value_or(value)), std::move(done));
  carry_out(found->second, std::move(wanted), drivers::TimePoint::max(), told);
}

std::vector<const WritablePoint*> Commands::writable() const {
  std::vector<const WritablePoint*> points;
  for (const auto& [topic, target] : targets_) points.push_back(&target.point);
  std::ranges::sort(points, {}, [](const auto* point) { return std::tie(point->device, point->name); });
  return points;
}

/// What was read last is what there was, as far as anybody knows.
Commands::Order Commands::order(const WritablePoint& point, std::string who, const Value& wanted) const {
  const auto before = way_.current(point.bus, point.point);
  const bool known = before.quality != drivers::Quality::Bad;
  return {point, std::move(who),
          fmt::format("{} -> {}", known ? brief(before.value, point.words, point.digits) : "null",
                      brief(wanted, point.words))};
}

Commands::Done Commands::later(Order order, Done done) {
  return [this, order = std::move(order), done = std::move(done)](const WriteResult& result) {
    way_.post([this, order, done, result] {
      report(order, result);
      done(result);
    });
  };
}

void Commands::carry_out(Target& target, tl::expected<Value, std::string>&& value, drivers::TimePoint latest,
                         const Done& told) {
  if (auto why = objection(target, value)) return told({Outcome::Rejected, std::move(*why)});
  const auto& limits = target.point.limits;
  drivers::WriteRequest request{target.point.point, std::move(*value), std::min(clock_.now() + limits.timeout, latest),
                                limits.readback, told};
  if (!way_.submit(target.point.bus, std::move(request))) {
    told({Outcome::Rejected, "too many commands wait for this bus"});
  }
}

void Commands::refuse(Order order, Done done) {
  later(std::move(order), std::move(done))({Outcome::Rejected, "there is no point here that can be written"});
}

bool Commands::subscribes(std::string_view topic) const { return targets_.contains(std::string(topic)); }

/// Whether somebody else than the gateway, whose points may be called `set`, means a point of ours.
bool Commands::is_command(const mqtt::Publication& publication) const {
  return !publication.origin.empty() && publication.topic.starts_with(own_prefix_) &&
         publication.topic.ends_with(kCommandSuffix);
}

std::optional<std::string> Commands::objection(Target& target, const tl::expected<Value, std::string>& value) {
  if (!value) return value.error();
  if (auto why = violated_limit(*value, target.point.limits)) return why;
  const auto most = target.point.limits.per_minute;
  if (most == 0) return std::nullopt;
  const auto now = clock_.now();
  while (!target.recent.empty() && now - target.recent.front() >= 1min) target.recent.pop_front();
  if (std::ssize(target.recent) >= most) return fmt::format("more than {} commands a minute", most);
  target.recent.push_back(now);
  return std::nullopt;
}

Commands::Reply Commands::reply_to(const mqtt::Publication& publication) const {
  Reply reply{publication.topic + std::string(kResultSuffix), correlation_of(publication)};
  const auto topic = mqtt::Properties::trusted(publication.properties).text(mqtt::PropertyId::ResponseTopic);
  if (!topic || !mqtt::is_valid_topic_name(*topic) || topic->starts_with('$')) return reply;
  // Nobody makes us publish what would pass for a reading or for a command, nor what he may not publish himself.
  const bool ours = topic->starts_with(own_prefix_) && !topic->ends_with(kResultSuffix);
  if (!ours && way_.may_publish(publication.origin, *topic)) reply.topic = *topic;
  return reply;
}

void Commands::report(const Order& order, const WriteResult& result) {
  const auto& point = order.point;
  auto outcome =
      fmt::format("{}: {}{}{}", order.change, name(result.outcome), result.why.empty() ? "" : ": ", result.why);
  if (result.read_back) outcome += ", read back " + brief(*result.read_back, point.words, point.digits);
  if (log_limit_.allow(clock_.now())) {
    spdlog::log(result.outcome == Outcome::Ok ? spdlog::level::info : spdlog::level::warn, "command {} of {}: {}",
                mqtt::for_log(point.topic), mqtt::for_log(order.who), outcome);
  }
  if (way_.note) way_.note(order.who, fmt::format("{}: {}", point.topic, outcome));
}

void Commands::answer(const Reply& reply, const WritablePoint& point, const WriteResult& result) {
  std::string more;
  if (result.read_back) more = ",\"v\":" + value_json(*result.read_back, point.words, point.digits);
  auto message = result_message(reply.topic, clock_.utc(), name(result.outcome), result.why, more);
  message.properties = reply.properties;
  message.published = clock_.now();
  way_.publish(std::make_shared<const mqtt::Publication>(std::move(message)));
}

}  // namespace ferrule::gateway
