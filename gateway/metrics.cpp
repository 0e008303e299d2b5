#include "gateway/metrics.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>

#include "gateway/gateway.hpp"

namespace ferrule::gateway {

void MetricsText::family(std::string_view name, std::string_view help, std::string_view type) {
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void MetricsText::sample(std::string_view suffix, Labels labels, double value) {
  text_ += name_;
  text_ += suffix;
  char separator = '{';
  for (const auto& [label, text] : labels) {
    fmt::format_to(std::back_inserter(text_), "{}{}=\"", std::exchange(separator, ','), label);
    for (const char c : text) {
      if (c == '\n') {
        text_ += "\\n";
        continue;
      }
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
  }
  if (separator == ',') text_ += '}';
  if (std::isinf(value)) {
    text_ += value > 0 ? " +Inf\n" : " -Inf\n";
  } else {
    fmt::format_to(std::back_inserter(text_), " {}\n", value);
  }
}

namespace {

double number(std::uint64_t value) { return static_cast<double>(value); }

/// `times` has kBounds, the counts between them, and their sum.
template <class Times>
void add_histogram(MetricsText& out, std::string_view label, const std::string& name, const Times& times) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < times.counts.size(); ++i) {
    count += times.counts[i];
    const auto bound = i < Times::kBounds.size()
                           ? fmt::format("{}", std::chrono::duration<double>(Times::kBounds[i]).count())
                           : "+Inf";
    out.sample("_bucket", {{label, name}, {"le", bound}}, number(count));
  }
  out.sample("_sum", {{label, name}}, std::chrono::duration<double>(times.sum).count());
  out.sample("_count", {{label, name}}, number(count));
}

void add_buses(MetricsText& out, const std::vector<drivers::BusStatus>& buses) {
  out.gauge("ferrule_bus_connected", "Whether the bus's port is open.");
  for (const auto& bus : buses) out.sample({{"bus", bus.name}}, bus.connected ? 1 : 0);
  out.counter("ferrule_bus_connects_total", "Times the bus's port was opened.");
  for (const auto& bus : buses) out.sample({{"bus", bus.name}}, number(bus.connects));
  out.counter("ferrule_bus_losses_total", "Times the bus's port was lost or could not be opened.");
  for (const auto& bus : buses) out.sample({{"bus", bus.name}}, number(bus.losses));
  out.counter("ferrule_bus_wire_total", "What the driver of the bus counts besides, such as frames that were lost.");
  for (const auto& bus : buses) {
    for (const auto& [what, count] : bus.condition.counts) {
      out.sample({{"bus", bus.name}, {"what", std::string(what)}}, number(count));
    }
  }
  out.histogram("ferrule_poll_duration_seconds",
                "Time from a request to its answer or timeout. The rate of its sum is the bus's busy ratio.");
  for (const auto& bus : buses) add_histogram(out, "bus", bus.name, bus.poll_times);
}

void add_modbus_servers(MetricsText& out, const std::vector<drivers::modbus_server::ServerStatus>& servers) {
  const auto each = [&](auto value) {
    for (const auto& server : servers) out.sample({{"server", server.name}}, number(value(server)));
  };
  out.gauge("ferrule_modbus_server_up", "Whether its port is open.");
  each([](const auto& server) { return server.ports.lines_closed == 0 ? 1U : 0U; });
  out.gauge("ferrule_modbus_server_connections", "Masters that are connected.");
  each([](const auto& server) { return server.ports.connections; });
  out.counter("ferrule_modbus_server_refused_total", "Connections refused: not in `allow`, or too many.");
  each([](const auto& server) { return server.ports.refused; });
  out.counter("ferrule_modbus_server_displaced_total", "Connections closed for a newcomer: unused for half a minute.");
  each([](const auto& server) { return server.ports.displaced; });
  out.counter("ferrule_modbus_server_requests_total", "Requests of other masters.");
  each([](const auto& server) { return server.ports.requests; });
  out.counter("ferrule_modbus_server_exceptions_total", "Requests that were answered with an exception.");
  each([](const auto& server) { return server.exceptions; });
  out.counter("ferrule_modbus_server_malformed_total", "Bytes that were no request.");
  each([](const auto& server) { return server.ports.malformed; });
  out.counter("ferrule_modbus_server_unsent_total", "Answers that their master did not take.");
  each([](const auto& server) { return server.ports.unsent; });
  out.counter("ferrule_modbus_server_writes_total", "Points that masters wanted to write.");
  each([](const auto& server) { return server.writes; });
  out.counter("ferrule_modbus_server_remembered_total", "Requests to a shared bus answered from its last answers.");
  each([](const auto& server) { return server.remembered; });
  out.counter("ferrule_modbus_server_passed_total", "Requests that went over a shared bus.");
  each([](const auto& server) { return server.passed; });
}

void add_devices(MetricsText& out, const std::vector<drivers::BusStatus>& buses) {
  const auto each = [&](const auto& sample) {
    for (const auto& bus : buses) {
      for (const auto& device : bus.devices) {
        if (device.polled) sample(bus, device);
      }
    }
  };
  out.gauge("ferrule_device_up", "Whether the device answered its last poll.");
  each([&](const auto& bus, const auto& device) {
    out.sample({{"bus", bus.name}, {"device", device.name}}, device.online ? 1 : 0);
  });
  out.counter("ferrule_device_polls_total", "Requests to the device by result: ok, or the cause of the failure.");
  each([&](const auto& bus, const auto& device) {
    out.sample({{"bus", bus.name}, {"device", device.name}, {"result", "ok"}}, number(device.polls - device.failures));
    for (std::size_t i = 1; i < device.failures_by.size(); ++i) {
      out.sample({{"bus", bus.name}, {"device", device.name}, {"result", name(static_cast<drivers::Failure>(i))}},
                 number(device.failures_by[i]));
    }
  });
  out.counter("ferrule_device_overruns_total", "Polls left out because the bus could not keep up.");
  each([&](const auto& bus, const auto& device) {
    out.sample({{"bus", bus.name}, {"device", device.name}}, number(device.overruns));
  });
}

void add_broker(MetricsText& out, const mqtt::BrokerCounters& broker) {
  const auto gauge = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    out.gauge(name, help);
    out.sample({}, number(value));
  };
  gauge("ferrule_mqtt_clients", "Clients that are connected.", broker.clients_connected);
  gauge("ferrule_mqtt_sessions", "Sessions, of clients that are away too.", broker.sessions);
  gauge("ferrule_mqtt_subscriptions", "Subscriptions of all sessions.", broker.subscriptions);
  gauge("ferrule_mqtt_retained", "Retained publications.", broker.retained);
  gauge("ferrule_mqtt_retained_bytes", "Bytes of retained publications.", broker.retained_bytes);
  gauge("ferrule_mqtt_queued", "Publications that wait in sessions.", broker.queued);
  gauge("ferrule_mqtt_queued_bytes", "Bytes of publications that wait in sessions.", broker.queued_bytes);
  gauge("ferrule_mqtt_database_bytes", "Size of the sessions' file.", broker.database_bytes);
  out.counter("ferrule_mqtt_connects_total", "CONNECT packets by result.");
  out.sample({{"result", "accepted"}}, number(broker.clients_total));
  out.sample({{"result", "rejected"}}, number(broker.connects_rejected));
  out.counter("ferrule_mqtt_publications_total", "Publications by direction, seen from the broker.");
  out.sample({{"direction", "received"}}, number(broker.publications_received));
  out.sample({{"direction", "sent"}}, number(broker.publications_sent));
  out.counter("ferrule_mqtt_bytes_total", "Bytes of all packets by direction.");
  out.sample({{"direction", "received"}}, number(broker.bytes_received));
  out.sample({{"direction", "sent"}}, number(broker.bytes_sent));
  out.counter("ferrule_mqtt_dropped_total", "Publications that did not reach a session, by reason.");
  out.sample({{"reason", "slow_client"}}, number(broker.dropped_slow));
  out.sample({{"reason", "queue_full"}}, number(broker.dropped_full));
  out.sample({{"reason", "too_large"}}, number(broker.dropped_large));
  out.sample({{"reason", "expired"}}, number(broker.publications_expired));
  out.sample({{"reason", "lost_on_disk"}}, number(broker.publications_lost));
  out.counter("ferrule_mqtt_refused_total", "What clients asked for and did not get, by reason.");
  out.sample({{"reason", "login_failed"}}, number(broker.logins_failed));
  out.sample({{"reason", "login_shut_out"}}, number(broker.logins_shut_out));
  out.sample({{"reason", "login_busy"}}, number(broker.logins_busy));
  out.sample({{"reason", "publish_denied"}}, number(broker.publications_denied));
  out.sample({{"reason", "publish_refused"}}, number(broker.publications_refused));
  out.sample({{"reason", "subscribe_denied"}}, number(broker.subscriptions_denied));
  out.sample({{"reason", "subscribe_refused"}}, number(broker.subscriptions_refused));
  out.sample({{"reason", "connections"}}, number(broker.connections_refused));
  out.sample({{"reason", "sessions"}}, number(broker.sessions_refused));
  out.sample({{"reason", "memory"}}, number(broker.memory_refusals));
  out.counter("ferrule_mqtt_disconnects_total", "Connections that the broker ended, by reason.");
  out.sample({{"reason", "keep_alive"}}, number(broker.keep_alive_timeouts));
  out.sample({{"reason", "no_connect"}}, number(broker.connect_timeouts));
  out.sample({{"reason", "protocol_error"}}, number(broker.protocol_errors));
  out.sample({{"reason", "publish_rate"}}, number(broker.rate_exceeded));
  out.sample({{"reason", "queue_full"}}, number(broker.queue_overflows));
  out.sample({{"reason", "taken_over"}}, number(broker.takeovers));
}

void add_uplinks(MetricsText& out, const std::vector<bridge::UplinkStatus>& uplinks) {
  using Status = bridge::UplinkStatus;
  const auto each = [&](std::uint64_t Status::*member) {
    for (const auto& uplink : uplinks) out.sample({{"uplink", uplink.name}}, number(uplink.*member));
  };
  out.gauge("ferrule_uplink_up", "Whether the uplink is online.");
  for (const auto& uplink : uplinks) {
    out.sample({{"uplink", uplink.name}}, uplink.state == bridge::UplinkState::Online ? 1 : 0);
  }
  out.gauge("ferrule_uplink_stalled", "Whether the cloud, though online, acknowledges nothing.");
  for (const auto& uplink : uplinks) out.sample({{"uplink", uplink.name}}, uplink.stalled ? 1 : 0);
  out.counter("ferrule_uplink_connections_total", "Times the uplink came online.");
  each(&Status::connections);
  out.counter("ferrule_uplink_acknowledged_total", "Messages that the cloud acknowledged.");
  each(&Status::acknowledged);
  out.counter("ferrule_uplink_received_total", "Messages that came from the cloud.");
  each(&Status::received);
  out.counter("ferrule_uplink_received_dropped_total",
              "Messages from the cloud that no route wanted, that came too fast, or that it had kept while the gateway "
              "was off.");
  each(&Status::received_dropped);
  out.counter("ferrule_uplink_repeated_total", "Messages sent again, so that the cloud may have got them twice.");
  each(&Status::repeated);
  out.counter("ferrule_uplink_parked_total", "Messages that the cloud refused for good.");
  each(&Status::parked);
  out.counter("ferrule_uplink_dropped_total",
              "Messages that are not delivered, by reason: queue_full, disk_full, expired, aged, skipped, thinned, "
              "unreadable, parked_full.");
  for (const auto& uplink : uplinks) {
    out.sample({{"uplink", uplink.name}, {"reason", "queue_full"}}, number(uplink.dropped - uplink.dropped_disk));
    out.sample({{"uplink", uplink.name}, {"reason", "disk_full"}}, number(uplink.dropped_disk));
    out.sample({{"uplink", uplink.name}, {"reason", "expired"}}, number(uplink.expired));
    out.sample({{"uplink", uplink.name}, {"reason", "aged"}}, number(uplink.aged));
    out.sample({{"uplink", uplink.name}, {"reason", "skipped"}}, number(uplink.skipped));
    out.sample({{"uplink", uplink.name}, {"reason", "thinned"}}, number(uplink.thinned));
    out.sample({{"uplink", uplink.name}, {"reason", "unreadable"}}, number(uplink.unreadable));
    out.sample({{"uplink", uplink.name}, {"reason", "parked_full"}}, number(uplink.parked_dropped));
  }
  out.histogram("ferrule_uplink_ack_duration_seconds", "Time from sending a message to its acknowledgement.");
  for (const auto& uplink : uplinks) add_histogram(out, "uplink", uplink.name, uplink.ack_times);
  out.gauge("ferrule_queue_messages", "Messages that the cloud has not acknowledged, in flight included.");
  each(&Status::queued);
  out.gauge("ferrule_queue_bytes", "What these count for in queue.max_size.");
  each(&Status::queued_bytes);
  out.gauge("ferrule_queue_oldest_seconds", "How long the oldest message of the queue has waited; 0: there is none.");
  for (const auto& uplink : uplinks) {
    out.sample({{"uplink", uplink.name}},
               std::chrono::duration<double>(uplink.oldest.value_or(std::chrono::milliseconds(0))).count());
  }
  out.gauge("ferrule_queue_in_flight", "Messages handed to the connection and not yet acknowledged.");
  each(&Status::in_flight);
  out.gauge("ferrule_queue_database_bytes", "Size of the queue's file.");
  each(&Status::database_bytes);
  out.counter("ferrule_queue_set_aside_total",
              "Damaged files of the queue that were set aside, and logs of it that were gone.");
  each(&Status::set_aside);
}

void add_alarms(MetricsText& out, const std::vector<mapping::AlarmStatus>& alarms) {
  using mapping::Priority;
  const auto each = [&](const auto& counts) {
    for (const auto priority : {Priority::Low, Priority::Medium, Priority::High, Priority::Critical}) {
      const auto count = std::ranges::count_if(
          alarms, [&](const auto& alarm) { return alarm.rule->priority == priority && counts(alarm); });
      out.sample({{"priority", name(priority)}}, static_cast<double>(count));
    }
  };
  out.gauge("ferrule_alarms_active", "Alarms whose point lies beyond their limit.");
  each([](const auto& alarm) { return alarm.active; });
  out.gauge("ferrule_alarms_unacknowledged", "Alarms that nobody has acknowledged since they were last active.");
  each([](const auto& alarm) { return !alarm.acknowledged; });
}

void add_http(MetricsText& out, const HttpCounters& http) {
  out.counter("ferrule_http_requests_total", "HTTP requests by result.");
  out.sample({{"result", "ok"}}, number(http.served));
  out.sample({{"result", "bad"}}, number(http.bad_requests));
  out.sample({{"result", "denied"}}, number(http.denied));
  out.sample({{"result", "too_fast"}}, number(http.too_fast));
  out.sample({{"result", "failed"}}, number(http.failed));
  out.gauge("ferrule_http_streams", "Streams of server-sent events that are open.");
  out.sample({}, number(http.streams));
  out.counter("ferrule_http_dropped_total",
              "What HTTP clients did not get, by what it was: connections and streams beyond "
              "the limit, requests that took too long, events that were not read.");
  out.sample({{"what", "connection"}}, number(http.connections_refused));
  out.sample({{"what", "stream"}}, number(http.streams_refused));
  out.sample({{"what", "timeout"}}, number(http.timeouts));
  out.sample({{"what", "event"}}, number(http.events_dropped));
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
  double count = -3;  // `.`, `..` and the directory itself
  while (directory != nullptr && ::readdir(directory.get()) != nullptr) ++count;
  return std::max(0.0, count);
}

/// Under the names that every Prometheus client library uses.
void add_process(MetricsText& out, std::chrono::steady_clock::time_point started) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  out.counter("process_cpu_seconds_total", "Processor time of the process.");
  out.sample({}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
  std::size_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  out.gauge("process_virtual_memory_bytes", "Address space of the process.");
  out.sample({}, static_cast<double>(pages) * page);
  out.gauge("process_resident_memory_bytes", "Memory of the process.");
  out.sample({}, static_cast<double>(resident) * page);
  out.gauge("process_open_fds", "Open descriptors.");
  out.sample({}, open_descriptors());
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  out.gauge("process_max_fds", "Most descriptors that may be open.");
  out.sample({}, number(limit.rlim_cur));
  const auto up = std::chrono::duration<double>(std::chrono::steady_clock::now() - started);
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch());
  out.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.");
  out.sample({}, std::round((now - up).count()));
}

}  // namespace

std::string metrics_of(const Gateway& gateway, const OperationCounters& operation) {
  MetricsText out;
  out.gauge("ferrule_build_info", "Always 1; the version is a label.");
  out.sample({{"version", FERRULE_VERSION}}, 1);
  const auto buses = gateway.field().buses();
  add_buses(out, buses);
  add_devices(out, buses);
  add_modbus_servers(out, gateway.field().modbus_servers());
  out.counter("ferrule_readings_skipped_total", "Readings dropped because the broker thread was behind.");
  out.sample({}, number(gateway.field().skipped_readings()));
  add_broker(out, gateway.broker().counters());
  add_uplinks(out, gateway.uplinks());
  add_alarms(out, gateway.field().alarms());
  out.counter("ferrule_reloads_total", "Times the configuration was read again, by result.");
  out.sample({{"result", "ok"}}, number(operation.reloads));
  out.sample({{"result", "failed"}}, number(operation.failed_reloads));
  out.counter("ferrule_events_suppressed_total", "Events that were not kept because there were too many at once.");
  out.sample({}, number(gateway.events().suppressed()));
  add_http(out, operation.http);
  add_process(out, gateway.started());
  return out.text();
}

}  // namespace ferrule::gateway
