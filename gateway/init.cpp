#include "gateway/init.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "drivers/serial_list.hpp"
#include "gateway/durable_file.hpp"
#include "gateway/settings.hpp"
#include "mapping/json.hpp"

namespace ferrule::gateway {

namespace {

/// A JSON string is one of YAML too.
std::string quoted(const std::string& text) {
  std::string json;
  mapping::append_json(json, text);
  return json;
}

/// `10.0.0.5:1502` and `plc` as keys of a bus. Whether they make sense is said by who reads them.
std::string endpoint_keys(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || text.find(':') != colon)
    return "host: " + quoted(text);  // an IPv6 address has many
  return fmt::format("host: {}, port: {}", quoted(text.substr(0, colon)), text.substr(colon + 1));
}

std::string buses_text(const InitOptions& options) {
  std::string text = "  here: {type: system}               # this machine; docs/system.md\n";
  for (std::size_t i = 0; i < options.rtu.size(); ++i) {
    text += fmt::format(
        "  line{}:                              # one serial line with all its units; docs/modbus.md\n"
        "    type: modbus-rtu\n"
        "    port: {}\n"
        "    line: {{baud: 9600, parity: none}}  # `ferrule scan {} line{}` finds who answers at which\n",
        i + 1, quoted(options.rtu[i]), options.file.filename().string(), i + 1);
  }
  for (std::size_t i = 0; i < options.tcp.size(); ++i) {
    text += fmt::format("  plc{}: {{type: modbus-tcp, {}}}\n", i + 1, endpoint_keys(options.tcp[i]));
  }
  return text;
}

std::string device_text(const std::string& name, const std::string& bus) {
  return fmt::format(
      "  {}:\n"
      "    bus: {}\n"
      "    unit_id: 1\n"
      "    interval: 1s\n"
      "    points:                          # `ferrule read FILE {} 1 holding 0 10` prints lines to put here\n"
      "      value: {{register: holding, address: 0, type: uint16}}\n",
      name, bus, bus);
}

std::string devices_text(const InitOptions& options) {
  std::string text =
      "  machine:\n"
      "    bus: here\n"
      "    points:\n"
      "      load: {from: load}\n"
      "      memory: {from: memory_used, unit: \"%\"}\n"
      "      disk: {from: disk_used, unit: \"%\"}\n";
  for (std::size_t i = 0; i < options.rtu.size(); ++i) {
    text += device_text(fmt::format("meter{}", i + 1), fmt::format("line{}", i + 1));
  }
  for (std::size_t i = 0; i < options.tcp.size(); ++i) {
    text += device_text(fmt::format("device{}", i + 1), fmt::format("plc{}", i + 1));
  }
  return text;
}

std::string uplinks_text(const std::string& cloud, const std::string& id) {
  if (cloud.empty()) return {};
  return fmt::format(
      "\n"
      "uplinks:                               # values wait on disk while it cannot be reached; docs/uplinks.md\n"
      "  cloud:\n"
      "    url: {}\n"
      "    #user: {}\n"
      "    #password: !file secrets/cloud     # a file beside this one that only the gateway can read\n"
      "    status_topic: {}   # there: online, or offline when the gateway is gone\n"
      "    out: [{{from: {}, qos: 1}}]\n",
      quoted(cloud), quoted(id), quoted(id + "/status"), quoted(id + "/#"));
}

std::string name_of(const drivers::SerialPortInfo& port) { return port.by_id.empty() ? port.device : port.by_id; }

std::string ask(const std::string& question) {
  fmt::print("{} ", question);
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer;
}

void ask_for_all(InitOptions& options) {
  fmt::print("Enter takes what stands in brackets.\n");
  const auto id = ask(fmt::format("Name of this gateway, the first level of every topic [{}]:", options.id));
  if (!id.empty()) options.id = id;
  for (const auto& port : drivers::list_serial_ports()) {
    const auto what = port.adapter.empty() ? "" : fmt::format(" ({})", port.adapter);
    const auto answer = ask(fmt::format("Are Modbus RTU devices at {}{}? y/n [n]:", name_of(port), what));
    if (answer == "y" || answer == "yes") options.rtu.push_back(name_of(port));
  }
  for (;;) {
    const auto host = ask("Address of a Modbus TCP device, HOST or HOST:PORT [no more]:");
    if (host.empty()) break;
    options.tcp.push_back(host);
  }
  options.cloud = ask("URL of a cloud's MQTT broker, such as mqtts://broker.example:8883 [none]:");
}

}  // namespace

std::optional<std::string> write_configuration(const std::filesystem::path& file, const std::string& text) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return errno == EEXIST ? "is there already, and is not touched: name another file" : std::strerror(errno);
  }
  const bool whole = write_durably(descriptor, text);
  const int error = errno;
  ::close(descriptor);
  if (whole) return std::nullopt;
  ::unlink(file.c_str());
  return std::strerror(error);
}

std::string first_configuration(const InitOptions& options) {
  const auto id = options.id.empty() ? default_id() : options.id;
  return fmt::format(
      "# Ferrule's configuration. `ferrule check {0}` finds mistakes, `ferrule reload` has a running gateway take over "
      "what has\n"
      "# changed. All keys: docs/configuration.md.\n"
      "version: 2\n"
      "\n"
      "gateway:\n"
      "  id: {1}\n"
      "  #state_dir: /var/lib/ferrule         # queues and sessions; this is the default\n"
      "  #http: 127.0.0.1:8080                # the page, on this machine; docs/page.md\n"
      "\n"
      "buses:\n"
      "{2}"
      "\n"
      "devices:\n"
      "{3}"
      "\n"
      "broker:\n"
      "  listen: [{{bind: 127.0.0.1, port: 1883}}]  # from the network only with users: docs/access.md\n"
      "{4}",
      options.file.filename().string(), quoted(id), buses_text(options), devices_text(options),
      uplinks_text(options.cloud, id));
}

int init(InitOptions options) {
  const bool nothing_given = options.tcp.empty() && options.rtu.empty() && options.cloud.empty();
  if (options.id.empty()) options.id = default_id();
  if (nothing_given && ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) {
    ask_for_all(options);
  } else if (nothing_given) {
    for (const auto& port : drivers::list_serial_ports()) options.rtu.push_back(name_of(port));
  }
  const auto text = first_configuration(options);
  parse_settings(text, options.file.string());
  if (const auto why = write_configuration(options.file, text)) {
    fmt::print(stderr, "ferrule: {}: {}\n", options.file.string(), *why);
    return EX_CANTCREAT;
  }
  const auto file = options.file.string();
  fmt::print("{} is written. What comes next:\n", file);
  for (std::size_t i = 0; i < options.rtu.size(); ++i) {
    fmt::print("  ferrule scan {} line{}                  # which units answer, and at which line settings\n", file,
               i + 1);
  }
  for (std::size_t i = 0; i < options.tcp.size(); ++i) {
    fmt::print("  ferrule read {} plc{} 1 holding 0 10    # what registers hold, as points to put into the file\n",
               file, i + 1);
  }
  if (!options.cloud.empty())
    fmt::print("  ferrule uplink test {} cloud       # whether the cloud can be reached\n", file);
  fmt::print("  ferrule run {}\n", file);
  return EX_OK;
}

}  // namespace ferrule::gateway
