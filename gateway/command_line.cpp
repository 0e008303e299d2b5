#include "gateway/command_line.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "config/error.hpp"
#include "config/node.hpp"
#include "config/schema.hpp"
#include "drivers/modbus/budget.hpp"
#include "gateway/ask.hpp"
#include "gateway/completion.hpp"
#include "gateway/demo.hpp"
#include "gateway/diag.hpp"
#include "gateway/doctor.hpp"
#include "gateway/explain.hpp"
#include "gateway/format.hpp"
#include "gateway/import.hpp"
#include "gateway/init.hpp"
#include "gateway/log.hpp"
#include "gateway/mapping_test.hpp"
#include "gateway/migrate.hpp"
#include "gateway/passwd.hpp"
#include "gateway/queue.hpp"
#include "gateway/run.hpp"
#include "gateway/settings.hpp"
#include "gateway/setup.hpp"
#include "gateway/simulate.hpp"
#include "gateway/tools.hpp"
#include "gateway/uplink_test.hpp"
#include "gateway/watch.hpp"

namespace ferrule::gateway {

namespace {

int check(const std::filesystem::path& file) {
  const auto settings = load_settings(file);
  for (const auto& warning : settings.warnings) fmt::print(stderr, "{}\n", warning.text());
  fmt::print("{}: ok: {} buses, {} devices, {} points, {} uplinks\n", file.string(), settings.buses.size(),
             settings.device_count, settings.point_count, settings.uplinks.size());
  for (const auto& bus : settings.buses) {
    const auto budget = drivers::modbus::line_budget(bus);
    if (!budget) continue;
    fmt::print("{}: bus {}: {} requests take {:.0f} % of the line's time{}\n", file.string(), bus.name,
               budget->requests, std::ceil(budget->utilisation * 100),
               budget->advice.empty() ? "" : fmt::format(": too much to keep up; {}", budget->advice));
  }
  return EX_OK;
}

/// Of one argument: a key; of two: a point of a configuration.
int explain_either(const std::string& what, const std::string& point) {
  if (!point.empty()) return explain(what, point);
  std::string near;
  const auto text = config::explain_key(what, near);
  if (text.empty()) {
    fmt::print(stderr, "ferrule: there is no key \"{}\"{}\n", what,
               near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
    return EX_USAGE;
  }
  fmt::print("{}", text);
  return EX_OK;
}

constexpr std::array<std::string_view, 30> kVerbs{
    "run",    "check",  "status",  "top",     "tap",    "ports",  "read",  "write",      "scan",   "simulate",
    "passwd", "demo",   "version", "events",  "doctor", "diag",   "users", "completion", "uplink", "queue",
    "trace",  "record", "test",    "explain", "reload", "import", "init",  "schema",     "fmt",    "migrate"};

/// Names a mistyped verb, which CLI11 would only miss; otherwise what CLI11 found. Its exit codes are its own, ours are
/// those of <sysexits.h>.
int report_usage(const CLI::App& app, const CLI::ParseError& error, std::string_view verb) {
  if (app.get_subcommands().empty() && !verb.empty() && verb.front() != '-') {
    const auto meant = config::nearest(verb, kVerbs);
    fmt::print(stderr, "ferrule: there is no verb \"{}\"{}\nRun ferrule --help for more information.\n", verb,
               meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant));
    return EX_USAGE;
  }
  return app.exit(error) == 0 ? EX_OK : EX_USAGE;
}

void add_init_options(CLI::App& verb, InitOptions& options) {
  verb.add_option("file", options.file, "File to write; one that is there is not touched")
      ->type_name("FILE")
      ->required();
  verb.add_option("--id", options.id, "Name of the gateway (default: the host name)")->type_name("ID");
  verb.add_option("--tcp", options.tcp, "A Modbus TCP device; may be given again")->type_name("HOST[:PORT]");
  verb.add_option("--rtu", options.rtu, "A serial port with Modbus RTU devices; may be given again")->type_name("PORT");
  verb.add_option("--cloud", options.cloud, "URL of a cloud's MQTT broker")->type_name("URL");
}

void add_socket_option(CLI::App& verb, AskOptions& options) {
  verb.add_option("--socket", options.socket,
                  "The gateway's control socket (default: $FERRULE_CONTROL, else the service's)")
      ->type_name("PATH");
}

void add_ask_options(CLI::App& verb, AskOptions& options) {
  add_socket_option(verb, options);
  verb.add_flag("--json", options.json, "As JSON, for programs");
}

/// `queue ls`, `queue show` and so on: what to call for each.
using QueueVerbs = std::vector<std::pair<CLI::App*, int (*)(const QueueOptions&)>>;

QueueVerbs add_queue_verbs(CLI::App& app, QueueOptions& options) {
  auto* queue = app.add_subcommand("queue", "Messages that a cloud refused for good, and those that wait for it");
  queue->require_subcommand(1);
  const auto add = [&](const char* name, const char* what) {
    auto* verb = queue->add_subcommand(name, what);
    add_ask_options(*verb, options.ask);
    verb->add_option("--state-dir", options.state_dir, "The files of a gateway that does not run")->type_name("DIR");
    verb->add_option("--uplink", options.uplink, "Of this uplink only")->type_name("NAME");
    verb->add_option("SEQ", options.seqs, "Their numbers");
    return verb;
  };
  const auto look = [&](const char* name, const char* what) {
    auto* verb = add(name, what);
    verb->add_flag("--queued", options.queued, "Those that wait, rather than those that were refused");
    return verb;
  };
  const auto change = [&](const char* name, const char* what) {
    auto* verb = add(name, what);
    verb->add_flag("--all", options.all, "All of them");
    return verb;
  };
  return {{look("ls", "List the messages, a line for each"), list_queue},
          {look("show", "Show the messages with their payloads, to read"), show_queue},
          {look("export", "Print the messages as JSON lines, with their payloads"), export_queue},
          {change("retry", "Send refused messages again, behind all that waits"), retry_parked},
          {change("drop", "Remove refused messages"), drop_parked}};
}

template <class Options>
void add_bus_options(CLI::App& verb, Options& options) {
  verb.add_option("FILE", options.file, "Configuration (YAML) that has the bus")->required()->check(CLI::ExistingPath);
  verb.add_option("BUS", options.bus, "Name of the bus")->required();
}

template <class Options>
void add_place_options(CLI::App& verb, Options& options, const std::vector<std::string>& tables) {
  add_bus_options(verb, options);
  verb.add_option("UNIT", options.unit, "Unit id")->required()->check(CLI::Range(0, 255));
  verb.add_option("TABLE", options.table, fmt::format("{}", fmt::join(tables, ", ")))
      ->required()
      ->check(CLI::IsMember(tables));
  verb.add_option("ADDRESS", options.address, "As on the wire, from 0")->required()->check(CLI::Range(0, 65535));
}

void add_write_options(CLI::App& verb, WriteOptions& options) {
  add_place_options(verb, options, {"coil", "holding"});
  verb.add_option("VALUE", options.value, "A number, true, false, or a string in double quotes")->required();
  verb.add_option("--type", options.type, "As in the configuration (default: uint16, of a coil bool)");
  verb.add_option("--byte-order", options.byte_order, "ABCD, BADC, CDAB or DCBA")->capture_default_str();
}

void add_scan_options(CLI::App& verb, ScanVerbOptions& options) {
  add_bus_options(verb, options);
  auto& scan = options.scan;
  verb.add_option("--first", scan.first_unit, "First unit id")->capture_default_str()->check(CLI::Range(0, 255));
  verb.add_option("--last", scan.last_unit, "Last unit id")->capture_default_str()->check(CLI::Range(0, 255));
  verb.add_option("--baud", scan.bauds, "Rates to try instead of the line's own and the usual ones")->delimiter(',');
  verb.add_flag("--all", scan.every_setting, "Try the other rates and parities though somebody has answered");
  verb.add_option_function<int>(
          "--timeout", [&scan](int time) { scan.timeout = std::chrono::milliseconds(time); },
          "For each unit, in ms: 200")
      ->check(CLI::Range(10, 10'000));
  verb.add_option_function<int>(
          "--pause", [&scan](int time) { scan.pause = std::chrono::milliseconds(time); }, "Between requests, in ms: 20")
      ->check(CLI::Range(0, 10'000));
}

void add_watch_options(CLI::App& verb, WatchOptions& options) {
  verb.add_option("BUS", options.bus, "Name of the bus")->required();
  verb.add_option("--count", options.count, "End after so many requests");
  verb.add_option("--socket", options.socket, "The gateway's control socket")->type_name("PATH");
}

void add_trace_options(CLI::App& verb, WatchOptions& options) {
  add_watch_options(verb, options);
  auto* json = verb.add_flag("--json", options.json, "As JSON, for programs");
  verb.add_option("--pcap", options.pcap, "Write a capture for Wireshark; - is standard output")
      ->type_name("PATH")
      ->excludes(json);
}

void add_record_options(CLI::App& verb, WatchOptions& options) {
  add_watch_options(verb, options);
  verb.add_option("--output", options.output, "Where to (default: standard output)")->type_name("PATH");
}

void add_simulate_options(CLI::App& verb, SimulateOptions& options) {
  verb.add_option("FILE", options.file, "Configuration (YAML) of the devices")->required();
  verb.add_option("--port", options.first_port, "Of the first bus, the others follow (default: free ones)");
  verb.add_option("--seed", options.seed, "Of values and faults, to repeat a run")->capture_default_str();
  auto& faults = options.faults;
  const auto share = [&](const char* name, double& value, const char* what) {
    verb.add_option(name, value, what)->check(CLI::Range(0.0, 1.0))->type_name("SHARE");
  };
  share("--drop", faults.drop, "Share of requests, 0 to 1, that get no answer");
  share("--exception", faults.exception, "Share that is refused");
  share("--late", faults.late, "Share that is answered 2 s late");
  share("--garbage", faults.garbage, "Share that is answered with random bytes");
  verb.add_option_function<int>(
          "--delay", [&faults](int time) { faults.delay = std::chrono::milliseconds(time); }, "Of every answer, in ms")
      ->check(CLI::Range(0, 60'000));
  verb.add_option("--exception-code", faults.exception_code, "4: device failure")
      ->capture_default_str()
      ->check(CLI::Range(1, 11));
}

void add_read_options(CLI::App& verb, ReadOptions& options) {
  add_place_options(verb, options, {"coil", "discrete", "input", "holding"});
  verb.add_option("COUNT", options.count, "How many registers or bits")
      ->capture_default_str()
      ->check(CLI::Range(1, 125));
}

void add_uplink_test_options(CLI::App& verb, UplinkTestOptions& options) {
  verb.add_option("FILE", options.file, "Configuration (YAML) that has the uplink")->required();
  verb.add_option("NAME", options.uplink, "Name of the uplink")->required();
  verb.add_option("--topic", options.topic, "Topic at the cloud to publish to; one of the first route by default");
  verb.add_flag("!--no-publish", options.publish, "Only log in");
  verb.add_flag("--as-itself", options.as_itself,
                "With the uplink's own client id, which throws out a running gateway for a moment");
}

void add_setup_option(CLI::App& verb, std::string& place) {
  verb.add_option("--setup", place,
                  "Without a configuration that runs, serve a page with its mistakes, or that makes a first one; on "
                  "127.0.0.1:8080 unless told")
      ->type_name("ADDRESS:PORT")
      ->expected(0, 1)
      ->default_str("127.0.0.1:8080");
}

struct ImportVerbs {
  CLI::App* dbc;
  CLI::App* csv;
  CLI::App* sunspec;
  ImportDbcOptions dbc_options;
  ImportCsvOptions csv_options;
  ImportSunspecOptions sunspec_options;

  explicit ImportVerbs(CLI::App& verb)
      : dbc(verb.add_subcommand("dbc", "Print a CAN device with a point for each signal of a DBC file")),
        csv(verb.add_subcommand("csv", "Print a template with a point for each row of a vendor's register table")),
        sunspec(verb.add_subcommand("sunspec", "Print a template with the points of SunSpec models")) {
    verb.require_subcommand(1);
    dbc->add_option("FILE", dbc_options.file, "CAN database (DBC)")->required();
    dbc->add_option("--device", dbc_options.device, "Its name (default: as the file is called)");
    dbc->add_option("--interface", dbc_options.interface, "Where it is connected")->capture_default_str();
    csv->add_option("FILE", csv_options.file, "Table (CSV) one of whose first rows names the columns")->required();
    csv->add_option("--numbering", csv_options.numbering, "Its addresses: wire (from 0), one (from 1), modicon (40001)")
        ->capture_default_str()
        ->check(CLI::IsMember({"wire", "one", "modicon"}));
    csv->add_option("--table", csv_options.table, "Where no column says it: coil, discrete, input, holding")
        ->check(CLI::IsMember({"coil", "discrete", "input", "holding"}));
    csv->add_option("--byte-order", csv_options.byte_order, "Of the device: ABCD, BADC, CDAB, DCBA")
        ->check(CLI::IsMember({"ABCD", "BADC", "CDAB", "DCBA"}));
    sunspec
        ->add_option(
            "MODEL", sunspec_options.models,
            "Model file (JSON of github.com/sunspec/models), and where its ID is: FILE@ADDRESS (default: 40002)")
        ->required();
    sunspec->add_option("--repeat", sunspec_options.repeat, "How often a group is there that may repeat")
        ->capture_default_str()
        ->check(CLI::Range(1, 100));
  }
};

std::optional<int> run_import(const ImportVerbs& verbs) {
  if (*verbs.dbc) return import_dbc(verbs.dbc_options);
  if (*verbs.csv) return import_csv(verbs.csv_options);
  if (*verbs.sunspec) return import_sunspec(verbs.sunspec_options);
  return std::nullopt;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app{
      "Ferrule bridges field buses to MQTT: it polls Modbus devices, serves their values from a local MQTT broker and "
      "carries them to cloud brokers through a queue on disk that loses nothing.",
      "ferrule"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "ferrule " FERRULE_VERSION);

  std::string file;
  auto* run_verb = app.add_subcommand("run", "Run the gateway until SIGTERM or SIGINT");
  run_verb->add_option("FILE", file, "Configuration: a YAML file, or a directory of them")->required();
  std::string setup_place;
  add_setup_option(*run_verb, setup_place);
  InitOptions init_options;
  auto* init_verb =
      app.add_subcommand("init", "Write a first configuration, which runs: asks, or takes what is given or found");
  add_init_options(*init_verb, init_options);
  auto* check_verb = app.add_subcommand("check", "Check a configuration: prints every mistake, exits with 0 or 78");
  check_verb->add_option("FILE", file, "Configuration: a YAML file, or a directory of them")->required();
  auto* test_verb = app.add_subcommand(
      "test", "Prove what a configuration publishes of which registers: exits with 0, or 1 when a test fails");
  test_verb->add_option("FILE", file, "Tests (YAML), which name their configuration")->required();
  std::string point;
  auto* explain_verb = app.add_subcommand(
      "explain",
      "Say what a key of the configuration means, or show the way of a point, from the wire to its subscribers");
  explain_verb->add_option("FILE|KEY", file, "Configuration: a YAML file, or a directory of them; or a key")
      ->required();
  explain_verb->add_option("POINT", point, "The point, as DEVICE/POINT");
  bool markdown = false;
  auto* schema_verb = app.add_subcommand("schema", "Print the JSON Schema (draft-07) of configurations, for editors");
  schema_verb->add_flag("--markdown", markdown, "The tables of docs/configuration.md instead");
  MigrateOptions migrate_options;
  auto* migrate_verb = app.add_subcommand(
      "migrate",
      "Rewrite a configuration of an older version of its language in today's; what it was is kept beside it");
  migrate_verb->add_option("FILE", migrate_options.file, "YAML file, or a directory of them")->required();
  migrate_verb->add_flag("--check", migrate_options.check,
                         "Only say what would be written otherwise: exits with 1 when the version is an older one");
  FormatOptions format_options;
  auto* fmt_verb = app.add_subcommand(
      "fmt", "Bring configuration files into the usual form: indentation, order of keys, quotes; comments stay");
  fmt_verb->add_option("FILE", format_options.files, "YAML files, or directories of them")->required();
  fmt_verb->add_flag("--check", format_options.check, "Only name those that are not: exits with 1 when there are any");
  AskOptions ask_options;
  auto* status_verb =
      app.add_subcommand("status", "Show how the running gateway is: exits with 0 when all is well, 1 when not");
  add_ask_options(*status_verb, ask_options);
  status_verb->add_flag("--all", ask_options.all, "Every device, also where there are too many for one screen");
  auto* reload_verb = app.add_subcommand(
      "reload",
      "Have the running gateway take over what has changed in its configuration: exits with 78 when it cannot");
  add_ask_options(*reload_verb, ask_options);
  auto* top_verb = app.add_subcommand("top", "Show the running gateway's devices and values live; end with Ctrl-C");
  add_socket_option(*top_verb, ask_options);
  std::uint64_t limit = 50;
  auto* events_verb = app.add_subcommand("events", "Show what was wrong and for how long, who wrote, who logged in");
  events_verb->add_option("--limit", limit, "How many, the newest")->capture_default_str();
  add_ask_options(*events_verb, ask_options);
  std::string filter;
  std::uint64_t count = 0;
  auto* tap_verb = app.add_subcommand("tap", "Show publications as they pass the running gateway's broker");
  tap_verb->add_option("FILTER", filter, "Topic filter, e.g. 'plant1/#'")->required();
  tap_verb->add_option("--count", count, "End after so many");
  add_ask_options(*tap_verb, ask_options);
  QueueOptions queue_options;
  const auto queue_verbs = add_queue_verbs(app, queue_options);
  PasswdOptions passwd_options;
  auto* passwd_verb = app.add_subcommand(
      "passwd", "Set a user's password in a password file; asks for it, or reads a line of standard input");
  passwd_verb->add_option("FILE", file, "Password file; created when missing")->required();
  passwd_verb->add_option("USER", passwd_options.user, "Whose password")->required();
  passwd_verb->add_flag("--delete", passwd_options.remove, "Remove the user instead");
  passwd_verb->add_flag("!--no-scram", passwd_options.scram, "Without the keys for SCRAM-SHA-256");
  auto* users_verb = app.add_subcommand("users", "Add, change and remove users of a password file");
  users_verb->require_subcommand(1);
  const auto add_users_verb = [&](const char* name, const char* text) {
    auto* verb = users_verb->add_subcommand(name, text);
    verb->add_option("FILE", file, "Password file")->required();
    verb->add_option("USER", passwd_options.user, "Whose")->required();
    return verb;
  };
  auto* users_add_verb = add_users_verb("add", "Add a user; asks for the password, or reads a line of standard input");
  add_users_verb("passwd", "Change a user's password");
  auto* users_remove_verb = add_users_verb("rm", "Remove a user");
  DoctorOptions doctor_options;
  auto* doctor_verb = app.add_subcommand(
      "doctor",
      "Find what keeps a gateway from working, each with the command that mends it; run it as the gateway's user");
  doctor_verb->add_option("FILE", doctor_options.file, "Configuration: a YAML file, or a directory of them")
      ->required();
  doctor_verb->add_option("--socket", doctor_options.socket, "The gateway's control socket")->type_name("PATH");
  DiagOptions diag_options;
  auto* diag_verb =
      app.add_subcommand("diag", "Pack what a bug report needs into one file, without passwords and keys");
  diag_verb->add_option("FILE", diag_options.file, "Configuration: a YAML file, or a directory of them");
  diag_verb->add_option("--output", diag_options.output, "Where to write (default: ferrule-diag-<time>.tar.gz here)")
      ->type_name("PATH");
  diag_verb->add_option("--socket", diag_options.socket, "The gateway's control socket")->type_name("PATH");
  auto* completion_verb = app.add_subcommand("completion", "Print what bash needs to complete verbs and options");
  DemoOptions demo_options;
  auto* demo_verb =
      app.add_subcommand("demo", "Show a simulated plant's data flow to a stand-in cloud; needs no hardware");
  demo_verb->add_flag(
      "--once", demo_options.once,
      "End by itself within 60 s; exit 0 only if every message reached the cloud exactly once and in order");
  demo_verb->add_option("--cloud", demo_options.cloud, "Use this broker as the cloud, e.g. mqtt://broker.example:1883")
      ->type_name("URL");
  demo_verb->add_option("--seed", demo_options.seed, "Seed of the simulated values, to repeat a run")
      ->capture_default_str();
  auto* ports_verb = app.add_subcommand(
      "ports", "List the serial ports (by-id path, adapter, who uses them) and the CAN interfaces (state, bit rate)");
  ImportVerbs import_verbs(*app.add_subcommand("import", "Make configuration of what other programs and vendors have"));
  ReadOptions read_options;
  auto* read_verb = app.add_subcommand("read", "Read registers or bits once and print every likely meaning as a point");
  add_read_options(*read_verb, read_options);
  UplinkTestOptions uplink_options;
  auto* uplink_verb = app.add_subcommand("uplink", "What concerns the way to a cloud");
  uplink_verb->require_subcommand(1);
  auto* uplink_test_verb = uplink_verb->add_subcommand(
      "test", "Try the way to a cloud step by step: name, connection, TLS, login, one message");
  add_uplink_test_options(*uplink_test_verb, uplink_options);
  WriteOptions write_options;
  auto* write_verb = app.add_subcommand("write", "Write a coil or holding register once and read it back");
  add_write_options(*write_verb, write_options);
  SimulateOptions simulate_options;
  auto* simulate_verb = app.add_subcommand(
      "simulate", "Serve the Modbus devices of a configuration, with faults if wanted, until SIGTERM or SIGINT");
  add_simulate_options(*simulate_verb, simulate_options);
  ScanVerbOptions scan_options;
  auto* scan_verb = app.add_subcommand("scan", "Find the units of a bus, at which line settings, and what they are");
  add_scan_options(*scan_verb, scan_options);
  WatchOptions watch_options;
  auto* trace_verb =
      app.add_subcommand("trace", "Show what goes over the wire of a bus of the running gateway, decoded");
  add_trace_options(*trace_verb, watch_options);
  auto* record_verb = app.add_subcommand("record", "Keep what goes over the wire of a bus as a transcript");
  add_record_options(*record_verb, watch_options);
  auto* version_verb = app.add_subcommand("version", "Print the version");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error, argc > 1 ? argv[1] : "");
  }

  set_up_log();
  try {
    if (*run_verb) return setup_place.empty() || set_up(file, setup_place) ? run(file) : EX_OK;
    if (*init_verb) return init(init_options);
    if (*check_verb) return check(file);
    if (*test_verb) return test_mapping(file);
    if (*explain_verb) return explain_either(file, point);
    if (*migrate_verb) return migrate(migrate_options);
    if (*fmt_verb) return format_files(format_options);
    if (*schema_verb) {
      fmt::print("{}", markdown ? config::schema_reference() : config::json_schema());
      return EX_OK;
    }
    if (*status_verb) return print_status(ask_options);
    if (*events_verb) return print_events(ask_options, limit);
    for (const auto& [verb, call] : queue_verbs) {
      if (*verb) return call(queue_options);
    }
    if (*reload_verb) return reload(ask_options);
    if (*top_verb) return show_top(ask_options);
    if (*tap_verb) return print_tap(ask_options, filter, count);
    if (*passwd_verb) {
      passwd_options.file = file;
      return passwd(passwd_options);
    }
    if (*users_verb) {
      passwd_options.file = file;
      passwd_options.remove = users_remove_verb->parsed();
      passwd_options.exists = !users_add_verb->parsed();
      return passwd(passwd_options);
    }
    if (*doctor_verb) return doctor(doctor_options);
    if (*diag_verb) return diag(diag_options);
    if (*completion_verb) return print_completion();
    if (*demo_verb) return demo(demo_options);
    if (*ports_verb) return print_ports();
    if (const auto code = run_import(import_verbs)) return *code;
    if (*read_verb) return print_registers(read_options);
    if (*uplink_test_verb) return test_uplink(uplink_options);
    if (*write_verb) return write_value(write_options);
    if (*scan_verb) return print_scan(scan_options);
    if (*simulate_verb) return simulate(simulate_options);
    if (*trace_verb) return trace_bus(watch_options);
    if (*record_verb) return record_bus(watch_options);
    if (*version_verb) fmt::print("ferrule {}\n", FERRULE_VERSION);
    return EX_OK;
  } catch (const config::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    fmt::print(stderr, "ferrule: internal error: {}\n", error.what());
    return EX_SOFTWARE;
  }
}

}  // namespace ferrule::gateway
