#include "gateway/control.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

namespace ferrule::gateway {

namespace {

using nlohmann::json;

constexpr std::size_t kMostConnections = 16;
constexpr std::size_t kMostUnderWay = 16;         // requests of one client
constexpr std::size_t kLongestLine = 64 * 1024;   // bytes of a request
constexpr std::size_t kEnoughOutput = 64 * 1024;  // bytes; beyond it no more requests are read
constexpr std::size_t kMostOutput = 1 << 20;      // bytes; beyond it items of streams are dropped

/// Bytes of clients and devices are not always UTF-8, and an answer must not fail because of them.
std::string line_of(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace) + '\n'; }

/// Whoever has its directory by group, has the socket too: the packaged service's is `ferrule`'s, whoever runs it.
void give_to_group_of_directory(const std::filesystem::path& path) {
  struct stat directory {};
  if (::stat(path.parent_path().c_str(), &directory) != 0) return;
  // Only root and members may; for all others it belongs to their own group.
  if (::chown(path.c_str(), static_cast<uid_t>(-1), directory.st_gid) != 0) return;
}

mqtt::ListenSettings listen_settings(const std::string& path, const config::Location& where) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);  // else opening says why
  mqtt::ListenSettings settings;
  settings.setting = "gateway.control";
  settings.where = where;
  settings.unix_path = path;
  settings.mode = 0660;
  settings.max_connections = kMostConnections;
  return settings;
}

}  // namespace

/// One client.
class Control::Connection final : public mqtt::Sink, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Control& control, std::unique_ptr<mqtt::Transport> transport)
      : control_(control), transport_(std::move(transport)) {}

  void start() { transport_->start(*this); }
  /// The gateway ends: nothing is sent any more.
  void abandon();
  bool open() const { return open_; }
  std::string who() const;

  void adopt(const std::shared_ptr<Control::Reply>& state) { under_way_.push_back(state); }
  bool has_room() const { return under_way_.size() < kMostUnderWay; }
  void let_go(const Control::Reply& state);
  void send(const std::string& line);
  void send_item(const std::string& line);

 private:
  void on_data(std::string_view bytes) override;
  void on_writable() override { flush(); }
  void on_closed(std::string_view cause) override;
  void take_lines();
  void refuse_long_line();
  void flush();
  void flush_soon();
  void tell_gone();

  Control& control_;  // not after `abandon` or on_closed
  std::unique_ptr<mqtt::Transport> transport_;
  std::vector<std::weak_ptr<Control::Reply>> under_way_;
  std::string input_;
  std::string output_;
  bool open_ = true;
  bool flush_posted_ = false;
  bool paused_ = false;
};

/// Answers as lines: `{"id":..,"item":..}` and the like.
class Control::Reply final : public ControlReply::State {
 public:
  Reply(std::weak_ptr<Connection> connection, json id) : connection_(std::move(connection)), id_(std::move(id)) {}
  ~Reply() override {
    if (!answered_) answer({{"error", {{"code", "internal"}, {"message", "the command gave no answer"}}}});
  }

  void item(const json& item) override {
    const auto connection = connection_.lock();
    if (answered_ || connection == nullptr || !connection->open()) return;
    connection->send_item(line_of({{"id", id_}, {"item", item}}));
  }
  void result(const json& result) override { answer({{"result", result}}); }
  void error(std::string_view code, std::string_view message) override {
    answer({{"error", {{"code", code}, {"message", message}}}});
  }
  void on_gone(std::function<void()> task) override { gone_ = std::move(task); }

  void client_gone() {
    answered_ = true;
    if (const auto task = std::exchange(gone_, nullptr)) task();
  }

 private:
  void answer(json members) {
    if (std::exchange(answered_, true)) return;
    gone_ = nullptr;
    const auto connection = connection_.lock();
    if (connection == nullptr || !connection->open()) return;
    members["id"] = id_;
    connection->let_go(*this);
    connection->send(line_of(members));
  }

  const std::weak_ptr<Connection> connection_;
  const json id_;
  std::function<void()> gone_;
  bool answered_ = false;
};

// Connection

std::string Control::Connection::who() const {
  const auto process = transport_->identity().process;
  return process ? fmt::format("uid {}, process {}", process->uid, process->pid) : "unknown";
}

void Control::Connection::on_data(std::string_view bytes) {
  input_ += bytes;
  take_lines();
  flush();  // now: a client that shuts its side down behind its request gets the answer all the same
}

void Control::Connection::take_lines() {
  const auto alive = shared_from_this();
  std::size_t begin = 0;
  while (open_ && output_.size() <= kEnoughOutput) {
    const auto end = std::min(input_.find('\n', begin), input_.size());
    if (end - begin > kLongestLine) return refuse_long_line();
    if (end == input_.size()) break;
    control_.serve(*this, std::string_view(input_).substr(begin, end - begin));
    begin = end + 1;
  }
  input_.erase(0, begin);
  const bool pause = output_.size() > kEnoughOutput;
  if (open_ && pause != std::exchange(paused_, pause)) transport_->pause_reading(pause);
}

void Control::Connection::refuse_long_line() {
  ++control_.counters_.bad_requests;
  input_ = {};
  send(line_of({{"id", nullptr},
                {"error", {{"code", "bad-request"}, {"message", "a request is one line of up to 65536 bytes"}}}}));
  flush();
  transport_->close();
}

void Control::Connection::send(const std::string& line) {
  output_ += line;
  flush_soon();
}

void Control::Connection::send_item(const std::string& line) {
  if (output_.size() + line.size() > kMostOutput) {
    ++control_.counters_.items_dropped;
    return;
  }
  send(line);
}

void Control::Connection::flush_soon() {
  if (std::exchange(flush_posted_, true)) return;
  control_.loop_.post([weak = weak_from_this()] {
    if (const auto connection = weak.lock()) connection->flush();
  });
}

void Control::Connection::flush() {
  flush_posted_ = false;
  if (!open_ || output_.empty()) return;
  const iovec buffer{output_.data(), output_.size()};
  output_.erase(0, transport_->write({&buffer, 1}));
  if (output_.empty()) output_.shrink_to_fit();
  if (paused_ && output_.size() <= kEnoughOutput) take_lines();
}

void Control::Connection::let_go(const Control::Reply& state) {
  // A state that ends unanswered has no owner left: its weak pointer is as dead as those of the answered ones.
  std::erase_if(under_way_, [&](const auto& weak) {
    const auto held = weak.lock();
    return held == nullptr || held.get() == &state;
  });
}

void Control::Connection::tell_gone() {
  for (const auto& weak : std::exchange(under_way_, {})) {
    if (const auto state = weak.lock()) state->client_gone();
  }
}

void Control::Connection::on_closed(std::string_view /*cause*/) {
  const auto alive = shared_from_this();
  open_ = false;
  tell_gone();
  control_.forget(*this);
  // The transport calls us: it must outlive the call.
  control_.loop_.post([alive] {});
}

void Control::Connection::abandon() {
  open_ = false;
  tell_gone();
  transport_.reset();
}

// Control

Control::Control(mqtt::Loop& loop, const ControlCommands& commands, const std::string& path,
                 const config::Location& where)
    : loop_(loop), commands_(commands), path_(path) {
  listener_ = std::make_unique<mqtt::Listener>(
      loop, listen_settings(path, where), 0,
      [this](std::unique_ptr<mqtt::Transport> transport) { accept(std::move(transport)); });
  give_to_group_of_directory(path);
}

Control::~Control() {
  listener_.reset();
  for (const auto& connection : std::exchange(connections_, {})) connection->abandon();
}

void Control::accept(std::unique_ptr<mqtt::Transport> transport) {
  connections_.push_back(std::make_shared<Connection>(*this, std::move(transport)));
  connections_.back()->start();
}

void Control::forget(const Connection& connection) {
  connections_.remove_if([&](const auto& held) { return held.get() == &connection; });
}

void Control::serve(Connection& connection, std::string_view line) {
  ++counters_.requests;
  const json body = json::parse(line, nullptr, false);
  const auto id = body.is_object() && body.contains("id") ? body["id"] : json();
  const bool proper =
      (id.is_number_integer() || id.is_string()) && body.contains("command") && body["command"].is_string();
  const auto state = std::make_shared<Reply>(connection.weak_from_this(), proper ? id : json());
  ControlReply reply(state);
  if (!proper) {
    ++counters_.bad_requests;
    return reply.error("bad-request",
                       R"(a request is one JSON object like {"id":1,"command":"status"}; the id is a number or text)");
  }
  const auto& command = body["command"].get_ref<const std::string&>();
  const auto* handler = commands_.find(command);
  if (handler == nullptr) {
    ++counters_.bad_requests;
    return reply.error("unknown-command", fmt::format("this gateway has no command \"{}\"", command));
  }
  if (!connection.has_room()) return reply.error("busy", "too many requests of this connection are under way");
  connection.adopt(state);
  (*handler)({body, connection.who()}, std::move(reply));
}

}  // namespace ferrule::gateway
