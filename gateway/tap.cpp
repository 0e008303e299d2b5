#include "gateway/tap.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "mqtt/crypto.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;

constexpr std::size_t kMostPayload = 64 * 1024;  // bytes that are shown

json item_of(const mqtt::Publication& publication, bool withheld) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  json item{{"at", std::chrono::duration_cast<std::chrono::milliseconds>(now).count()},
            {"topic", publication.topic},
            {"qos", static_cast<int>(publication.qos)},
            {"retain", publication.retain},
            {"from", publication.origin.empty() ? json() : json(publication.origin)},
            {"bytes", publication.payload.size()}};
  if (withheld) {
    item["withheld"] = true;
    return item;
  }
  const auto payload = publication.payload.substr(0, kMostPayload);
  if (mqtt::is_valid_utf8(payload)) {
    item["payload"] = payload;
  } else {
    item["payload_base64"] = mqtt::to_base64(payload);
  }
  return item;
}

}  // namespace

struct Taps::Tap {
  mqtt::TopicFilter filter;
  ControlReply reply;
  std::uint64_t left;  // 0: no end
  bool done = false;
};

Taps::~Taps() {
  if (!taps_.empty()) broker_.detach(*this);
}

void Taps::open(const ControlRequest& request, ControlReply reply) {
  const auto filter = request.body.find("filter");
  const auto count = request.body.find("count");
  if (filter == request.body.end() || !filter->is_string() ||
      (count != request.body.end() && !count->is_number_unsigned())) {
    return reply.error("bad-request", "a tap has a \"filter\", text, and perhaps a \"count\"");
  }
  auto parsed = mqtt::TopicFilter::parse(filter->get<std::string>());
  if (!parsed) return reply.error("bad-request", "the filter is not a valid topic filter");
  const std::uint64_t left = count == request.body.end() ? 0 : count->get<std::uint64_t>();
  const auto tap = std::make_shared<Tap>(Tap{std::move(*parsed), reply, left});
  reply.on_gone([this, weak = std::weak_ptr(tap)] {
    if (const auto gone = weak.lock()) close(gone.get());
  });
  if (taps_.empty()) broker_.attach(*this);
  taps_.push_back(tap);
}

/// Those that are done, and `tap`. Never within `append`: the broker is walking its consumers then.
void Taps::close(const Tap* tap) {
  std::erase_if(taps_, [&](const auto& held) { return held.get() == tap || held->done; });
  if (taps_.empty()) broker_.detach(*this);
}

tl::expected<mqtt::Ticket, mqtt::Reason> Taps::append(const mqtt::PublicationPtr& publication, bool /*durable*/) {
  for (const auto& tap : taps_) {
    if (tap->done || !tap->filter.matches(publication->topic)) continue;
    if (tap->reply.takes()) tap->reply.item(item_of(*publication, publication->topic == withheld_));
    if (tap->left == 0 || --tap->left > 0) continue;
    tap->done = true;
    tap->reply.result(nullptr);
    loop_.post([this] { close(nullptr); });
  }
  return 0;
}

}  // namespace ferrule::gateway
