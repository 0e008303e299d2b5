#include "drivers/modbus_server/server.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <system_error>
#include <utility>

#include "drivers/modbus/client.hpp"
#include "drivers/modbus/dissector.hpp"
#include "drivers/modbus_server/request.hpp"
#include "drivers/serial_port.hpp"
#include "drivers/stop_signal.hpp"

namespace ferrule::drivers::modbus_server {

namespace {

using modbus::Framing;
using modbus::SlavePorts;
using modbus::SlaveRequest;
using Bytes = std::vector<std::uint8_t>;

/// What a master is told of a write (Modbus AP v1.1b3 7); 0: that it was done.
std::uint8_t exception_for(Outcome outcome) {
  switch (outcome) {
    case Outcome::Ok:
      return 0;
    case Outcome::Rejected:
      return kIllegalValue;
    case Outcome::Timeout:
      return kTargetFailed;
    case Outcome::Uncertain:
      return kDeviceFailure;
  }
  return kDeviceFailure;
}

/// The same of a request that a bus was to pass on.
std::uint8_t exception_for(const Fault& fault) {
  if (fault.exception != 0) return fault.exception;
  if (fault.failure == Failure::PortLost) return kPathUnavailable;
  return fault.failure == Failure::PointRejected ? kIllegalFunction : kTargetFailed;
}

SlavePorts::Limits limits_of(const ServerSettings& settings) {
  SlavePorts::Limits limits;
  limits.connections = settings.max_connections;
  limits.idle = settings.idle_close;
  limits.one_at_a_time = true;
  if (settings.on_line) {
    BusSettings line;
    line.type = BusType::ModbusRtu;
    line.line = settings.line;
    limits.silence = modbus::line_timing(line).gap;
  }
  return limits;
}

}  // namespace

class Server::Impl {
 public:
  Impl(ServerSettings settings, Way way, SlavePorts::Admits admits, const Clock& clock)
      : settings_(std::move(settings)),
        framing_(settings_.on_line ? Framing::Rtu : Framing::Tcp),
        pause_(limits_of(settings_).silence),
        way_(std::move(way)),
        clock_(clock),
        responder_(framing_),
        ports_("modbus server " + settings_.name, clock, limits_of(settings_),
               [this](const SlaveRequest& request) { return take(request); }),
        post_(ports_.poster()) {
    const std::span<const ExposedPoint> points(settings_.points);
    for (std::size_t first = 0; first < points.size();) {
      auto last = first;
      while (last < points.size() && points[last].unit == points[first].unit) ++last;
      units_.try_emplace(points[first].unit, points.subspan(first, last - first));
      first = last;
    }
    if (settings_.on_line) {
      ports_.add_line(std::make_unique<SerialPort>(settings_.path, settings_.line, stop_), settings_.line.echo);
      port_name_ = settings_.path;
      return;
    }
    const auto port = ports_.listen(settings_.host, settings_.port, std::move(admits));
    if (!port) throw std::system_error(port.error());
    const bool v6 = settings_.host.find(':') != std::string::npos;
    port_name_ = v6 ? fmt::format("[{}]:{}", settings_.host, *port) : fmt::format("{}:{}", settings_.host, *port);
  }

  void start() { ports_.start(); }
  void stop() {
    stop_.request();
    ports_.stop();
  }
  ServerStatus status() const {
    return {settings_.name, port_name_, ports_.status(), exceptions_, writes_, remembered_, passed_};
  }

 private:
  /// A request that cannot be answered at once.
  struct Job {
    std::uint64_t asker;
    Bytes frame;
    std::uint8_t unit;           // whose points
    std::size_t left = 0;        // writes that are not done
    std::uint8_t exception = 0;  // of the first that failed
  };

  SlavePorts::Heard take(const SlaveRequest& request);
  void show(const SlaveRequest& asked, const Frame& frame, std::uint8_t unit);
  void write(const SlaveRequest& asked, const Request& request, std::uint8_t unit);
  void written(const std::shared_ptr<Job>& job, const WriteResult& result);
  void pass_on(const SlaveRequest& asked, const Frame& frame, const Share& share);
  const Share* share_of(std::uint8_t unit) const;
  std::uint8_t meant(std::uint8_t unit) const;
  std::string who(const SlaveRequest& asked) const {
    return fmt::format("modbus {} (server {})", asked.peer, settings_.name);
  }

  void answer(std::uint64_t asker, Bytes&& bytes) { ports_.answer(asker, std::move(bytes), clock_.now() + pause_); }
  void refuse(std::uint64_t asker, std::span<const std::uint8_t> frame, std::uint8_t exception) {
    ++exceptions_;
    answer(asker, exception_frame(framing_, frame, exception));
  }
  /// libmodbus answers from the image.
  void answer_from(UnitTable& table, std::uint64_t asker, std::span<const std::uint8_t> frame, std::uint8_t unit) {
    auto bytes = responder_.answer(frame, unit, table.image());
    if (!bytes || bytes->empty()) return refuse(asker, frame, kDeviceFailure);
    answer(asker, std::move(*bytes));
  }

  // Constant after construction.
  const ServerSettings settings_;
  const Framing framing_;
  const std::chrono::nanoseconds pause_;  // before an answer on a line: its master must have let go of the wire
  const Way way_;
  const Clock& clock_;
  std::string port_name_;
  // Owned by the server's thread.
  StopSignal stop_;
  modbus::Responder responder_;
  std::map<std::uint8_t, UnitTable> units_;
  // Any thread.
  std::atomic<std::uint64_t> exceptions_ = 0;
  std::atomic<std::uint64_t> writes_ = 0;
  std::atomic<std::uint64_t> remembered_ = 0;
  std::atomic<std::uint64_t> passed_ = 0;

  SlavePorts ports_;  // ends before what its thread uses
  const std::function<void(std::function<void()>)> post_;
};

/// On a line somebody else answers for other units; a TCP peer is told that there is no such unit.
SlavePorts::Heard Server::Impl::take(const SlaveRequest& asked) {
  const auto frame = parse_frame(framing_, asked.frame);
  if (!frame) return units_.contains(asked.frame[0]) ? SlavePorts::Heard::Damaged : SlavePorts::Heard::Others;
  const auto unit = meant(frame->unit);
  if (const auto* share = share_of(unit)) {
    pass_on(asked, *frame, *share);
  } else if (units_.contains(unit)) {
    show(asked, *frame, unit);
  } else if (framing_ == Framing::Rtu) {
    return SlavePorts::Heard::Others;
  } else {
    refuse(asked.asker, asked.frame, kPathUnavailable);
  }
  return SlavePorts::Heard::Ours;
}

/// Over TCP 0 and 255 mean whom the connection leads to (Modbus TCP guide V1.0b, unit identifier).
std::uint8_t Server::Impl::meant(std::uint8_t unit) const {
  const bool itself = framing_ == Framing::Tcp && (unit == 0 || unit == 255);
  return itself && !units_.contains(unit) && share_of(unit) == nullptr ? settings_.own_unit : unit;
}

void Server::Impl::show(const SlaveRequest& asked, const Frame& frame, std::uint8_t unit) {
  const auto request = parse_request(frame.pdu);
  if (!request) return refuse(asked.asker, asked.frame, request.error());
  if (request->count == 0) return refuse(asked.asker, asked.frame, kIllegalFunction);
  if (request->writes) return write(asked, *request, unit);
  auto& table = units_.at(unit);
  if (const auto exception = table.refresh(*request, way_.look); exception != 0) {
    return refuse(asked.asker, asked.frame, exception);
  }
  answer_from(table, asked.asker, asked.frame, unit);
}

/// All or nothing is looked at first; then one point after the other, as on any bus.
void Server::Impl::write(const SlaveRequest& asked, const Request& request, std::uint8_t unit) {
  auto points = units_.at(unit).writes(request);
  if (!points) return refuse(asked.asker, asked.frame, points.error());
  const auto job =
      std::make_shared<Job>(Job{asked.asker, Bytes(asked.frame.begin(), asked.frame.end()), unit, points->size()});
  writes_ += points->size();
  for (auto& point : *points) {
    way_.write(*point.point, std::move(point.value), who(asked), [this, job, post = post_](const WriteResult& result) {
      post([this, job, result] { written(job, result); });  // not run once the server has stopped
    });
  }
}

void Server::Impl::written(const std::shared_ptr<Job>& job, const WriteResult& result) {
  if (job->exception == 0) job->exception = exception_for(result.outcome);
  if (--job->left > 0) return;
  if (job->exception != 0) return refuse(job->asker, job->frame, job->exception);
  answer_from(units_.at(job->unit), job->asker, job->frame, job->unit);
}

void Server::Impl::pass_on(const SlaveRequest& asked, const Frame& frame, const Share& share) {
  const auto request = parse_request(frame.pdu);
  if (!request) return refuse(asked.asker, asked.frame, request.error());
  if (request->writes && !share.writes) return refuse(asked.asker, asked.frame, kIllegalFunction);
  const auto now = clock_.now();
  if (share.max_age.count() > 0) {
    if (const auto known = way_.recall(share.bus, frame.unit, frame.pdu, now - share.max_age)) {
      ++remembered_;
      return answer(asked.asker, answer_frame(framing_, asked.frame, *known));
    }
  }
  PassRequest passing{frame.unit, Bytes(frame.pdu.begin(), frame.pdu.end()), now + share.timeout, {}};
  const auto what =
      request->writes ? fmt::format("unit {} {}", frame.unit, modbus::describe_pdu(frame.pdu, true)) : std::string();
  const auto told = [note = way_.note, who = who(asked), what](std::string_view outcome) {
    if (!what.empty()) note(who, fmt::format("{}: {}", what, outcome));
  };
  passing.done = [this, told, asker = asked.asker, post = post_,
                  whole = Bytes(asked.frame.begin(), asked.frame.end())](PassResult&& result) {
    told(result ? "ok" : result.error().detail);  // though the server may be no more
    post([this, asker, whole, result = std::move(result)] {
      if (!result) return refuse(asker, whole, exception_for(result.error()));
      answer(asker, answer_frame(framing_, whole, *result));
    });
  };
  if (way_.pass(share.bus, std::move(passing))) {
    ++passed_;
  } else {
    told("too many requests wait for this bus");
    refuse(asked.asker, asked.frame, kPathUnavailable);
  }
}

const Share* Server::Impl::share_of(std::uint8_t unit) const {
  const auto found = std::ranges::find_if(
      settings_.shares, [&](const Share& share) { return std::ranges::find(share.units, unit) != share.units.end(); });
  return found == settings_.shares.end() ? nullptr : &*found;
}

Server::Server(ServerSettings settings, Way way, SlavePorts::Admits admits, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(settings), std::move(way), std::move(admits), clock)) {}
Server::~Server() = default;
void Server::start() { impl_->start(); }
void Server::stop() { impl_->stop(); }
ServerStatus Server::status() const { return impl_->status(); }

}  // namespace ferrule::drivers::modbus_server
