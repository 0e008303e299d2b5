#include "gateway/ask.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sysexits.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "gateway/control_client.hpp"
#include "gateway/demo_screen.hpp"
#include "gateway/status.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;

constexpr int kProblems = 1;  // exit code

tl::expected<ControlClient, ControlFailure> connect(const AskOptions& options) {
  return ControlClient::connect(options.socket.empty() ? default_control_socket() : options.socket);
}

int report(const ControlFailure& failure) {
  fmt::print(stderr, "ferrule: {}\n", failure.message);
  return failure.exit_code;
}

}  // namespace

int print_status(const AskOptions& options) {
  auto client = connect(options);
  if (!client) return report(client.error());
  const auto status = client->call({{"command", "status"}});
  if (!status) return report(status.error());
  fmt::print("{}", options.json ? status->dump(2) + '\n' : status_text(*status, options.all));
  if (!status->value("stuck", json()).is_null()) return EX_SOFTWARE;
  return status->value("problems", json::array()).empty() ? EX_OK : kProblems;
}

int print_events(const AskOptions& options, std::uint64_t limit) {
  auto client = connect(options);
  if (!client) return report(client.error());
  const auto events = client->call({{"command", "events"}, {"limit", limit}});
  if (!events) return report(events.error());
  fmt::print("{}", options.json ? events->dump(2) + '\n' : events_text(*events));
  return EX_OK;
}

int reload(const AskOptions& options) {
  auto client = connect(options);
  if (!client) return report(client.error());
  // As long as it takes: a large file is read in seconds, and a bus ends in two.
  const auto result = client->stream({{"command", "reload"}}, [](const json&) { return true; });
  if (!result) {
    auto failure = result.error();
    if (failure.code == "not-taken-over") failure.exit_code = EX_CONFIG;
    return report(failure);
  }
  fmt::print("{}\n", options.json ? result->dump(2) : result->value("changes", ""));
  return EX_OK;
}

// top

namespace {

volatile std::sig_atomic_t interrupted = 0;  // a signal handler can set nothing else

/// The terminal's other screen, so that what was there before comes back.
class OtherScreen {
 public:
  OtherScreen() {
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };  // without SA_RESTART: it ends the wait
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    fmt::print("\x1b[?1049h\x1b[?25l");
  }
  ~OtherScreen() {
    fmt::print("\x1b[?25h\x1b[?1049l");
    std::fflush(stdout);
  }
  OtherScreen(const OtherScreen&) = delete;
  OtherScreen& operator=(const OtherScreen&) = delete;
};

tl::expected<std::string, ControlFailure> top_text(const AskOptions& options) {
  auto client = connect(options);
  if (!client) return tl::unexpected(client.error());
  const auto status = client->call({{"command", "status"}});
  if (!status) return tl::unexpected(status.error());
  const auto points = client->call({{"command", "points"}});
  if (!points) return tl::unexpected(points.error());
  return status_text(*status) + '\n' + points_text(*points);
}

void draw(std::string_view text, const Window& window) {
  std::string screen = "\x1b[H";
  for (std::size_t row = 0; row + 1 < window.rows && !text.empty(); ++row) {
    const auto end = std::min(text.find('\n'), text.size());
    screen += fitted(text.substr(0, end), window.columns);
    screen += "\x1b[K\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  fmt::print("{}\x1b[J", screen);
  std::fflush(stdout);
}

}  // namespace

std::string_view fitted(std::string_view line, std::size_t columns) {
  std::size_t bytes = 0;
  for (std::size_t seen = 0; bytes < line.size(); ++bytes) {
    const bool begins = (static_cast<unsigned char>(line[bytes]) & 0xC0U) != 0x80U;  // of a character in UTF-8
    if (begins && ++seen > columns) break;
  }
  return line.substr(0, bytes);
}

int show_top(const AskOptions& options) {
  auto text = top_text(options);
  if (!text) return report(text.error());
  if (terminal_window().rows == 0) {
    fmt::print("{}", *text);
    return EX_OK;
  }
  const OtherScreen screen;
  for (; interrupted == 0; text = top_text(options)) {
    // A gateway that is gone may come back: its last screen would look alive.
    draw(text ? *text : fmt::format("ferrule: {}\n", text.error().message), terminal_window());
    ::poll(nullptr, 0, 1000);
  }
  return EX_OK;
}

// tap

namespace {

/// A payload as it may stand on a terminal.
std::string printable(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = '?';
  }
  return text;
}

std::string clock_time(std::int64_t milliseconds) {
  const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}:{:02}.{:03}", local.tm_hour, local.tm_min, local.tm_sec, milliseconds % 1000);
}

std::string tap_line(const json& item) {
  const auto payload = item.contains("payload") ? printable(item["payload"].get<std::string>())
                       : item.contains("withheld")
                           ? fmt::format("({} bytes that are not shown)", item.value("bytes", std::uint64_t{0}))
                           : "base64:" + item.value("payload_base64", "");
  return fmt::format("{} {} {}", clock_time(item.value("at", std::int64_t{0})), printable(item.value("topic", "")),
                     payload);
}

}  // namespace

int print_tap(const AskOptions& options, const std::string& filter, std::uint64_t count) {
  auto client = connect(options);
  if (!client) return report(client.error());
  json request{{"command", "tap"}, {"filter", filter}};
  if (count > 0) request["count"] = count;
  const auto ended = client->stream(std::move(request), [&](const json& item) {
    fmt::print("{}\n", options.json ? item.dump(-1, ' ', false, json::error_handler_t::replace) : tap_line(item));
    return std::fflush(stdout) == 0;  // false: nobody reads any more
  });
  return ended ? EX_OK : report(ended.error());
}

}  // namespace ferrule::gateway
