#include "gateway/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace ferrule::gateway {

namespace {

using drivers::WireEvent;
using nlohmann::json;

std::string hex(std::string_view bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

json item_of(const WireEvent& event) {
  const auto at = std::chrono::duration_cast<std::chrono::microseconds>(event.at.time_since_epoch());
  json item{{"at", at.count()}, {"kind", name(event.kind)}};
  if (event.kind == WireEvent::Kind::Failed) {
    item["why"] = event.data;
  } else if (!event.data.empty()) {
    item["hex"] = hex(event.data);
  }
  return item;
}

}  // namespace

Traces::~Traces() {
  for (auto& watched : watched_) watched.bus.trace().unwatch();
}

void Traces::open(const ControlRequest& request, ControlReply reply) {
  const auto name = request.body.find("bus");
  if (name == request.body.end() || !name->is_string()) {
    return reply.error("bad-request", "a trace has a \"bus\", its name");
  }
  auto* bus = find_bus_(name->get<std::string>());
  if (bus == nullptr) return reply.error("bad-request", "this gateway has no bus of that name");
  const auto status = bus->status();
  if (status.type == "system") return reply.error("bad-request", "a bus of type system has no wire");
  reply.item({{"bus", status.name}, {"type", status.type}, {"port", status.port}});
  const auto viewer = std::make_shared<ControlReply>(reply);
  reply.on_gone([this, bus, weak = std::weak_ptr(viewer)] {
    if (const auto gone = weak.lock()) leave(bus, gone.get());
  });
  watch(*bus).viewers.push_back(viewer);
}

Traces::Watched& Traces::watch(drivers::Bus& bus) {
  const auto found = std::ranges::find_if(watched_, [&](const Watched& watched) { return &watched.bus == &bus; });
  if (found != watched_.end()) return *found;
  bus.trace().watch([&loop = loop_, weak = std::weak_ptr(self_), &bus] {
    loop.post([weak, &bus] {
      if (const auto self = weak.lock()) (*self)->pass_on(&bus);
    });
  });
  return watched_.emplace_back(Watched{bus, {}});
}

void Traces::pass_on(const drivers::Bus* bus) {
  const auto found = std::ranges::find_if(watched_, [&](const Watched& watched) { return &watched.bus == bus; });
  if (found == watched_.end()) return;
  const auto news = found->bus.trace().take();
  const auto tell = [&](const json& item) {
    for (const auto& viewer : found->viewers) viewer->item(item);
  };
  for (const auto& event : news.events) tell(item_of(event));
  if (news.lost > 0) tell({{"kind", "lost"}, {"events", news.lost}});
}

void Traces::forget(const drivers::Bus& bus) {
  const auto found = std::ranges::find_if(watched_, [&](const Watched& watched) { return &watched.bus == &bus; });
  if (found == watched_.end()) return;
  for (const auto& viewer : found->viewers) viewer->error("bus-ended", "the bus ended: the configuration has changed");
  found->bus.trace().unwatch();
  watched_.erase(found);
}

void Traces::leave(const drivers::Bus* bus, const ControlReply* viewer) {
  const auto found = std::ranges::find_if(watched_, [&](const Watched& watched) { return &watched.bus == bus; });
  if (found == watched_.end()) return;
  std::erase_if(found->viewers, [&](const auto& held) { return held.get() == viewer; });
  if (!found->viewers.empty()) return;
  found->bus.trace().unwatch();
  watched_.erase(found);
}

}  // namespace ferrule::gateway
