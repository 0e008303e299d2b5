#include "bridge/probe.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <optional>

#include "bridge/address.hpp"
#include "bridge/cloud_session.hpp"
#include "bridge/credentials.hpp"
#include "bridge/handshake.hpp"
#include "bridge/refusal_text.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kStepTime = 10s;
constexpr std::string_view kLevel = "ferrule-test";

/// Nothing goes on from an earlier connection, and nothing has to survive.
class NoState final : public LinkState {
 public:
  void write(std::vector<InFlight>, Written written) override { written({}); }
  std::vector<InFlight> restore() override { return {}; }
};

class Answer final : public LinkEvents {
 public:
  void on_connected(bool) override {}
  void on_disconnected(std::string) override {}
  void on_settled(Seq, mqtt::Reason reason) override { settled = reason; }
  void on_message(mqtt::Publication, Arrival) override {}
  std::optional<mqtt::Reason> settled;
};

class Probe {
 public:
  Probe(const UplinkSettings& settings, const Endpoint& server, const std::function<void(const ProbeStep&)>& told)
      : settings_(settings), server_(server), told_(told) {}

  bool run(const std::string& topic) {
    const auto addresses = look_up();
    // Each address in each version; the last one's failure is the probe's.
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      if (!open(addresses[i])) continue;
      if (log_in()) return publish(topic);
      if (!answer_.wrong_version || settings_.mqtt_version != 5) return false;
      mqtt_version_ = 4;
      return open(addresses[i]) && log_in() && publish(topic);
    }
    return false;
  }

 private:
  bool tell(std::string name, bool passed, std::string text) {
    const auto now = Clock::now();
    told_({std::move(name), passed, std::chrono::duration_cast<milliseconds>(now - begun_), std::move(text)});
    begun_ = now;
    return passed;
  }

  std::vector<std::string> look_up() {
    std::string error;
    const auto& whom = settings_.proxy ? settings_.proxy->server : server_;
    auto addresses = resolve(whom, error);
    tell("DNS", !addresses.empty(), addresses.empty() ? error : fmt::format("{}", fmt::join(addresses, ", ")));
    return addresses;
  }

  bool open(const std::string& address) {
    std::string step = "TCP";
    const auto next = [&](const std::string& passed) {
      if (passed == "TCP" && settings_.proxy) return "proxy";
      if ((passed == "TCP" || passed == "proxy") && server_.tls) return "TLS";
      return "WebSocket";
    };
    auto stream = open_way(server_, address, settings_, wait_, [&](const char* passed, const std::string& about) {
      tell(passed, true, passed == std::string_view("TCP") ? address : about);
      step = next(passed);
    });
    if (!stream) return tell(step, false, fmt::format("{}: {}", address, stream.error().cause));
    stream_ = std::move(*stream);
    return true;
  }

  bool log_in() {
    const auto credentials = make_credentials(settings_, std::chrono::system_clock::now());
    if (!credentials) return tell("CONNECT", false, credentials.error());
    framer_ = mqtt::Framer(kMaxIncoming);
    const auto packet = session_.connect_packet(mqtt_version_, credentials->password);
    answer_ = shake_hands(*stream_, framer_, packet, mqtt_version_, server_.tls, wait_);
    const auto version = mqtt_version_ == 5 ? "5" : "3.1.1";
    if (!answer_.connected) return tell("CONNECT", false, fmt::format("MQTT {}: {}", version, answer_.cause));
    return tell("CONNECT", true, fmt::format("MQTT {} as {}; {}", version, settings_.client_id, limits()));
  }

  std::string limits() const {
    const auto& limits = answer_.limits;
    auto text = fmt::format("QoS up to {}", static_cast<int>(std::min(limits.maximum_qos, settings_.max_qos)));
    if (limits.maximum_packet_size != 0) text += fmt::format(", packets up to {} bytes", limits.maximum_packet_size);
    if (!limits.retain_available) text += ", retains nothing";
    return text;
  }

  bool publish(const std::string& topic) {
    if (topic.empty()) return true;
    const auto qos = std::min({mqtt::Qos::AtLeastOnce, answer_.limits.maximum_qos, settings_.max_qos});
    mqtt::Publication publication;
    publication.payload = R"({"test":true})";
    session_.open(answer_);
    session_.send(1, publication, topic, qos, Clock::now());
    std::string cause;
    const bool written = flush(cause);
    const bool settled = written && (qos == mqtt::Qos::AtMostOnce || await_answer(cause));
    if (!settled) return tell("PUBLISH", false, fmt::format("{}: {}", topic, cause));
    const auto reason = told_by_cloud_.settled.value_or(mqtt::Reason::Success);
    session_.disconnect(false);
    flush(cause);
    return tell("PUBLISH", !is_error(reason), fmt::format("{}: {}", topic, with_code(reason)));
  }

  bool flush(std::string& cause) {
    const auto written = write_all(*stream_, session_.output().text(), wait_);
    session_.output().clear();
    if (!written) cause = written.error().cause;
    return written.has_value();
  }

  bool await_answer(std::string& cause) {
    while (!told_by_cloud_.settled) {
      const auto frame = framer_.next();
      if (!frame) {
        cause = frame.error().detail;
        return false;
      }
      if (*frame) {
        if (const auto taken = session_.take(**frame, Clock::now()); !taken) {
          cause = taken.error();
          return false;
        }
        continue;
      }
      const auto size = stream_->read(buffer_);
      if (!size) {
        cause = size.error().cause;
        return false;
      }
      framer_.feed({buffer_.data(), *size});
      if (*size == 0 && !wait_(stream_->descriptor(), static_cast<short>(POLLIN | stream_->waits_for()))) {
        cause = "no answer in time";
        return false;
      }
    }
    return true;
  }

  const UplinkSettings& settings_;
  const Endpoint& server_;
  const std::function<void(const ProbeStep&)>& told_;
  Clock::time_point begun_ = Clock::now();
  const Wait wait_ = [this](int descriptor, short events) {
    const auto left = std::chrono::ceil<milliseconds>(begun_ + kStepTime - Clock::now()).count();
    pollfd ready{descriptor, events, 0};
    return left > 0 && ::poll(&ready, 1, static_cast<int>(left)) == 1;
  };
  NoState state_;
  Answer told_by_cloud_;
  CloudSession session_{settings_, state_, told_by_cloud_};
  std::array<char, 4096> buffer_{};
  mqtt::Framer framer_{kMaxIncoming};
  std::unique_ptr<Stream> stream_;
  Attempt answer_;
  int mqtt_version_ = settings_.mqtt_version;
};

}  // namespace

std::string probe_topic(const UplinkSettings& settings) {
  if (settings.out.empty()) return {};
  std::string local;
  for (const char c : settings.out.front().from.text()) {
    if (c == '+' || c == '#') {
      local += kLevel;
    } else {
      local += c;
    }
  }
  return rewrite(settings.out.front().to, local);
}

bool probe(const UplinkSettings& settings, const Endpoint& server, const std::string& topic,
           const std::function<void(const ProbeStep&)>& told) {
  return Probe(settings, server, told).run(topic);
}

}  // namespace ferrule::bridge
