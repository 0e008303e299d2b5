// The table of keys: the file itself, `gateway`, `buses`, `modbus_servers`.
#include "config/schema.hpp"

namespace ferrule::config {

namespace {

constexpr auto kFile = std::to_array<SchemaKey>({
    {"version", "integer 1..2", "1", "2",
     "Of this language: what the file means by its keys. An older one is read as what it meant; ferrule migrate "
     "rewrites "
     "it."},
    {"gateway", "object gateway", "", "{id: plant1, state_dir: /var/lib/ferrule}",
     "The gateway's id, its place, its directories, its clock."},
    {"buses", "maps object bus", "", "{line1: {type: modbus-rtu, port: /dev/ttyUSB0}}",
     "The wires and sockets that devices hang at, each with a name."},
    {"templates", "maps object template", "", "{meter: {byte_order: CDAB}}",
     "What devices of one kind have in common. A device has all keys of its template; its own hide them."},
    {"devices", "maps object device", "",
     "{boiler: {bus: line1, unit_id: 1, points: {flow: {register: input, address: 0}}}}",
     "Who is on which bus, and their points. The name is {device} in topics."},
    {"publish", "object publish", "", "{when: change, heartbeat: 5m}",
     "Topics, payloads and rules for every point; a template, a device or a point may have its own."},
    {"modbus_servers", "maps object server", "",
     "{scada: {points: [{from: meter/voltage, register: input, address: 0}]}}",
     "What Ferrule shows to other Modbus masters."},
    {"broker", "object broker", "", "{listen: [{port: 1883}]}",
     "The MQTT broker: listeners, users and their rights, limits."},
    {"queue", "object queue", "", "{max_size: 512MB, max_age: 30d}",
     "What waits on disk for the clouds; an uplink may say otherwise of its own."},
    {"uplinks", "maps object uplink", "", "{hq: {url: \"mqtts://mqtt.example\", out: [{from: \"plant1/#\"}]}}",
     "The clouds: brokers that publications are carried to and commands come from."},
});

constexpr auto kGateway = std::to_array<SchemaKey>({
    {"id", "text", "", "plant1",
     "{gateway} in topics, and the client id of uplinks that have none: one level of a topic. Without it the host "
     "name."},
    {"state_dir", "path", "", "/var/lib/ferrule",
     "Where queues and sessions are kept; created when missing. Without it what systemd gives, else /var/lib/ferrule."},
    {"control", "path", "", "/run/ferrule/control.sock",
     "The control socket, which `ferrule status` and its like speak to. Without it control.sock in systemd's runtime "
     "directory, else in state_dir."},
    {"http", "text | object http", "", "127.0.0.1:8080",
     "Address and port of the page, the API, /metrics and /healthz, or a map that also says who may see them. Without "
     "it "
     "nowhere."},
    {"clock", "words plausible synchronized", "plausible", "synchronized",
     "When the machine's clock is believed: after 2025 began, or also only when the kernel says that it is kept "
     "right."},
    {"remote", "object remote", "", "{topic: ferrule/plant1/config}",
     "Takes another configuration over MQTT. Without it none."},
});

constexpr auto kHttp = std::to_array<SchemaKey>({
    {"listen", "text", kRequired, "0.0.0.0:8443", "Address and port."},
    {"tls", "object listener-tls", "", "{cert: tls/gw.crt, key: tls/gw.key}", "Files of its TLS."},
    {"password_file", "path", "", "page-users", "A file of users and password hashes; `ferrule passwd` makes it."},
    {"users", "maps object http-user", "", "{anna: {role: operate}}",
     "Who may log in. Without users and tokens only this machine, and only to read."},
    {"tokens", "maps object http-token", "", "{scada: {token: !file secrets/scada-token}}", "For programs."},
});

constexpr auto kHttpUser = std::to_array<SchemaKey>({
    {"role", "words read operate", "read", "operate",
     "Sees everything, or also writes values and decides over parked messages."},
    {"password", "secret", "", "!file secrets/anna", "Its password: best !file, !credential or !env."},
    {"password_hash", "secret", "", "!file secrets/anna.hash",
     "In place of the password what `ferrule passwd` makes of it."},
});

constexpr auto kHttpToken = std::to_array<SchemaKey>({
    {"token", "secret", kRequired, "!file secrets/scada-token", "At least 20 characters."},
    {"role", "words read operate", "read", "operate",
     "Sees everything, or also writes values and decides over parked messages."},
});

constexpr auto kRemote = std::to_array<SchemaKey>({
    {"topic", "text", "", "ferrule/plant1/config",
     "The configuration's text is published at it and /set, the answer at it and /result. Without it "
     "ferrule/ID/config."},
    {"within", "duration 5s..1h", "1m", "2m",
     "Uplinks that were online have to be online again within this time, or the gateway goes back."},
});

constexpr auto kPlace = std::to_array<SchemaKey>({
    {"site", "text", "", "berlin", "{site} in topics."},
    {"area", "text", "", "hall1", "{area} in topics."},
    {"line", "text", "", "press", "{line} in topics."},
});

constexpr auto kBus = std::to_array<SchemaKey>({
    {"type",
     "words modbus-tcp modbus-rtu modbus-rtu-tcp modbus-ascii modbus-ascii-tcp modbus-udp modbus-tls serial system can",
     kRequired, "modbus-tcp", "What is spoken on it, and over what."},
});

constexpr auto kPolling = std::to_array<SchemaKey>({
    {"timeout", "duration 10ms..1m", "500ms", "200ms", "From the end of a request to the answer."},
    {"retries", "integer 0..10", "1", "2", "How often a unit that answered its last poll is asked again."},
    {"offline", "object offline", "", "{after: 3, retry: 1s..60s}",
     "When a unit is offline, and how often it is tried then."},
    {"reconnect", "durations", "1s..30s", "1s..1m",
     "Pause between attempts to open the port; it grows from the first to the second. Within 100ms..1d."},
});

constexpr auto kOffline = std::to_array<SchemaKey>({
    {"after", "integer 1..1000", "3", "5", "Missed polls until a unit is offline."},
    {"retry", "durations", "1s..1m", "5s..5m",
     "Pause between two attempts to reach it; it grows from the first to the second. Within 100ms..1d."},
});

constexpr auto kTcp = std::to_array<SchemaKey>({
    {"host", "text", kRequired, "10.0.0.5", "Name or address of the peer."},
    {"port", "integer 1..65535", "502", "1502", "Its TCP port."},
    {"keepalive", "duration 0s..2h", "10s", "30s",
     "How often a silent connection is probed, in whole seconds; 0s: never."},
    {"connect_delay", "duration 0s..10s", "0s", "500ms",
     "The time the peer needs between accepting a connection and the first request."},
});

constexpr auto kConnection = std::to_array<SchemaKey>({
    {"idle_close", "duration 0s..1h", "0s", "2s",
     "The connection is closed after so long without a request, and opened for the next one; 0s: never."},
    {"standby", "object standby", "", "{host: 10.0.0.6}",
     "A second address of the same peer, used when the first does not connect or stays silent."},
});

constexpr auto kStandby = std::to_array<SchemaKey>({
    {"host", "text", kRequired, "10.0.0.6", "Name or address."},
    {"port", "integer 1..65535", "502", "1502", "TCP port. Without it that of the bus."},
});

constexpr auto kTransactions = std::to_array<SchemaKey>({
    {"pipeline", "integer 1..16", "1", "4", "How many reads may be under way at once, for a peer that can."},
    {"echoes_ids", "bool", "true", "false",
     "False for a gateway whose answers do not carry our transaction ids: then each missing answer costs the "
     "connection."},
});

constexpr auto kBusTls = std::to_array<SchemaKey>({
    {"port", "integer 1..65535", "802", "1802", "Its TCP port."},
    {"tls", "object bus-tls", kRequired, "{ca: plant.crt, cert: gw.crt, key: gw.key}",
     "Certificates of both sides (Modbus/TCP Security)."},
});

constexpr auto kBusTlsFiles = std::to_array<SchemaKey>({
    {"ca", "path", kRequired, "tls/plant.crt", "Whom to trust, PEM."},
    {"cert", "path", kRequired, "tls/gw.crt", "Our certificate, PEM."},
    {"key", "path", kRequired, "tls/gw.key", "Its key, PEM."},
    {"server_name", "text", "", "plc1.plant", "Whom the peer's certificate has to be for. Without it the host."},
});

constexpr auto kUdp = std::to_array<SchemaKey>({
    {"host", "text", kRequired, "10.0.0.5", "Name or address of the peer."},
    {"port", "integer 1..65535", "502", "1502", "Its UDP port."},
});

constexpr auto kGap = std::to_array<SchemaKey>({
    {"gap", "duration 0s..10s", "0s", "5ms", "Silence before each request; on a line never below 3.5 characters."},
});

constexpr auto kTurnaround = std::to_array<SchemaKey>({
    {"turnaround", "duration 0s..10s", "100ms", "200ms", "Silence after a broadcast."},
});

constexpr auto kRtu = std::to_array<SchemaKey>({
    {"port", "path", kRequired, "/dev/serial/by-id/usb-FTDI_FT232R_AB12-if00-port0",
     "The serial port; `ferrule ports` lists them."},
    {"line", "object line/modbus-rtu", "", "{baud: 19200, parity: even}",
     "Rate and format: 9600 8E1 unless it says otherwise."},
});

constexpr auto kAscii = std::to_array<SchemaKey>({
    {"port", "path", kRequired, "/dev/ttyUSB0", "The serial port; `ferrule ports` lists them."},
    {"line", "object line/modbus-ascii", "", "{baud: 9600}", "Rate and format: 9600 7E1 unless it says otherwise."},
});

constexpr auto kSerial = std::to_array<SchemaKey>({
    {"host", "text", "", "10.0.0.7", "Name or address of a serial server, in place of a port of this machine."},
    {"port", "integer 1..65535 | path", kRequired, "/dev/ttyUSB0",
     "The serial port of this machine; of a serial server its TCP port."},
    {"keepalive", "duration 0s..2h", "10s", "30s",
     "Serial server: how often a silent connection is probed; 0s: never."},
    {"connect_delay", "duration 0s..10s", "0s", "500ms",
     "Serial server: the time it needs between accepting a connection and the first request."},
    {"line", "object line/serial", "", "{baud: 4800}", "Rate and format: 9600 8N1 unless it says otherwise."},
});

constexpr auto kCan = std::to_array<SchemaKey>({
    {"interface", "text", kRequired, "can0",
     "The kernel's name for it; `ferrule ports` lists them. Its bit rate is set where it is brought up."},
    {"fd", "bool", "false", "false", "CAN FD is not supported: nothing but false."},
});

constexpr auto kLine = std::to_array<SchemaKey>({
    {"baud", "integer 300..4000000", "9600", "19200", "Bits per second."},
    {"parity", "words none even odd", "even", "none", "Of a bus of type serial: none unless it says otherwise."},
    {"stop_bits", "integer 1..2", "1", "2", "How many."},
});

constexpr auto kLineModbus = std::to_array<SchemaKey>({
    {"echo", "bool", "false", "true",
     "The adapter hears itself: what was sent is taken off the line first, and must be what was sent."},
    {"rs485", "object rs485", "", "{by: rts, after: 1ms}",
     "Who drives the transmitter of a two-wire line. Without it the adapter by itself."},
});

constexpr auto kLineRtu = std::to_array<SchemaKey>({
    {"data_bits", "integer 5..8", "8", "8", "Modbus RTU has 8."},
});

constexpr auto kLineAscii = std::to_array<SchemaKey>({
    {"data_bits", "integer 7..8", "7", "8", "7 or 8."},
});

constexpr auto kLineSerial = std::to_array<SchemaKey>({
    {"data_bits", "integer 5..8", "8", "7", "5 to 8."},
});

constexpr auto kLineServer = std::to_array<SchemaKey>({
    {"echo", "bool", "false", "true", "The adapter hears itself: what was sent is taken off the line first."},
});

constexpr auto kRs485 = std::to_array<SchemaKey>({
    {"by", "words kernel rts", "kernel", "rts", "The port's driver (TIOCSRS485), or Ferrule by the RTS line."},
    {"rts", "words high low", "high", "low", "The level of RTS while sending."},
    {"before", "duration 0s..100ms", "0s", "1ms", "From RTS to the first bit."},
    {"after", "duration 0s..100ms", "0s", "1ms", "From the last bit to RTS."},
});

constexpr auto kServer = std::to_array<SchemaKey>({
    {"type", "words modbus-tcp modbus-rtu", "modbus-tcp", "modbus-rtu",
     "A server on TCP, or a unit on a line whose master is somebody else."},
    {"unit_id", "integer 1..255", "1", "5", "Of the points that say nothing else. On a line at most 247."},
    {"byte_order", "words ABCD BADC CDAB DCBA", "ABCD", "CDAB",
     "Of the points that say nothing else; A is the most significant byte."},
    {"address_base", "integer 0..1", "0", "1", "1: addresses count from 1, as in some manuals."},
});

constexpr auto kServed = std::to_array<SchemaKey>({
    {"points", "list object shown", "", "[{from: meter/voltage, register: input, address: 0, type: float32}]",
     "What is shown, and where."},
    {"shares", "maps object share", "", "{line1: {units: [3, 4]}}",
     "Buses that others reach through this server; modbus-tcp only."},
});

constexpr auto kServerTcp = std::to_array<SchemaKey>({
    {"listen", "text", "", "0.0.0.0:1502", "Address and port. Without it 127.0.0.1:1502."},
    {"allow", "list text", "", "[192.168.10.0/24]",
     "Addresses and networks that may connect. Without it everybody: Modbus has no passwords."},
    {"max_connections", "integer 1..1000", "16", "4", "For one more, one that has long been silent is closed."},
    {"idle_close", "duration 0s..1d", "10m", "1m",
     "A connection without a whole request for so long is closed; 0s: never."},
});

constexpr auto kServerRtu = std::to_array<SchemaKey>({
    {"port", "path", kRequired, "/dev/ttyUSB1", "The serial port."},
    {"line", "object line/server", "", "{baud: 9600, parity: none}",
     "Rate and format: 9600 8E1 unless it says otherwise."},
});

constexpr auto kShown = std::to_array<SchemaKey>({
    {"from", "text", kRequired, "meter/voltage", "The point: its device and its name."},
    {"unit_id", "integer 1..255", "", "2", "Without it the server's."},
    {"write", "bool", "false", "true", "Masters may write it, if the point itself may be written."},
});

constexpr auto kShare = std::to_array<SchemaKey>({
    {"units", "list integer 1..255", "", "[3, 4, 9]", "Which units of the bus. Without it those of its devices."},
    {"max_age", "duration 0s..1h", "1s", "5s",
     "An answer not older than this, to whomever, is the answer again; 0s: every request goes out."},
    {"timeout", "duration 50ms..1m", "2s", "5s", "A request that could not be sent for so long is refused."},
    {"write", "bool", "false", "true", "Whether writes pass. A point's limits do not hold for them."},
});

constexpr auto kSections = std::to_array<SchemaSection>({
    {"configuration", "The file as a whole.", kFile, "", ""},
    {"gateway", "The gateway itself.", kGateway, "place", ""},
    {"http", "Where the page, the API and the metrics are served, and to whom.", kHttp, "", ""},
    {"http-user", "Somebody who may log in to the page.", kHttpUser, "", ""},
    {"http-token", "A program that may use the API.", kHttpToken, "", ""},
    {"remote", "A configuration that comes over MQTT.", kRemote, "", ""},
    {"place", "Where something stands, for topics by ISA-95. A device or its template may have its own.", kPlace, "",
     ""},
    {"bus", "A wire or a socket: one request at a time, fair to every unit on it.", kBus,
     "bus/modbus-tcp bus/modbus-rtu bus/modbus-rtu-tcp bus/modbus-ascii bus/modbus-ascii-tcp bus/modbus-udp "
     "bus/modbus-tls bus/serial bus/system bus/can",
     "type"},
    {"bus/modbus-tcp", "Modbus TCP.", {}, "tcp connection transactions polling gap", ""},
    {"bus/modbus-rtu", "Modbus RTU on a serial line.", kRtu, "polling gap turnaround", ""},
    {"bus/modbus-rtu-tcp",
     "The frames of Modbus RTU over TCP: a serial server that passes bytes on.",
     {},
     "tcp connection polling gap turnaround",
     ""},
    {"bus/modbus-ascii", "Modbus ASCII on a serial line.", kAscii, "polling gap turnaround", ""},
    {"bus/modbus-ascii-tcp", "The frames of Modbus ASCII over TCP.", {}, "tcp connection polling gap turnaround", ""},
    {"bus/modbus-udp", "The frames of Modbus TCP, each a datagram.", kUdp, "polling gap", ""},
    {"bus/modbus-tls", "Modbus/TCP Security.", kBusTls, "tcp connection transactions polling gap", ""},
    {"bus/serial", "A line, or a connection to a serial server, with sensors that are declared.", kSerial, "polling",
     ""},
    {"bus/system", "The machine itself: a bus without a wire.", {}, "", ""},
    {"bus/can", "An interface of SocketCAN.", kCan, "polling", ""},
    {"polling", "How patient a bus is.", kPolling, "", ""},
    {"offline", "What becomes of a unit that does not answer.", kOffline, "", ""},
    {"tcp", "A TCP connection.", kTcp, "", ""},
    {"connection", "How the connection is kept.", kConnection, "", ""},
    {"standby", "A second address.", kStandby, "", ""},
    {"transactions", "Modbus TCP's transaction ids.", kTransactions, "", ""},
    {"bus-tls", "Certificates of a Modbus connection.", kBusTlsFiles, "", ""},
    {"gap", "Silence between requests.", kGap, "", ""},
    {"turnaround", "Silence after a broadcast.", kTurnaround, "", ""},
    {"line", "A serial line.", kLine, "", ""},
    {"line/modbus-rtu", "A serial line with Modbus RTU.", kLineRtu, "line line/modbus", ""},
    {"line/modbus-ascii", "A serial line with Modbus ASCII.", kLineAscii, "line line/modbus", ""},
    {"line/modbus", "A serial line with Modbus.", kLineModbus, "", ""},
    {"line/serial", "A serial line with sensors.", kLineSerial, "line", ""},
    {"line/server", "A serial line with a master of somebody else's.", kLineServer, "line", ""},
    {"rs485", "A two-wire line's transmitter.", kRs485, "", ""},
    {"server", "A Modbus server.", kServer, "server/modbus-tcp server/modbus-rtu", "type"},
    {"server/modbus-tcp", "A Modbus server on TCP.", kServerTcp, "served", ""},
    {"server/modbus-rtu", "A Modbus unit on a serial line.", kServerRtu, "served", ""},
    {"served", "What a server shows.", kServed, "", ""},
    {"shown", "A point and the registers that show it.", kShown, "encoding", ""},
    {"share", "A bus that other masters reach.", kShare, "", ""},
});

}  // namespace

std::span<const SchemaSection> field_sections() { return kSections; }

}  // namespace ferrule::config
