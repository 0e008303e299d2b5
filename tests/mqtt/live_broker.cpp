#include "live_broker.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "wire_text.hpp"

namespace ferrule::mqtt::testing {

using namespace std::chrono_literals;

const char* const kConnect = "10 [ ('MQTT') 04 02 0000 ('a') ]";

ListenSettings on(const std::string& bind, std::uint16_t port) {
  ListenSettings settings;
  settings.bind = bind;
  settings.port = port;
  settings.where = {"ferrule.yaml", 7, 12};
  return settings;
}

namespace {

/// Made once, gone with the process.
struct CertificateDirectory {
  std::string path = (std::filesystem::temp_directory_path() / "ferrule-certificates-XXXXXX").string();
  CertificateDirectory() {
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    const std::string make = FERRULE_SOURCE_DIR "/tests/certificates/make.sh '" + path + "' >/dev/null 2>&1";
    if (std::system(make.c_str()) != 0) ADD_FAILURE() << "needs the openssl program: " << make;
  }
  ~CertificateDirectory() { std::filesystem::remove_all(path); }
};

/// Remembers the identity at the first byte.
class Noting final : public Transport, private Sink {
 public:
  Noting(std::unique_ptr<Transport> below, PeerIdentity& last) : below_(std::move(below)), last_(last) {}
  void start(Sink& sink) override {
    sink_ = &sink;
    below_->start(*this);
  }
  std::size_t write(std::span<const iovec> buffers) override { return below_->write(buffers); }
  void pause_reading(bool pause) override { below_->pause_reading(pause); }
  void close() override { below_->close(); }
  std::string peer() const override { return below_->peer(); }
  PeerIdentity identity() const override { return below_->identity(); }

 private:
  void on_data(std::string_view bytes) override {
    last_ = identity();
    sink_->on_data(bytes);
  }
  void on_writable() override { sink_->on_writable(); }
  void on_closed(std::string_view cause) override { sink_->on_closed(cause); }
  std::unique_ptr<Transport> below_;
  PeerIdentity& last_;
  Sink* sink_ = nullptr;
};

int connected(const sockaddr* address, socklen_t size, int family, int receive_buffer) {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer != 0) ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  EXPECT_EQ(::connect(descriptor, address, size), 0) << std::strerror(errno);
  return descriptor;
}

}  // namespace

const std::string& certificates() {
  static const CertificateDirectory directory;
  return directory.path;
}

TlsSettings tls_of(const std::string& certificate, ClientCertificate wanted) {
  TlsSettings tls;
  tls.certificate.cert = certificates() + "/" + certificate + ".crt";
  tls.certificate.key = certificates() + "/" + certificate + ".key";
  tls.client_certificate = wanted;
  if (wanted != ClientCertificate::None) tls.ca = certificates() + "/ca.crt";
  return tls;
}

LiveBroker::LiveBroker(ListenSettings listen, BrokerSettings settings) : broker_(std::move(settings), clock_) {
  listener_ = std::make_unique<Listener>(loop_, listen, 3, [this](std::unique_ptr<Transport> transport) {
    broker_.accept(std::make_unique<Noting>(std::move(transport), last_));
  });
  broker_.on_needs_flush([this] { loop_.post([this] { broker_.flush(); }); });
  loop_.every(50ms, [this] { broker_.tick(); });
  thread_ = std::thread([this] { loop_.run(); });
}

LiveBroker::~LiveBroker() {
  loop_.stop();
  thread_.join();
}

ListenerCounters LiveBroker::counters() {
  return ask([this](Broker&) { return listener_->counters(); });
}

PeerIdentity LiveBroker::last_identity() {
  return ask([this](Broker&) { return last_; });
}

void LiveBroker::reload_certificates() {
  ask([this](Broker&) {
    listener_->reload_certificates();
    return true;
  });
}

SocketClient::SocketClient(std::uint16_t port, int receive_buffer) : descriptor_(-1) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  descriptor_ = connected(reinterpret_cast<sockaddr*>(&address), sizeof address, AF_INET, receive_buffer);
}

SocketClient::SocketClient(const std::string& unix_path) : descriptor_(-1) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, unix_path.data(), unix_path.size());
  descriptor_ = connected(reinterpret_cast<sockaddr*>(&address), sizeof address, AF_UNIX, 0);
}

SocketClient::~SocketClient() { ::close(descriptor_); }

void SocketClient::send(std::string_view packets) { send_bytes(wire(packets)); }

void SocketClient::send_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(n, 0);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void SocketClient::expect(std::string_view packets) {
  const std::string expected = wire(packets);
  EXPECT_EQ(hex(receive(expected.size())), hex(expected));
}

std::string SocketClient::receive(std::size_t n) {
  std::string bytes(n, '\0');
  std::size_t got = 0;
  while (got < n && readable()) {
    const ssize_t more = ::recv(descriptor_, bytes.data() + got, n - got, 0);
    if (more <= 0) break;
    got += static_cast<std::size_t>(more);
  }
  bytes.resize(got);
  return bytes;
}

std::string SocketClient::receive_all() {
  std::string all;
  for (;;) {
    const auto more = receive(1);
    if (more.empty()) return all;
    all += more;
  }
}

bool SocketClient::ended() {
  char byte = 0;
  return readable() && ::recv(descriptor_, &byte, 1, 0) == 0;
}

bool SocketClient::readable() {
  pollfd wait{descriptor_, POLLIN, 0};
  return ::poll(&wait, 1, 10'000) == 1;
}

}  // namespace ferrule::mqtt::testing
