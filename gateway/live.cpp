#include "gateway/live.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "gateway/gateway.hpp"
#include "gateway/http_json.hpp"
#include "gateway/status.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;

constexpr const char* kEventTopic = "$SYS/ferrule/events";

}  // namespace

/// The items of a `tap` as events of a stream.
class Live::Items final : public ControlReply::State {
 public:
  /// `unwrapped`: an item's payload is the event.
  Items(HttpReply reply, bool unwrapped) : reply_(std::move(reply)), unwrapped_(unwrapped) {}

  bool takes() override { return reply_.takes(); }
  void item(const json& item) override {
    if (!unwrapped_) return reply_.event("publication", json_text(item));
    reply_.event("event", item.value("payload", "null"));
  }
  void result(const json& /*result*/) override { reply_.end(); }
  void error(std::string_view code, std::string_view message) override {
    refused_ = true;
    reply_.respond(error_response(code, message));
  }
  void on_gone(std::function<void()> task) override { gone_ = std::move(task); }

  bool refused() const { return refused_; }
  void client_gone() {
    if (const auto task = std::exchange(gone_, nullptr)) task();
  }

 private:
  HttpReply reply_;
  const bool unwrapped_;
  bool refused_ = false;
  std::function<void()> gone_;
};

struct Live::Viewer {
  HttpReply reply;
  HttpGrant grant;
  bool watches = false;  // values and status, beside the items
  std::string device;
  std::weak_ptr<Items> items;
};

/// What all who look at one moment are shown: each text is made once, and only when somebody looks.
class Live::Texts {
 public:
  explicit Texts(const Gateway& gateway) : gateway_(gateway) {}

  const std::string& status() {
    if (status_.empty()) status_ = json_text(status_of(gateway_));
    return status_;
  }
  const std::string& values(const std::string& device) {
    auto& text = values_[device];
    if (text.empty()) {
      text = json_text({{"device", device},
                        {"total", gateway_.settings().point_count},
                        {"points", points_of(gateway_, device, kMostPoints)}});
    }
    return text;
  }

 private:
  const Gateway& gateway_;
  std::string status_;
  std::map<std::string, std::string> values_;  // by device
};

Live::Live(mqtt::Loop& loop, const Gateway& gateway, const ControlCommands& commands,
           std::function<bool(const HttpGrant&)> holds)
    : gateway_(gateway), commands_(commands), holds_(std::move(holds)), self_(std::make_shared<Live*>(this)) {
  loop.every(std::chrono::seconds(1), [weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->tick();
  });
}

Live::~Live() = default;

void Live::watch(const std::string& device, HttpReply reply, const HttpGrant& grant) {
  const auto viewer = std::make_shared<Viewer>(Viewer{std::move(reply), grant, true, device, {}});
  open(kEventTopic, viewer, true);
}

void Live::tap(const std::string& filter, HttpReply reply, const HttpGrant& grant) {
  const auto viewer = std::make_shared<Viewer>(Viewer{std::move(reply), grant, false, {}, {}});
  open(filter, viewer, false);
}

/// Items come from the loop later: none is lost before the stream has begun.
void Live::open(const std::string& filter, const std::shared_ptr<Viewer>& viewer, bool unwrapped) {
  const auto is_theirs = [&](const auto& other) { return other->grant.user == viewer->grant.user; };
  if (std::ranges::count_if(viewers_, is_theirs) >= kMostStreams) {
    return viewer->reply.respond(error_response(429, "too-many-streams", "this user has as many streams as one may"));
  }
  const auto items = std::make_shared<Items>(viewer->reply, unwrapped);
  viewer->items = items;
  const json request{{"command", "tap"}, {"filter", filter}};
  (*commands_.find("tap"))({request, viewer->grant.who}, ControlReply(items));
  if (items->refused()) return;
  if (!viewer->reply.stream()) return items->client_gone();
  viewers_.push_back(viewer);
  viewer->reply.on_gone([this, raw = viewer.get()] { forget(raw); });
  if (!viewer->watches) return;
  viewer->reply.event("events", json_text(events_of(gateway_, kEvents)));
  Texts texts(gateway_);
  show(*viewer, texts);
}

void Live::forget(const Viewer* viewer) {
  const auto found = std::ranges::find(viewers_, viewer, &std::shared_ptr<Viewer>::get);
  if (found == viewers_.end()) return;
  const auto held = *found;
  viewers_.erase(found);
  if (const auto items = held->items.lock()) items->client_gone();
}

void Live::show(const Viewer& viewer, Texts& texts) const {
  auto reply = viewer.reply;
  reply.event("status", texts.status());
  reply.event("values", texts.values(viewer.device));
}

void Live::tick() {
  const auto viewers = viewers_;  // those that end leave the list
  Texts texts(gateway_);
  for (const auto& viewer : viewers) {
    if (!holds_(viewer->grant)) {
      viewer->reply.end();
    } else if (viewer->watches) {
      show(*viewer, texts);
    }
  }
}

}  // namespace ferrule::gateway
