// The table of keys: `broker`.
#include "config/schema.hpp"

namespace ferrule::config {

namespace {

constexpr auto kBroker = std::to_array<SchemaKey>({
    {"listen", "list object listener", "", "[{port: 1883}, {port: 8883, tls: {cert: gw.crt, key: gw.key}}]",
     "Where clients come in. Without it 127.0.0.1:1883."},
    {"password_file", "path", "", "users", "A file of users and password hashes; `ferrule passwd` makes it."},
    {"users", "maps object user", "", "{hmi: {password: !file secrets/hmi, subscribe: [\"plant1/#\"]}}",
     "Who may log in, by name. Without users and rules whoever is let in may do everything."},
    {"clients", "maps object rules", "", "{press4: {publish: [\"press4/#\"]}}",
     "Rights by client id, besides the user's."},
    {"everyone", "object rules", "", "{subscribe: [\"clients/%c/#\"]}",
     "Rights of whoever is logged in, besides the user's."},
    {"anonymous", "object rules", "", "{subscribe: [\"plant1/#\"]}", "Rights of clients that name no user."},
    {"limits", "object limits", "", "{connections: 500, memory: 256MiB}", "What clients can take of this machine."},
    {"when_full", "words drop-newest drop-oldest disconnect", "drop-newest", "drop-oldest",
     "What gives way when a session's queue is full."},
    {"persistence", "bool | object persistence", "true", "{path: broker.db, sync: 1s}",
     "What survives a restart: sessions, their queues, retained publications."},
    {"server_reference", "text", "", "standby.example:1883",
     "Where MQTT 5 clients are sent when the broker is full or shuts down."},
    {"check_payload_format", "bool", "false", "true", "Refuse payloads that are said to be UTF-8 and are not."},
    {"sys_interval", "duration 0s..1d", "10s", "1m", "Between two rounds of $SYS; 0s: none."},
    {"sparkplug", "object sparkplug", "", "{death_time: true}", "What a Sparkplug Aware MQTT Server does."},
});

constexpr auto kListener = std::to_array<SchemaKey>({
    {"name", "text", "", "hmi", "For the log and $SYS. Without it its address."},
    {"port", "integer 0..65535", "1883", "8883",
     "TCP port; 0: a free one. With TLS 8883, of WebSocket 8083 or 8884 unless it is given."},
    {"bind", "text", "127.0.0.1", "0.0.0.0", "The address it listens on."},
    {"dual_stack", "bool", "false", "true", "With bind \"::\": IPv4 too."},
    {"unix", "path", "", "/run/ferrule/mqtt.sock", "A Unix socket, in place of an address."},
    {"mode", "like ^(0o?)?[0-7]{1,3}$ | integer", "", "0660", "Of the Unix socket, in octal. Without it 0660."},
    {"systemd", "text", "", "mqtt", "The FileDescriptorName= of a socket that systemd opened, in place of an address."},
    {"protocol", "words mqtt websocket", "mqtt", "websocket", "What is spoken there."},
    {"path", "text", "", "/mqtt", "Of the WebSocket. Without it any."},
    {"origins", "list text", "", "[\"https://hmi.plant\"]", "Pages that may open the WebSocket. Without it any."},
    {"tls", "object listener-tls", "", "{cert: tls/gw.crt, key: tls/gw.key}", "Files of its TLS."},
    {"proxy_protocol", "list text", "", "[10.0.0.2]",
     "Proxies that may connect, and nobody else; each connection begins with a PROXY v2 header."},
    {"max_connections", "integer 1..1000000", "", "50", "At once. Without it as many as the broker takes."},
    {"anonymous", "bool", "", "true",
     "Whether clients that name no user are let in. Without it only on loopback, while there are no users."},
    {"certificate_login", "bool", "", "true",
     "Whether a client certificate's identity is a user's name. Without it where client certificates are asked for."},
    {"users", "list text", "", "[hmi]", "Who may come in here. Without it every user."},
});

constexpr auto kListenerTls = std::to_array<SchemaKey>({
    {"ca", "path", "", "tls/clients.crt", "The roots that client certificates are verified against."},
    {"crl", "path", "", "tls/clients.crl", "Revocation lists, one for every CA of a chain."},
    {"client_certificate", "words none optional required", "", "optional",
     "With `ca` required, else none, unless it is given."},
    {"identity", "words common-name san-dns san-email san-uri subject", "common-name", "san-dns",
     "The part of a client's certificate that says who it is."},
    {"min_version", "words 1.2 1.3", "1.2", "1.3", "The oldest TLS that is spoken."},
    {"sni", "list object certificate", "", "[{cert: other.crt, key: other.key}]",
     "Further certificates: a client gets the first that bears the name it asks for."},
});

constexpr auto kCertificate = std::to_array<SchemaKey>({
    {"cert", "path", kRequired, "tls/gw.crt", "PEM, with the chain below the root."},
    {"key", "path", kRequired, "tls/gw.key", "Its key, PEM."},
});

constexpr auto kUser = std::to_array<SchemaKey>({
    {"password", "secret", "", "!file secrets/hmi", "Its password: best !file, !credential or !env."},
    {"password_hash", "secret", "", "!file secrets/hmi.hash",
     "In place of the password what `ferrule passwd` makes of it."},
});

constexpr auto kRules = std::to_array<SchemaKey>({
    {"subscribe", "list text", "", "[\"plant1/#\", \"!plant1/pay/#\"]",
     "Topic filters that may be subscribed to; ! forbids; %u is the user, %c the client id."},
    {"publish", "list text", "", "[\"plant1/+/+/set\"]",
     "Topic filters that may be published to; ! forbids; %u is the user, %c the client id."},
});

constexpr auto kLimits = std::to_array<SchemaKey>({
    {"connections", "integer 1..1000000", "10000", "500", "Clients at once."},
    {"sessions", "integer 1..100000000", "100000", "1000",
     "Sessions that outlast their connections, and those that are there."},
    {"half_open", "integer 1..1000000", "1000", "100",
     "Connections that have not said who they are; beyond, the oldest gives way."},
    {"connect_timeout", "duration 1s..1h", "10s", "5s", "From the first byte to the CONNECT."},
    {"packet_size", "size 1KiB..268435460B", "1MiB", "64KiB", "Bytes of a packet from a client."},
    {"receive_maximum", "integer 1..65535", "1024", "100",
     "QoS 1 and 2 publications that a client may have unacknowledged."},
    {"inflight", "integer 1..65535", "1024", "100", "The same towards a client."},
    {"queued", "integer 0..100000000", "10000", "1000", "Publications that wait for a session."},
    {"queued_size", "size", "64MiB", "16MiB", "Their bytes."},
    {"output_size", "size 64KiB..", "4MiB", "1MiB", "Unsent bytes of a connection; above, QoS 0 is dropped."},
    {"subscriptions", "integer 1..10000000", "1000", "100", "Of a session."},
    {"retained", "integer 0..100000000", "100000", "10000", "Retained publications."},
    {"retained_size", "size", "256MiB", "64MiB", "Their bytes."},
    {"publish_rate", "integer 0..1000000", "0", "1000", "Publications per second and client; 0: any."},
    {"memory", "size", "0B", "256MiB", "Heap of the whole process, above which nothing new is taken; 0: any."},
    {"session_expiry", "duration 0s..3650d", "7d", "1d",
     "The longest that a session may be kept for a client that is away."},
    {"keep_alive", "duration 0s..18h12m15s", "0s", "1h", "The longest that a client may be silent; 0s: any."},
    {"topic_aliases", "integer 0..65535", "32", "0", "That a client may use."},
    {"topic_aliases_sent", "integer 0..256", "16", "0", "That are used towards a client."},
    {"failed_logins", "integer 1..1000", "5", "3",
     "Failed logins after which an address or a user is shut out for a while."},
    {"ban", "durations", "1s..5m", "10s..1h", "How long; it grows from the first to the second."},
    {"logins_waiting", "integer 1..10000", "64", "16", "Logins that wait for their password to be checked."},
});

constexpr auto kPersistence = std::to_array<SchemaKey>({
    {"path", "path", "broker.db", "broker.db", "In the state directory."},
    {"sync", "duration 0s..1m", "1s", "10s", "What no client waits for is on disk so long after it happened."},
});

constexpr auto kSparkplug = std::to_array<SchemaKey>({
    {"certificates", "bool", "true", "false", "Keep births, retained, at $sparkplug/certificates/."},
    {"death_time", "bool", "false", "true", "Give an NDEATH the time of its delivery."},
});

constexpr auto kSections = std::to_array<SchemaSection>({
    {"broker", "The MQTT broker.", kBroker, "", ""},
    {"listener", "A place where clients come in.", kListener, "", ""},
    {"listener-tls", "TLS of a listener.", kListenerTls, "certificate", ""},
    {"certificate", "A certificate and its key.", kCertificate, "", ""},
    {"user", "Somebody who may log in.", kUser, "rules", ""},
    {"rules", "What somebody may do. Of several rules the most precise one counts.", kRules, "", ""},
    {"limits", "What clients can take of this machine; what is beyond is refused and counted.", kLimits, "", ""},
    {"persistence", "What survives a restart, and where.", kPersistence, "", ""},
    {"sparkplug", "Sparkplug.", kSparkplug, "", ""},
});

}  // namespace

std::span<const SchemaSection> broker_sections() { return kSections; }

}  // namespace ferrule::config
