#include "bridge/batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "mqtt/crypto.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::bridge {

namespace {

constexpr std::string_view kBegin = R"({"topic":)";

}  // namespace

std::string batch_item(std::string_view topic, std::string_view payload) {
  using nlohmann::json;
  const auto name = json(topic).dump();
  if (json::accept(payload)) return fmt::format(R"({}{},"payload":{}}})", kBegin, name, payload);
  if (mqtt::is_valid_utf8(payload)) return fmt::format(R"({}{},"payload":{}}})", kBegin, name, json(payload).dump());
  return fmt::format(R"({}{},"base64":"{}"}})", kBegin, name, mqtt::to_base64(payload));
}

bool is_batch_item(std::string_view payload) { return payload.starts_with(kBegin) && payload.ends_with('}'); }

bool Batch::takes(std::string_view topic, std::string_view item, std::size_t max_size, std::size_t max_members) const {
  if (members_.empty()) return true;
  return topic == topic_ && is_batch_item(item) && members_.size() < max_members &&
         items_.size() + item.size() + 2 <= max_size;
}

void Batch::add(Seq seq, std::string_view item) {
  if (!members_.empty()) items_ += ',';
  items_ += item;
  members_.insert(std::ranges::upper_bound(members_, seq), seq);
}

}  // namespace ferrule::bridge
