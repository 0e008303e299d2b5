#include "gateway/watch.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "drivers/can/error_frame.hpp"
#include "drivers/can/frame.hpp"
#include "drivers/modbus/dissector.hpp"
#include "drivers/wire_trace.hpp"
#include "gateway/capture.hpp"
#include "gateway/control_client.hpp"

namespace ferrule::gateway {

namespace {

using drivers::WireEvent;
using drivers::modbus::Dissected;
using drivers::modbus::Dissector;
using drivers::modbus::FrameForm;
using nlohmann::json;
using Bytes = std::vector<std::uint8_t>;

constexpr std::string_view kCan = "can";

/// The other end of a pipe, a file, or standard output.
class Output {
 public:
  explicit Output(const std::filesystem::path& path) {
    if (path.empty() || path == "-") return;
    file_ = std::fopen(path.c_str(), "we");
    if (file_ == nullptr) trouble_ = fmt::format("{}: {}", path.string(), std::strerror(errno));
  }
  ~Output() {
    if (file_ != nullptr && file_ != stdout) std::fclose(file_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// False: nobody reads any more, or the disk is full.
  bool write(std::string_view text) {
    return std::fwrite(text.data(), 1, text.size(), file_) == text.size() && std::fflush(file_) == 0;
  }
  const std::string& trouble() const { return trouble_; }

 private:
  std::FILE* file_ = stdout;
  std::string trouble_;
};

std::optional<FrameForm> framing_of(const std::string& type) {
  if (type == "modbus-tcp" || type == "modbus-tls" || type == "modbus-udp") return FrameForm::Tcp;
  if (type == "modbus-rtu" || type == "modbus-rtu-tcp") return FrameForm::Rtu;
  if (type == "modbus-ascii" || type == "modbus-ascii-tcp") return FrameForm::Ascii;
  return std::nullopt;
}

std::string from_hex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1])));
  }
  return bytes;
}

/// Nothing for an item that is no event of the wire.
std::optional<WireEvent> event_of(const json& item) {
  const auto kind = item.value("kind", "");
  for (const auto known : {WireEvent::Kind::Sent, WireEvent::Kind::Received, WireEvent::Kind::Opened,
                           WireEvent::Kind::Closed, WireEvent::Kind::Failed}) {
    if (kind != name(known)) continue;
    const std::chrono::microseconds at(item.value("at", std::int64_t{0}));
    return WireEvent{std::chrono::system_clock::time_point(at), known,
                     known == WireEvent::Kind::Failed ? item.value("why", "") : from_hex(item.value("hex", ""))};
  }
  return std::nullopt;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format(" {:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string clock_time(std::chrono::system_clock::time_point at) {
  const auto seconds = std::chrono::system_clock::to_time_t(at);
  const auto part = std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count() % 1'000'000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}:{:02}.{:06}", local.tm_hour, local.tm_min, local.tm_sec, part);
}

/// What a sensor says as it may stand on a terminal.
std::string printable(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    clean += byte < 0x20 || byte >= 0x7F ? fmt::format("\\x{:02X}", byte) : std::string(1, c);
  }
  return clean;
}

std::string frame_text(std::string_view data) {
  const auto frame = drivers::can::from_capture({reinterpret_cast<const std::uint8_t*>(data.data()), data.size()});
  if (!frame) return printable(data);
  const auto text = drivers::can::text_of(*frame);
  if ((frame->id & drivers::can::Frame::kError) == 0) return text;
  const auto report = drivers::can::read_error(*frame);
  return fmt::format("{} {}", text, report.says_state ? drivers::can::name(report.state) : report.trouble);
}

char arrow(WireEvent::Kind kind) { return kind == WireEvent::Kind::Sent ? '>' : '<'; }

/// Lines for people.
class Lines {
 public:
  explicit Lines(const std::string& type) : can_(type == kCan) {
    if (const auto framing = framing_of(type)) dissector_.emplace(*framing);
  }

  std::string of(const WireEvent& event) {
    const auto time = clock_time(event.at);
    switch (event.kind) {
      case WireEvent::Kind::Failed:
        return fmt::format("{} ! {}\n", time, printable(event.data));
      case WireEvent::Kind::Opened:
      case WireEvent::Kind::Closed:
        return unfinished(time) + fmt::format("{} = {}\n", time, name(event.kind));
      case WireEvent::Kind::Sent:
      case WireEvent::Kind::Received:
        break;
    }
    if (can_) return fmt::format("{} {} {}\n", time, arrow(event.kind), frame_text(event.data));
    if (!dissector_) return fmt::format("{} {} {}\n", time, arrow(event.kind), printable(event.data));
    std::string text;
    const Bytes bytes(event.data.begin(), event.data.end());
    for (const auto& frame : dissector_->next(event.kind, bytes)) text += line(time, arrow(event.kind), frame);
    return text;
  }

 private:
  static std::string line(const std::string& time, char arrow, const Dissected& frame) {
    return fmt::format("{} {} {} |{}\n", time, arrow, printable(frame.text),
                       hex({reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size()}));
  }
  std::string unfinished(const std::string& time) {
    std::string text;
    if (!dissector_) return text;
    for (const auto& frame : dissector_->flush()) text += line(time, '<', frame);
    return text;
  }

  const bool can_;
  std::optional<Dissector> dissector_;
};

std::string lost_line(const json& item) {
  return fmt::format("... {} events left out: this end is too slow\n", item.value("events", std::uint64_t{0}));
}

/// Hands each item to `show`, the first one says which bus it is. `show` returns what to write.
template <class Show>
int watch(const WatchOptions& options, Output& output, Show show) {
  if (!output.trouble().empty()) {
    fmt::print(stderr, "ferrule: {}\n", output.trouble());
    return EX_CANTCREAT;
  }
  auto client = ControlClient::connect(options.socket.empty() ? default_control_socket() : options.socket);
  std::optional<ControlFailure> failure;
  if (!client) failure = client.error();
  std::uint64_t requests = 0;
  if (client) {
    const auto ended = client->stream({{"command", "trace"}, {"bus", options.bus}}, [&](const json& item) {
      // The request after the last one wanted shows that the last one's answer is complete.
      if (options.count > 0 && item.value("kind", "") == "sent" && ++requests > options.count) return false;
      return output.write(show(item));
    });
    if (!ended) failure = ended.error();
  }
  if (!failure) return EX_OK;
  fmt::print(stderr, "ferrule: {}\n", failure->message);
  return failure->exit_code;
}

}  // namespace

int trace_bus(const WatchOptions& options) {
  Output output(options.pcap);
  std::optional<Lines> lines;
  std::optional<Capture> capture;
  bool can = false;
  return watch(options, output, [&](const json& item) -> std::string {
    if (options.json) return item.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
    const auto type = item.value("type", "");
    if (!type.empty()) {
      lines.emplace(type);
      can = type == kCan;
      if (can) return options.pcap.empty() ? std::string() : Capture::can_head();
      capture.emplace(framing_of(type) == FrameForm::Tcp ? Capture::kModbusPort : Capture::kLinePort);
      return options.pcap.empty() ? std::string() : Capture::head();
    }
    const auto event = event_of(item);
    if (options.pcap.empty()) return event ? lines->of(*event) : lost_line(item);
    if (can) return event ? Capture::can_packet(*event) : std::string();
    return event ? capture->packets(*event) : std::string();
  });
}

int record_bus(const WatchOptions& options) {
  Output output(options.output);
  std::optional<std::chrono::system_clock::time_point> began;
  return watch(options, output, [&](const json& item) -> std::string {
    if (item.contains("type")) {
      return fmt::format("# bus {}, {}, {}\n", item.value("bus", ""), item.value("type", ""), item.value("port", ""));
    }
    const auto event = event_of(item);
    if (!event) return "# " + lost_line(item);
    if (!began) began = event->at;
    const auto since = std::chrono::duration<double>(event->at - *began).count();
    switch (event->kind) {
      case WireEvent::Kind::Sent:
      case WireEvent::Kind::Received:
        return fmt::format("{:.6f} {}{}\n", since, arrow(event->kind), hex(event->data));
      case WireEvent::Kind::Failed:
        return fmt::format("# {}\n", printable(event->data));
      default:
        return fmt::format("{:.6f} {}\n", since, name(event->kind));
    }
  });
}

}  // namespace ferrule::gateway
