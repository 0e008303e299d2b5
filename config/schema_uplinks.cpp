// The table of keys: `queue` and `uplinks`.
#include "config/schema.hpp"

namespace ferrule::config {

namespace {

constexpr auto kQueue = std::to_array<SchemaKey>({
    {"max_size", "size 1MB..", "512MB", "2GB", "Bytes that may wait for an uplink, with what they take on disk."},
    {"max_age", "duration 1m..3650d", "", "30d", "What is older is dropped and counted. Without it nothing is."},
    {"when_full", "words drop-oldest drop-newest reject | object policies", "drop-oldest",
     "{low: drop-oldest, high: reject}",
     "What to do with a message when the queue is full: one word, or one for each priority."},
    {"keep", "like ^1/\\S+ after \\S+$", "", "1/min after 1d", "How old telemetry is thinned out."},
    {"sync", "words always | duration 10ms..1h", "1s", "always",
     "Readings are on disk at least this often; always: each at once."},
    {"durability", "words power-loss process-crash", "power-loss", "process-crash", "What a commit survives."},
    {"backfill", "words in-order live-first | object backfill", "in-order", "{rate: 200}",
     "What goes first after an outage; a map is live-first, too."},
});

constexpr auto kPolicies = std::to_array<SchemaKey>({
    {"low", "words drop-oldest drop-newest reject", "drop-oldest", "drop-oldest", "For routes of low priority."},
    {"normal", "words drop-oldest drop-newest reject", "drop-oldest", "drop-newest", "For others."},
    {"high", "words drop-oldest drop-newest reject", "drop-oldest", "reject", "For routes of high priority."},
});

constexpr auto kBackfill = std::to_array<SchemaKey>({
    {"rate", "integer 1..1000000", "", "200", "Messages per second of what waited. Without it as fast as it goes."},
});

constexpr auto kUplink = std::to_array<SchemaKey>({
    {"url", "text | list text", kRequired, "\"mqtts://mqtt.example:8883\"",
     "The broker: mqtt, mqtts, ws or wss. Of several the next one is taken when one does not answer."},
    {"failback", "words never | duration 1s..365d", "5m", "1h",
     "Of several addresses: how long another than the first is kept before the first is looked for, and how often "
     "then; "
     "never: until it fails itself."},
    {"preset", "words aws-iot azure-iot-hub azure-event-grid emqx hivemq", "", "aws-iot",
     "A cloud whose limits are to be kept."},
    {"proxy", "text | object proxy", "", "\"http://proxy:3128\"", "What leads to the cloud."},
    {"tls", "object uplink-tls", "", "{ca: system}", "Whom to trust, and who we are."},
    {"client_id", "text", "", "plant1", "Without it the gateway's id."},
    {"username", "text", "", "plant1", "For the login."},
    {"password", "secret", "", "!file secrets/hq", "For the login: best !file, !credential or !env."},
    {"password_file", "path", "", "secrets/token",
     "In its place a file that is read for each connection: a token that changes."},
    {"sas", "object sas", "", "{key: !file secrets/sas}",
     "In its place passwords for Azure that Ferrule makes itself."},
    {"mqtt", "words 5 3.1.1", "5", "3.1.1", "The version to ask for."},
    {"client", "words ferrule paho", "ferrule", "paho", "What speaks MQTT with the cloud."},
    {"keep_alive", "duration 5s..18h12m15s", "30s", "1m", "The longest silence towards the cloud."},
    {"session_expiry", "duration 1m..49710d6h28m14s", "7d", "1d", "How long the cloud keeps our session."},
    {"window", "integer 1..10000", "100", "20", "Messages in flight at once."},
    {"ack_timeout", "duration 5s..1d", "1m", "30s", "A cloud that acknowledges nothing for so long is left."},
    {"rate", "integer 1..1000000", "", "200", "Messages per second. Without it any."},
    {"byte_rate", "size 1KiB..4294967295B", "", "512KB", "Bytes per second. Without it any."},
    {"max_packet", "size 1KiB..4294967295B", "", "128KiB",
     "What is larger is set aside. Without it what the cloud says."},
    {"max_qos", "integer 0..2", "2", "1", "What has a higher QoS is sent with this."},
    {"retain", "bool", "true", "false", "Whether the cloud takes retained publications."},
    {"reconnect", "durations", "1s..1m", "5s..5m",
     "Pause between two attempts; it grows from the first to the second. At least 100ms."},
    {"status_topic", "text", "", "plant1/status",
     "Topic of a retained {\"state\":\"online\",...}, and of offline as the will."},
    {"sparkplug", "object edge-node", "", "{group: plants, node: plant1}",
     "It is the session of a Sparkplug B edge node."},
    {"out", "list object out", "", "[{from: \"plant1/#\", to: \"sites/{topic}\", qos: 1}]",
     "What goes to the cloud; the first route that matches is taken."},
    {"in", "list object in", "", "[{from: \"sites/plant1/+/+/set\", to: \"{topic:1..}\"}]",
     "What comes from the cloud."},
    {"missed_commands", "words drop keep", "drop", "keep",
     "What becomes of what the cloud kept for `in` while the gateway was off."},
    {"queue", "object queue", "", "{max_age: 7d}", "What is to be different from the section `queue`."},
});

constexpr auto kSas = std::to_array<SchemaKey>({
    {"key", "secret", kRequired, "!file secrets/sas", "Base64, as Azure shows it."},
    {"resource", "text", "", "hub1.azure-devices.net/devices/plant1", "Without it the device of that name at the hub."},
    {"policy", "text", "", "device", "Of the key; a device's own has none."},
    {"lifetime", "duration 1m..365d", "1h", "1d", "Of a password."},
});

constexpr auto kUplinkTls = std::to_array<SchemaKey>({
    {"ca", "path", "system", "/etc/ferrule/tls/hq-ca.pem", "Whom to trust, PEM; system: the machine's own list."},
    {"cert", "path", "", "/etc/ferrule/tls/hq.crt", "Who we are, PEM, with what leads to its issuer."},
    {"key", "path", "", "/etc/ferrule/tls/hq.key", "Its key, PEM."},
    {"alpn", "list text", "", "[x-amzn-mqtt-ca]", "Protocols to offer, the most wanted first."},
});

constexpr auto kProxy = std::to_array<SchemaKey>({
    {"url", "text", kRequired, "\"socks5://proxy:1080\"", "http or socks5."},
    {"username", "text", "", "plant1", "At most 255 bytes."},
    {"password", "secret", "", "!file secrets/proxy", "At most 255 bytes."},
});

constexpr auto kEdgeNode = std::to_array<SchemaKey>({
    {"group", "text", kRequired, "plants", "The group id: a level of its topics."},
    {"node", "text", "", "plant1", "The edge node id. Without it the gateway's id."},
    {"primary_host", "text", "", "scada", "The host that has to be there: without it everything waits in the queue."},
});

constexpr auto kOut = std::to_array<SchemaKey>({
    {"from", "text", kRequired, "\"plant1/#\"", "A filter of local topics."},
    {"to", "text", "\"{topic}\"", "\"sites/{topic}\"",
     "The topic at the cloud; {topic:1..} leaves out the first level."},
    {"qos", "integer 0..2", "", "1", "In place of the publication's own. QoS 0 is never queued."},
    {"retain", "bool", "true", "false", "False: the cloud does not retain it."},
    {"compress", "words none gzip zstd", "none", "zstd", "Payloads that become smaller by it."},
    {"batch", "object batch", "", "{max_size: 64KB, wait: 1s}", "Many become one message."},
    {"format", "words json raw json-device influx", "", "influx", "Readings in another format than everybody gets."},
    {"payload", "text", "", "\"{point} is {value}\"", "Readings in a format of your own."},
    {"priority", "words low normal high", "normal", "high", "What matters when not all can be kept."},
});

constexpr auto kIn = std::to_array<SchemaKey>({
    {"from", "text", kRequired, "\"sites/plant1/+/+/set\"", "A filter of topics at the cloud."},
    {"to", "text", "\"{topic}\"", "\"{topic:1..}\"", "The local topic; {topic:1..} leaves out the first level."},
    {"qos", "integer 0..2", "1", "0", "At most."},
    {"max_age", "duration 100ms..", "", "30s",
     "How long a command is worth something after it came. Without it as its sender said."},
});

constexpr auto kBatch = std::to_array<SchemaKey>({
    {"max_size", "size 1KB..100MB", "64KB", "128KB", "Bytes."},
    {"wait", "duration 0s..1m", "1s", "5s", "At most, from the first on."},
});

constexpr auto kSections = std::to_array<SchemaSection>({
    {"queue", "What waits on disk for an uplink.", kQueue, "", ""},
    {"policies", "What to do when the queue is full, by priority.", kPolicies, "", ""},
    {"backfill", "Live messages first, and what waited beside them.", kBackfill, "", ""},
    {"uplink", "A cloud.", kUplink, "", ""},
    {"sas", "Passwords for Azure.", kSas, "", ""},
    {"uplink-tls", "TLS towards a cloud.", kUplinkTls, "", ""},
    {"proxy", "What leads to the cloud.", kProxy, "", ""},
    {"edge-node", "A Sparkplug B edge node.", kEdgeNode, "", ""},
    {"out", "A route to the cloud.", kOut, "", ""},
    {"in", "A route from the cloud.", kIn, "", ""},
    {"batch", "Many publications as one message.", kBatch, "", ""},
});

}  // namespace

std::span<const SchemaSection> uplink_sections() { return kSections; }

}  // namespace ferrule::config
