#include "gateway/remote_configuration.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "bridge/inbound.hpp"
#include "config/error.hpp"
#include "gateway/durable_file.hpp"
#include "gateway/gateway.hpp"
#include "gateway/result_message.hpp"
#include "gateway/way_in.hpp"
#include "mqtt/log_limit.hpp"

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

constexpr auto kLook = 200ms;
constexpr auto kAgain = 1s;                       // to go back
constexpr std::size_t kMostPayload = 16U << 20U;  // as of a file

/// Throws std::runtime_error; on return the text is on disk.
void write(const std::filesystem::path& file, const std::string& text, std::filesystem::perms mode) {
  const auto descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), file.string());
  const bool safe = write_durably(descriptor, text);
  const auto why = errno;
  ::close(descriptor);
  if (!safe) throw std::system_error(why, std::generic_category(), file.string());
  std::filesystem::permissions(file, mode);
}

/// The uplink that brought it; nothing when a client of ours did.
std::optional<std::string> uplink_of(const mqtt::Publication& request) {
  if (!bridge::is_from_cloud(request)) return std::nullopt;
  return request.origin.substr(bridge::from_cloud({}).size());
}

}  // namespace

RemoteConfiguration::RemoteConfiguration(const RemoteSettings& settings, std::filesystem::path file, mqtt::Loop& loop,
                                         Gateway& gateway, Reload& reload)
    : settings_(settings),
      request_topic_(settings.request_topic()),
      file_(std::filesystem::absolute(file)),
      candidate_(file_.parent_path() / ("." + file_.filename().string() + ".remote")),
      loop_(loop),
      gateway_(gateway),
      reload_(reload) {
  std::error_code none;
  std::filesystem::remove(candidate_, none);  // of a trial that a kill ended
  gateway_.broker().attach(*this);
}

RemoteConfiguration::~RemoteConfiguration() {
  gateway_.broker().detach(*this);
  if (thread_.joinable()) thread_.join();
}

tl::expected<mqtt::Ticket, mqtt::Reason> RemoteConfiguration::append(const mqtt::PublicationPtr& publication, bool) {
  if (!subscribes(publication->topic) || publication->origin.empty()) return mqtt::Ticket{0};
  loop_.post([this, alive = std::weak_ptr(alive_), publication] {
    if (!alive.expired()) begin(publication);
  });
  return mqtt::Ticket{0};
}

void RemoteConfiguration::begin(const mqtt::PublicationPtr& request) {
  if (gateway_.stopping()) return;
  if (request->retain) return answer(*request, Result::Rejected, "it must not be retained");
  if (request->payload.size() > kMostPayload) return answer(*request, Result::Rejected, "it is larger than 16 MiB");
  if (!reload_.hold()) return answer(*request, Result::Rejected, "another configuration is being taken over");
  trial_ = Trial{request, online(), {}, {}, {}, {}};
  thread_ = std::thread([this] { read(); });
}

void RemoteConfiguration::read() {
  std::string why;
  try {
    if (std::filesystem::is_directory(file_)) {
      why = "the gateway's configuration is a directory, not a file";
    } else {
      write(candidate_, trial_->request->payload, std::filesystem::status(file_).permissions());
      trial_->fresh = load_settings(candidate_);
      trial_->before = load_settings(file_);
    }
  } catch (const std::exception& error) {
    why = error.what();
  }
  loop_.post([this, alive = std::weak_ptr(alive_), why = std::move(why)] {
    if (alive.expired()) return;
    thread_.join();
    if (!why.empty()) return end(Result::Rejected, why);
    apply();
  });
}

/// Before anything is touched: whether there is a way back, and somebody who could send another.
std::optional<std::string> RemoteConfiguration::objection() const {
  if (const auto what = gateway_.obstacle(trial_->before)) {
    return fmt::format("the file as it is could not be gone back to: {}", *what);
  }
  if (trial_->were_online.empty() && !gateway_.uplinks().empty()) return "no uplink is online that could prove it";
  const auto name = uplink_of(*trial_->request);
  if (!name) return std::nullopt;
  const auto uplink = std::ranges::find(trial_->fresh.uplinks, *name, &bridge::UplinkSettings::name);
  if (uplink != trial_->fresh.uplinks.end() && leads_to(uplink->in, request_topic_)) return std::nullopt;
  return fmt::format("uplink {} could not bring another: it has no `in` that leads to {}", *name, request_topic_);
}

void RemoteConfiguration::apply() {
  if (const auto why = objection()) return end(Result::Rejected, *why);
  gateway_.renew(std::move(trial_->fresh), [this, alive = std::weak_ptr(alive_)](const ReloadResult& result) {
    if (alive.expired()) return;
    if (result.untouched) return end(Result::Rejected, result.text);
    if (!result.ok) return go_back(Result::Rejected, result.text);
    trial_->until = std::chrono::steady_clock::now() + settings_.within;
    prove();
  });
}

std::vector<std::string> RemoteConfiguration::online() const {
  std::vector<std::string> names;
  for (const auto& uplink : gateway_.uplinks()) {
    if (uplink.state == bridge::UplinkState::Online) names.push_back(uplink.name);
  }
  return names;
}

/// Those that are no more have nothing to prove, but somebody must be left who can be told what is wrong; if the
/// request came by an uplink, that one.
bool RemoteConfiguration::is_proven() const {
  const auto now = online();
  const auto uplinks = gateway_.uplinks();
  const auto sender = uplink_of(*trial_->request);
  if (sender && std::ranges::find(now, *sender) == now.end()) return false;
  return (trial_->were_online.empty() || !now.empty()) &&
         std::ranges::all_of(trial_->were_online, [&](const auto& name) {
           const bool is_there = std::ranges::any_of(uplinks, [&](const auto& uplink) { return uplink.name == name; });
           return !is_there || std::ranges::find(now, name) != now.end();
         });
}

void RemoteConfiguration::prove() {
  if (gateway_.stopping()) return;  // the file is as it was
  if (is_proven()) return keep();
  if (std::chrono::steady_clock::now() >= trial_->until) {
    return go_back(Result::RolledBack, fmt::format("the uplinks that were online were not online again within {} s",
                                                   settings_.within.count() / 1000));
  }
  loop_.once(kLook, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) prove();
  });
}

void RemoteConfiguration::keep() {
  std::error_code error;
  const auto previous = file_.string() + ".previous";
  std::filesystem::copy_file(file_, previous, std::filesystem::copy_options::overwrite_existing, error);
  if (!error) std::filesystem::rename(candidate_, file_, error);
  if (error) return go_back(Result::RolledBack, fmt::format("cannot write {}: {}", file_.string(), error.message()));
  sync_directory(file_.parent_path());
  end(Result::Ok, {});
}

/// What fails, such as a port that somebody took meanwhile, is tried until it holds: nothing else is taken over before.
void RemoteConfiguration::go_back(Result result, const std::string& why) {
  if (gateway_.stopping()) return;
  gateway_.renew(trial_->before, [this, alive = std::weak_ptr(alive_), result, why](const ReloadResult& back) {
    if (alive.expired()) return;
    if (back.ok) return end(result, why);
    if (trial_->trouble.is_news(back.text, std::chrono::steady_clock::now())) {
      spdlog::error("configuration: cannot go back to {} yet, trying on: {}", file_.string(), back.text);
    }
    loop_.once(kAgain, [this, alive, result, why] {
      if (!alive.expired()) go_back(result, why);
    });
  });
}

void RemoteConfiguration::end(Result result, const std::string& why) {
  const auto request = std::move(trial_->request);
  trial_.reset();
  std::error_code gone;
  std::filesystem::remove(candidate_, gone);
  reload_.release();
  answer(*request, result, why);
}

void RemoteConfiguration::answer(const mqtt::Publication& request, Result result, const std::string& why) {
  constexpr std::array<std::string_view, 3> kNames{"ok", "rejected", "rolled-back"};
  const auto name = kNames[static_cast<std::size_t>(result)];
  const auto outcome = fmt::format("{}{}{}", name, why.empty() ? "" : ": ", why);
  spdlog::log(result == Result::Ok ? spdlog::level::info : spdlog::level::warn, "configuration from client {}: {}",
              mqtt::for_log(request.origin), outcome);
  gateway_.events().note("configuration", "client " + request.origin, outcome);
  auto message = result_message(settings_.result_topic(), std::chrono::system_clock::now(), name, why);
  message.properties = correlation_of(request);
  message.published = std::chrono::steady_clock::now();
  gateway_.broker().publish(std::make_shared<const mqtt::Publication>(std::move(message)));
}

}  // namespace ferrule::gateway
