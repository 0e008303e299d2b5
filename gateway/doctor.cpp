#include "gateway/doctor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>

#include "bridge/endpoint.hpp"
#include "drivers/can/link_state.hpp"
#include "drivers/can/port.hpp"
#include "gateway/control_client.hpp"
#include "gateway/wall_clock.hpp"
#include "mqtt/listening_socket.hpp"
#include "mqtt/openssl_ptr.hpp"

namespace ferrule::gateway {

namespace {

constexpr int kConnectMilliseconds = 3000;
constexpr std::int64_t kExpiresSoon = 30;          // days
constexpr std::uint64_t kLittleSpace = 100 << 20;  // bytes

using Findings = std::vector<Finding>;

void good(Findings& found, std::string what, std::string detail) {
  found.push_back({false, std::move(what), std::move(detail), {}});
}
void bad(Findings& found, std::string what, std::string detail, std::string mend) {
  found.push_back({true, std::move(what), std::move(detail), std::move(mend)});
}

/// The parent of what is not there yet.
std::filesystem::path existing(std::filesystem::path path) {
  while (!std::filesystem::exists(path) && path.has_relative_path()) path = path.parent_path();
  return path;
}

void look_at_disk(Findings& found, const Settings& settings) {
  const auto& directory = settings.state_dir;
  const auto what = fmt::format("state directory {}", directory.string());
  if (::access(existing(directory).c_str(), W_OK | X_OK) != 0) {
    bad(found, what, fmt::format("cannot be written: {}", std::strerror(errno)),
        fmt::format("sudo install -d -o ferrule -g ferrule -m 0750 {}", directory.string()));
  } else {
    good(found, what, "can be written");
  }
  struct statvfs space {};
  if (::statvfs(existing(directory).c_str(), &space) != 0) return;
  const auto free = std::uint64_t{space.f_bavail} * space.f_frsize;
  std::uint64_t wanted = kLittleSpace;
  for (const auto& uplink : settings.uplinks) wanted += uplink.queue.max_size;
  const auto text = fmt::format("{} MB free, the queues may take {} MB", free >> 20, wanted >> 20);
  if (free < wanted) {
    bad(found, "disk", text,
        fmt::format("du -xh --max-depth=2 / | sort -h | tail; or lower queue.max_size ({})", directory.string()));
  } else {
    good(found, "disk", text);
  }
}

void look_at_clock(Findings& found, const Settings& settings) {
  if (clock_is_set(ClockTrust::Synchronized, std::chrono::system_clock::now())) {
    return good(found, "clock", "set, and kept right");
  }
  if (clock_is_set(ClockTrust::Plausible, std::chrono::system_clock::now()) &&
      settings.clock == ClockTrust::Plausible) {
    return good(found, "clock", "plausible; nothing keeps it right (timedatectl set-ntp true would)");
  }
  bad(found, "clock", "not set: readings are uncertain, certificates seem not yet valid",
      "sudo timedatectl set-ntp true");
}

void look_at_certificate(Findings& found, const std::filesystem::path& file, std::set<std::string>& seen) {
  if (file.empty() || !seen.insert(file.string()).second) return;
  const auto what = fmt::format("certificate {}", file.string());
  const auto days = days_left(file, std::time(nullptr));
  const auto show = fmt::format("openssl x509 -in {} -noout -subject -dates", file.string());
  if (!days) return bad(found, what, "cannot be read", fmt::format("ls -l {}; {}", file.string(), show));
  if (*days < 0) return bad(found, what, fmt::format("expired {} days ago", -*days), show);
  if (*days < kExpiresSoon) return bad(found, what, fmt::format("expires in {} days", *days), show);
  good(found, what, fmt::format("valid for {} days", *days));
}

void look_at_key(Findings& found, const std::filesystem::path& file) {
  if (file.empty()) return;
  const auto what = fmt::format("key {}", file.string());
  struct stat status {};
  if (::access(file.c_str(), R_OK) != 0 || ::stat(file.c_str(), &status) != 0) {
    return bad(found, what, fmt::format("cannot be read: {}", std::strerror(errno)),
               fmt::format("sudo chown root:ferrule {0}; sudo chmod 0640 {0}", file.string()));
  }
  if ((status.st_mode & S_IROTH) != 0) {
    return bad(found, what, "everybody may read it", fmt::format("sudo chmod o= {}", file.string()));
  }
  good(found, what, "can be read, by few");
}

void look_at_certificates(Findings& found, const Settings& settings) {
  std::set<std::string> seen;
  for (const auto& listen : settings.broker.listen) {
    if (!listen.tls) continue;
    auto pairs = listen.tls->sni;
    pairs.push_back(listen.tls->certificate);
    for (const auto& pair : pairs) {
      look_at_certificate(found, pair.cert, seen);
      look_at_key(found, pair.key);
    }
    look_at_certificate(found, listen.tls->ca, seen);
  }
  for (const auto& uplink : settings.uplinks) {
    look_at_certificate(found, uplink.tls.ca, seen);
    look_at_certificate(found, uplink.tls.cert, seen);
    look_at_key(found, uplink.tls.key);
    look_at_key(found, uplink.password_file);
  }
}

void look_at_serial_ports(Findings& found, const Settings& settings) {
  for (const auto& bus : settings.buses) {
    if (bus.path.empty()) continue;
    const auto what = fmt::format("bus {}: {}", bus.name, bus.path);
    if (::access(bus.path.c_str(), F_OK) != 0) {
      bad(found, what, "is not there", "ferrule ports");
    } else if (::access(bus.path.c_str(), R_OK | W_OK) != 0) {
      bad(found, what, "this user may not use it", "sudo usermod -aG dialout $USER; log in again");
    } else {
      good(found, what, "is there");
    }
  }
}

void look_at_can_interfaces(Findings& found, const Settings& settings) {
  for (const auto& bus : settings.buses) {
    const bool rehearsal = bus.interface.starts_with(drivers::can::CanRehearsal::kPrefix);
    if (bus.interface.empty() || rehearsal) continue;
    const auto what = fmt::format("bus {}: {}", bus.name, bus.interface);
    const auto link = drivers::can::link_state(bus.interface);
    if (!link) {
      bad(found, what, "is not there", "ip -details link; ferrule ports");
    } else if (!link->up) {
      bad(found, what, "is down", fmt::format("sudo ip link set {} up type can bitrate 250000", bus.interface));
    } else if (link->state && *link->state != drivers::can::ControllerState::Active) {
      bad(found, what, drivers::can::trouble_of(*link->state),
          fmt::format("ip -details -statistics link show {}", bus.interface));
    } else {
      good(found, what, link->bitrate > 0 ? fmt::format("up, {} bit/s", link->bitrate) : "up");
    }
  }
}

/// Why the address takes no connection; empty when it does.
std::string try_address(const addrinfo& address) {
  const int descriptor = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return std::strerror(errno);
  int error = ::connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  pollfd waiting{.fd = descriptor, .events = POLLOUT, .revents = 0};
  if (error == EINPROGRESS) {
    socklen_t size = sizeof error;
    if (::poll(&waiting, 1, kConnectMilliseconds) != 1) {
      error = ETIMEDOUT;
    } else {
      ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  ::close(descriptor);
  return error == 0 ? std::string() : std::strerror(error);
}

/// The same of a host: as the gateway does, it tries one address after the other.
std::string try_connect(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list); error != 0) {
    return ::gai_strerror(error);
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(list, ::freeaddrinfo);
  return why_unreachable(*list);
}

void look_at_peer(Findings& found, const std::string& what, const std::string& host, std::uint16_t port) {
  const auto why = try_connect(host, port);
  if (why.empty()) return good(found, what, fmt::format("{}:{} accepts connections", host, port));
  bad(found, what, fmt::format("{}:{}: {}", host, port, why),
      fmt::format("getent hosts {0}; ip route get {0}; nc -vz {0} {1}", host, port));
}

void look_at_network(Findings& found, const Settings& settings, bool running) {
  for (const auto& uplink : settings.uplinks) {
    if (uplink.proxy) {
      look_at_peer(found, fmt::format("uplink {}: proxy", uplink.name), uplink.proxy->server.host,
                   uplink.proxy->server.port);
      continue;
    }
    for (const auto& url : uplink.urls) {
      if (const auto endpoint = bridge::parse_url(url)) {
        look_at_peer(found, fmt::format("uplink {}", uplink.name), endpoint->host, endpoint->port);
      }
    }
  }
  if (running) return;  // its own: a second connection may be one too many for a device
  for (const auto& bus : settings.buses) {
    if (!bus.host.empty()) look_at_peer(found, fmt::format("bus {}", bus.name), bus.host, bus.port);
  }
  for (auto listen : settings.broker.listen) {
    if (!listen.systemd.empty() || !listen.unix_path.empty()) continue;
    const auto what = fmt::format("listener {}:{}", listen.bind, listen.port);
    try {
      ::close(mqtt::open_listening(listen));
      good(found, what, "is free");
    } catch (const config::Error& error) {
      bad(found, what, error.mistakes().front().message, fmt::format("sudo ss -ltnp 'sport = :{}'", listen.port));
    }
  }
}

/// Whether it runs; what it says is wrong.
bool look_at_gateway(Findings& found, const std::filesystem::path& socket) {
  auto client = ControlClient::connect(socket);
  if (!client) {
    if (client.error().code == "not-permitted")
      bad(found, "gateway", client.error().message, "sudo usermod -aG ferrule $USER");
    return client.error().code == "not-permitted";
  }
  const auto status = client->call({{"command", "status"}});
  if (!status) {
    bad(found, "gateway", status.error().message, "sudo systemctl restart ferrule");
    return true;
  }
  for (const auto& problem : status->value("problems", nlohmann::json::array())) {
    bad(found, "gateway", problem.get<std::string>(), "ferrule status; ferrule events");
  }
  if (status->value("problems", nlohmann::json::array()).empty()) good(found, "gateway", "runs, all is well");
  return true;
}

int print(const Findings& found) {
  int wrong = 0;
  for (const auto& finding : found) {
    fmt::print("{} {}: {}\n", finding.bad ? "BAD " : "ok  ", finding.what, finding.detail);
    if (finding.bad) fmt::print("       {}\n", finding.mend);
    wrong += finding.bad ? 1 : 0;
  }
  fmt::print("{}\n", wrong == 0 ? "nothing is wrong" : fmt::format("{} found wrong", wrong));
  return wrong == 0 ? EX_OK : 1;
}

}  // namespace

std::optional<std::int64_t> days_left(const std::filesystem::path& certificate, std::time_t now) {
  const mqtt::OpensslPtr<BIO, BIO_free_all> file(BIO_new_file(certificate.c_str(), "r"));
  if (file == nullptr) return std::nullopt;
  const mqtt::OpensslPtr<X509, X509_free> read(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
  if (read == nullptr) return std::nullopt;
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(read.get()), &end) != 1) return std::nullopt;
  return std::chrono::floor<std::chrono::days>(std::chrono::seconds(::timegm(&end) - now)).count();
}

std::string why_unreachable(const addrinfo& addresses) {
  std::string first;
  for (const auto* address = &addresses; address != nullptr; address = address->ai_next) {
    auto why = try_address(*address);
    if (why.empty()) return {};
    if (first.empty()) first = std::move(why);
  }
  return first;
}

int doctor(const DoctorOptions& options) {
  Findings found;
  std::optional<Settings> settings;
  try {
    settings = load_settings(options.file);
    good(found, "configuration", options.file.string());
  } catch (const config::Error& error) {
    bad(found, "configuration", error.mistakes().front().text(),
        fmt::format("ferrule check {}", options.file.string()));
    return print(found);
  }
  // A service has its socket elsewhere than the same configuration says outside of it.
  const bool by_hand = ::access(settings->control.c_str(), F_OK) == 0;
  const auto socket = by_hand ? settings->control : default_control_socket();
  const bool running = look_at_gateway(found, options.socket.empty() ? socket : options.socket);
  look_at_disk(found, *settings);
  look_at_clock(found, *settings);
  look_at_serial_ports(found, *settings);
  look_at_can_interfaces(found, *settings);
  look_at_certificates(found, *settings);
  look_at_network(found, *settings, running);
  return print(found);
}

}  // namespace ferrule::gateway
