// The `broker` section of the configuration as plain structs.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/node.hpp"
#include "mqtt/access_settings.hpp"
#include "mqtt/address.hpp"
#include "mqtt/memory.hpp"

namespace ferrule::mqtt {

/// A server certificate with its key, both PEM; the certificate's file holds the chain below the root too.
struct CertificateSettings {
  std::string cert, key;  ///< files
  config::Location cert_where, key_where;
};

enum class ClientCertificate : std::uint8_t { None, Optional, Required };
/// Which part of a client's certificate is PeerCertificate::identity.
enum class CertificateIdentity : std::uint8_t { CommonName, SanDns, SanEmail, SanUri, Subject };

struct TlsSettings {
  CertificateSettings certificate;
  std::vector<CertificateSettings> sni;  ///< instead of it, for clients that ask for a name which one of these bears
  std::string ca;                        ///< file with the roots that client certificates are verified against
  std::string crl;                       ///< file with revocation lists, one for every CA of a chain; or empty
  config::Location ca_where, crl_where;
  ClientCertificate client_certificate = ClientCertificate::None;
  CertificateIdentity identity = CertificateIdentity::CommonName;
  bool only_tls13 = false;
};

enum class Protocol : std::uint8_t { Mqtt, WebSocket };

/// One place where clients come in: a TCP address, a Unix socket, or a socket that systemd opened.
struct ListenSettings {
  std::string name;  ///< for log lines and `$SYS`; empty: its address
  std::string bind = "127.0.0.1";
  std::uint16_t port = 1883;  ///< 0: any free port
  bool dual_stack = false;    ///< `bind: "::"` takes IPv4 too
  std::string unix_path;      ///< instead of `bind` and `port`
  std::uint32_t mode = 0660;  ///< of the Unix socket
  std::string systemd;        ///< instead of both: the FileDescriptorName= of a socket unit
  Protocol protocol = Protocol::Mqtt;
  std::string path;                  ///< of the WebSocket; empty: any
  std::vector<std::string> origins;  ///< of pages that may open it, e.g. "https://hmi.plant"; empty: any
  std::optional<TlsSettings> tls;
  /// Networks ("10.0.0.0/8") from which connections begin with a PROXY v2 header, and nobody else comes; empty: none
  /// do.
  std::vector<Network> proxies;
  std::size_t max_connections = 0;  ///< at once; 0: as many as the broker takes
  config::Location where;
  std::string setting = "broker.listen";  ///< what asks for the listener, for errors
};

/// Where it listens, as it was configured: "127.0.0.1:1883", "/run/ferrule/mqtt.sock", a socket unit's name.
std::string place(const ListenSettings& settings);
/// Its name; without one its place.
std::string label(const ListenSettings& settings);

/// What gives way when a session's queue is full. Each drop is counted.
enum class WhenFull : std::uint8_t {
  DropNewest,
  DropOldest,
  Disconnect,  ///< DISCONNECT (0x97) to a client that is there, so that it notices; for one that is away: drop newest
};

/// What survives a restart, and where.
struct PersistenceSettings {
  bool on = true;
  bool asked = false;                        ///< by the configuration
  std::filesystem::path path = "broker.db";  ///< relative to the state directory
  /// What no client waits for is on disk this long after it happened, unless it is over by then.
  std::chrono::milliseconds sync{1000};
  config::Location where;
};

struct BrokerSettings {
  std::vector<ListenSettings> listen;
  PersistenceSettings persistence;
  std::size_t max_connections = 10000;           ///< clients; one more is told so in its CONNACK
  std::size_t max_sessions = 100'000;            ///< that outlast their connections, and those that are there
  std::size_t max_half_open = 1000;              ///< connections without CONNECT; beyond, the oldest gives way
  std::size_t max_packet_size = 1 << 20;         ///< bytes of a packet from a client; it names its own towards it
  std::size_t max_packet_before_connect = 4096;  ///< bytes
  std::chrono::milliseconds connect_timeout{10000};
  std::uint16_t receive_maximum = 1024;     ///< QoS 1/2 publishes a client may have unacknowledged towards us
  std::uint16_t max_inflight = 1024;        ///< and we towards a client; its own Receive Maximum may be lower
  std::size_t max_queued = 10000;           ///< publications per session
  std::size_t max_queued_bytes = 64 << 20;  ///< per session
  WhenFull when_full = WhenFull::DropNewest;
  std::size_t max_output_bytes = 4 << 20;      ///< unsent bytes per connection; above, QoS 0 is dropped and counted
  std::size_t max_retained = 100000;           ///< topics, besides those of $SYS
  std::size_t max_retained_bytes = 256 << 20;  ///< payloads, properties and topics
  std::size_t max_subscriptions = 1000;        ///< per session
  std::chrono::seconds max_session_expiry{7 * 24 * 3600};
  std::chrono::seconds max_keep_alive{0};  ///< told MQTT 5 clients that ask for a longer one or none; 0: any will do
  std::uint16_t topic_alias_maximum = 32;  ///< a client may use towards us
  std::uint16_t topic_aliases_sent = 16;   ///< and we towards a client, if it takes as many
  std::uint32_t publish_rate = 0;          ///< PUBLISH packets per second and client, as many at once; 0: any
  std::size_t max_memory = 0;              ///< heap of the whole process, in bytes; 0: any
  std::size_t (*memory_in_use)() = heap_in_use;  ///< what max_memory is compared with
  bool check_payload_format = false;             ///< refuse payloads that are said to be UTF-8 and are not
  std::string server_reference;                  ///< where MQTT 5 clients are sent when we are full or shut down
  std::chrono::seconds sys_interval{10};         ///< between two rounds of `$SYS`; 0: none
  bool sparkplug_certificates = true;            ///< keep Sparkplug births at `$sparkplug/certificates/...`
  bool sparkplug_death_time = false;             ///< give an NDEATH the time of its delivery
  AccessSettings access;
};

/// Reads the `broker` section; without one, the broker listens on 127.0.0.1:1883. Who may do what is read by
/// `read_access`.
///   broker:
///     listen:
///       - {port: 1883, bind: 127.0.0.1, name: hmi, max_connections: 50}
///       - port: 8883
///         tls: {cert: gw.crt, key: gw.key, ca: clients.crt, crl: clients.crl, client_certificate: required,
///               identity: common-name, min_version: 1.2, sni: [{cert: other.crt, key: other.key}]}
///       - {port: 8083, protocol: websocket, path: /mqtt, origins: ["https://hmi.plant"]}
///       - {unix: /run/ferrule/mqtt.sock, mode: 0660}
///       - {systemd: mqtt}
///       - {port: 1884, proxy_protocol: [10.0.0.2]}
///     persistence: {path: broker.db, sync: 1s}    # or false
///     limits: {connections: 10000, packet_size: 1MiB, connect_timeout: 10s, receive_maximum: 1024, inflight: 1024,
///              queued: 10000, queued_size: 64MiB, output_size: 4MiB, retained: 100000, retained_size: 256MiB,
///              subscriptions: 1000, session_expiry: 7d, keep_alive: 1h, topic_aliases: 32, topic_aliases_sent: 16,
///              half_open: 1000, publish_rate: 100, memory: 512MiB}
///     when_full: drop-newest | drop-oldest | disconnect
///     server_reference: "standby.example:1883"
///     check_payload_format: true
///     sys_interval: 10s
///     sparkplug: {certificates: true, death_time: false}
BrokerSettings read_broker(const config::Node& section);

}  // namespace ferrule::mqtt
