#include "gateway/gateway.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "gateway/status.hpp"

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

/// Each takes up to 19 MiB while it computes an Argon2id hash.
constexpr std::size_t kPasswordThreads = 2;
constexpr auto kUplinkGrace = 500ms;
constexpr const char* kEventTopic = "$SYS/ferrule/events";
constexpr auto kFarewell = 50ms;  // for the loop to send what is left to the clients

}  // namespace

Gateway::Gateway(Settings settings, mqtt::Loop& loop)
    : settings_(std::move(settings)),
      loop_(loop),
      broker_(settings_.broker, clock_),
      password_checks_([this](std::function<void()> task) { post(std::move(task)); }, kPasswordThreads,
                       settings_.broker.access.max_logins_waiting),
      events_(clock_, [this](const Event& event) { tell(event); }) {
  const bool persistent = prepare_state_dir();
  const auto to_loop = [this](std::function<void()> task) { post(std::move(task)); };
  store_ = std::make_unique<mqtt::Store>(
      to_loop, [this](mqtt::Ticket ticket) { on_committed(ticket); },
      [this](mqtt::StoreFile& file, const std::string& what) {
        broker_.store_failed(file, what);
        uplinks_->store_failed(file, what);
        events_.store_failed(file, what);
      });
  uplinks_ = std::make_unique<Uplinks>(settings_.state_dir, broker_, *store_, to_loop, clock_);
  uplinks_->renew(settings_);
  if (persistent) restore_sessions();
  keep_events();
  for (std::size_t i = 0; i < settings_.broker.listen.size(); ++i) {
    listeners_.push_back(std::make_unique<mqtt::Listener>(
        loop_, settings_.broker.listen[i], i,
        [this](std::unique_ptr<mqtt::Transport> transport) { broker_.accept(std::move(transport)); }));
  }
  broker_.check_passwords_with(password_checks_);
  broker_.also_tell([this](const mqtt::Broker::Show& show) {
    for (const auto& listener : listeners_) listener->tell(show);
    show("store/commits", store_->commits());
    show("store/failures", store_->failures());
    show("store/backlog", store_->backlog());
  });
  broker_.on_login([this](const mqtt::LoginReport& report) { note_login(report); });
  broker_.on_needs_flush([this] { post([this] { broker_.flush(); }); });
  const Field::Way way{to_loop, [this](auto delay, auto task) { loop_.once(delay, std::move(task)); },
                       [this](std::string kind, auto who, auto what) { events_.note(std::move(kind), who, what); }};
  field_ = std::make_unique<Field>(settings_, broker_, way);
}

Gateway::~Gateway() {
  field_.reset();
  listeners_.clear();
  store_.reset();
}

/// Returns whether the broker's sessions are to be kept there. Unless somebody asked for that, a gateway without a
/// directory to write to runs all the same: so the first try by hand does.
bool Gateway::prepare_state_dir() const {
  const auto& persistence = settings_.broker.persistence;
  if (settings_.uplinks.empty() && !persistence.on) return false;
  std::error_code error;
  std::filesystem::create_directories(settings_.state_dir, error);
  if (!error && access(settings_.state_dir.c_str(), W_OK | X_OK) != 0) error.assign(errno, std::generic_category());
  if (error && settings_.uplinks.empty() && !persistence.asked && !settings_.state_dir_named) {
    spdlog::warn("cannot write to {} ({}): the broker's sessions will not survive a restart; name gateway.state_dir",
                 settings_.state_dir.string(), error.message());
    return false;
  }
  if (error) {
    throw config::Error(settings_.state_dir_where, "gateway.state_dir",
                        fmt::format("cannot write to {}: {}", settings_.state_dir.string(), error.message()),
                        EX_CANTCREAT);
  }
  return persistence.on;
}

void Gateway::restore_sessions() {
  const auto& persistence = settings_.broker.persistence;
  try {
    broker_.persist(std::make_unique<mqtt::SessionJournal>(settings_.state_dir / persistence.path, *store_, clock_,
                                                           persistence.sync));
  } catch (const std::runtime_error& error) {
    throw config::Error(persistence.where, "broker.persistence", error.what(), EX_CANTCREAT);
  }
}

/// A gateway without a file for them keeps its events in memory.
void Gateway::keep_events() {
  if (access(settings_.state_dir.c_str(), W_OK | X_OK) != 0) return;
  try {
    events_.keep(settings_.state_dir / "events.db", *store_);
  } catch (const std::runtime_error& error) {
    spdlog::warn("events: {}: kept in memory only", error.what());
  }
}

void Gateway::post(std::function<void()> task) {
  loop_.post([alive = std::weak_ptr(alive_), task = std::move(task)] {
    if (!alive.expired()) task();
  });
}

void Gateway::tell(const Event& event) {
  mqtt::Publication publication;
  publication.topic = kEventTopic;
  publication.payload = event_json_text(event);
  publication.qos = mqtt::Qos::AtLeastOnce;
  publication.published = clock_.now();
  // Not now: what happened may have happened inside the broker.
  post([this, shared = std::make_shared<const mqtt::Publication>(std::move(publication))] {
    if (!stopping_) broker_.publish(shared);
  });
}

void Gateway::note_login(const mqtt::LoginReport& report) {
  const auto who = fmt::format("user {}", report.user.empty() ? "(none)" : report.user);
  if (report.ok) return events_.note_and_tell("login", who, fmt::format("from {}", report.peer));
  events_.note("login-failed", who, fmt::format("from {}: {}", report.peer, report.why));  // the broker told the log
}

void Gateway::start() {
  for (const auto& listener : listeners_) spdlog::info("broker: listening on {}", listener->name());
  uplinks_->start();
  field_->start();
  events_.note("start", "gateway", FERRULE_VERSION);
  loop_.every(1s, [this] {
    broker_.tick();
    if (!stopping_) events_.tick(conditions(field_->buses(), uplinks(), field_->alarms()));
  });
  loop_.every(100ms, [this] {
    if (stopping_) return;
    broker_.tick_disk();
    uplinks_->tick();
  });
}

namespace {

std::string text_of(const BusChanges& changes, const UplinkChanges& uplinks) {
  std::string text;
  const auto add = [&](const std::vector<std::string>& names, std::string_view what) {
    if (!names.empty()) text += fmt::format("; {}: {}", what, fmt::join(names, ", "));
  };
  add(changes.added, "new");
  add(changes.restarted, "restarted");
  add(changes.ended, "ended");
  add(uplinks.added, "new uplinks");
  add(uplinks.changed, "uplinks connecting anew");
  add(uplinks.ended, "uplinks ended");
  return fmt::format("users and rules taken over; buses untouched: {}{}", changes.untouched, text);
}

}  // namespace

std::optional<std::string> Gateway::obstacle(const Settings& fresh) const {
  const auto place = [](const mqtt::ListenSettings& listen) {
    return std::tie(listen.bind, listen.port, listen.unix_path, listen.systemd);
  };
  constexpr std::string_view kRestart = ": that needs a restart";
  const auto& now = settings_.fingerprints;
  const auto& then = fresh.fingerprints;
  if (!std::ranges::equal(settings_.broker.listen, fresh.broker.listen, {}, place, place)) {
    return fmt::format("other listeners{}", kRestart);
  }
  if (now.gateway != then.gateway) return fmt::format("another section `gateway`{}", kRestart);
  if (now.broker != then.broker) return fmt::format("another section `broker`{}", kRestart);
  try {
    uplinks_->check(fresh);
  } catch (const config::Error& error) {
    return error.what();
  }
  return std::nullopt;
}

void Gateway::renew(Settings fresh, Reload::Done done) {
  if (stopping_) return;
  if (const auto what = obstacle(fresh)) return done({false, *what, true});
  UplinkChanges uplinks;
  try {
    uplinks = uplinks_->renew(fresh);
  } catch (const config::Error& error) {
    return done({false, error.what(), true});
  }
  for (const auto& warning : fresh.warnings) spdlog::warn("{}", warning.text());
  broker_.set_access(std::make_shared<const mqtt::Access>(fresh.broker.access));
  settings_.warnings = fresh.warnings;
  settings_.device_count = fresh.device_count;
  settings_.point_count = fresh.point_count;
  settings_.uplinks = fresh.uplinks;
  field_->renew(std::move(fresh), [done = std::move(done), uplinks = std::move(uplinks)](const BusChanges& changes) {
    const auto text = text_of(changes, uplinks);
    done({changes.trouble.empty(), changes.trouble.empty() ? text : fmt::format("{}; but {}", text, changes.trouble)});
  });
}

void Gateway::on_committed(mqtt::Ticket ticket) {
  broker_.store_committed(ticket);
  uplinks_->committed(ticket);
  // A failed write was told to whom it concerns just before; the ticket of its second try covers what waits here.
  if (broker_.owes_disk() || uplinks_->owes_disk()) return;
  broker_.committed(ticket);
  uplinks_->on_disk(ticket);
}

void Gateway::stop() {
  if (std::exchange(stopping_, true)) return;
  spdlog::info("stopping");
  events_.note("stop", "gateway", FERRULE_VERSION);
  events_.flush();
  listeners_.clear();
  field_->stop_servers();
  field_->stop_polling();
  // Behind the last batches of the buses, so that these still reach the outboxes.
  post([this] { disconnect_clients(); });
}

void Gateway::disconnect_clients() {
  uplinks_->stop(kUplinkGrace);
  broker_.shut_down();
  broker_.flush();
  loop_.once(kFarewell, [this] { loop_.stop(); });
}

std::vector<std::string> Gateway::listening() const {
  std::vector<std::string> names;
  for (const auto& listener : listeners_) names.push_back(listener->name());
  return names;
}

std::vector<WatchedThread> Gateway::threads() const {
  auto threads = field_->threads();
  threads.push_back({"the store", store_->due(), kStorePatience});
  threads.push_back({"password checks", password_checks_.due(), kPasswordPatience});
  for (const auto& uplink : uplinks_->all()) {
    threads.push_back({"uplink " + uplink->status().name, uplink->due(), kUplinkPatience});
  }
  return threads;
}

bool Gateway::all_threads_move() { return watchdog_.all_move(threads(), std::chrono::steady_clock::now()); }

std::string Gateway::status_line() const {
  std::size_t devices = 0;
  std::size_t online = 0;
  for (const auto& bus : field_->buses()) {
    for (const auto& device : bus.devices) {
      devices += device.polled ? 1 : 0;
      online += device.polled && device.online ? 1 : 0;
    }
  }
  auto line = threads_verdict();
  if (!line.empty()) line += ": ";
  line += fmt::format("{}/{} devices ok", online, devices);
  for (const auto& uplink : uplinks())
    line += fmt::format(", uplink {} {}, queue {}", uplink.name, name(uplink.state), uplink.queued);
  return line;
}

}  // namespace ferrule::gateway
