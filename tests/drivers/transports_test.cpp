// Byte-exact peers for the transports beside RTU lines and plain TCP: ASCII, UDP, TLS, a second address, peers without
// transaction ids, lines that echo, transmitters that want RTS.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/serial.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "drivers/modbus/client.hpp"
#include "drivers/serial_port.hpp"
#include "drivers/tcp_port.hpp"
#include "drivers/tls_port.hpp"
#include "drivers/udp_port.hpp"
#include "fake_slave.hpp"
#include "scripted_peer.hpp"

namespace {

/// What a pseudo-terminal does not have and these tests need: RTS and RS-485. Nothing: as the kernel says.
struct Transmitter {
  std::string log;
  serial_rs485 rs485{};
};
Transmitter* transmitter = nullptr;

}  // namespace

extern "C" int ioctl(int descriptor, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (transmitter != nullptr) {
    switch (request) {
      case TIOCMBIS:
        transmitter->log += "+";
        return 0;
      case TIOCMBIC:
        transmitter->log += "-";
        return 0;
      case TIOCSRS485:
        transmitter->rs485 = *static_cast<serial_rs485*>(argument);
        return 0;
      default:
        break;
    }
  }
  return static_cast<int>(::syscall(SYS_ioctl, descriptor, request, argument));
}

namespace ferrule::drivers::modbus {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr Request kTwo{1, Table::Holding, 0, 2};

Bytes text(std::string_view characters) { return {characters.begin(), characters.end()}; }

std::string hex(std::string_view characters) { return to_hex(text(characters)); }

std::string outcome(Client& client, const Request& request = kTwo) {
  const auto answer = client.read(request);
  if (!answer) return "[" + std::string(name(answer.error().failure)) + "] " + answer.error().detail;
  return to_hex(Bytes(answer->begin(), answer->end()));
}

class AsciiTest : public ::testing::Test {
 protected:
  StopSignal stop;
  PairPort port{stop};
  ScriptedPeer peer{port.peer};
  std::unique_ptr<Client> client = [this] {
    auto made = make_ascii_client(port, stop, {500ms, 0ns, 1us});
    EXPECT_TRUE(made->opened());
    return made;
  }();
};

// The LRC of the example in Modbus over serial line V1.02 6.2.1 is made the same way.
TEST_F(AsciiTest, SendsAndTakesLinesOfHexadecimalDigitsWithAnLrc) {
  peer.expect(hex(":010300000002FA\r\n")).reply(text(":010304002AFFFED1\r\n"));
  peer.expect(hex(":010600010003F5\r\n")).reply(text(":010600010003F5\r\n"));
  peer.expect(hex(":010300000002FA\r\n")).reply(text(":0183027A\r\n"));
  peer.start();
  EXPECT_EQ(outcome(*client), "00 2a ff fe");
  EXPECT_TRUE(client->write(1, from_hex("06 00 01 00 03")));
  EXPECT_EQ(outcome(*client), "[point-rejected] exception 02 (illegal data address)");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(AsciiTest, TakesAnAnswerInSingleBytesAndAfterNoise) {
  peer.expect(hex(":010300000002FA\r\n")).reply_in_single_bytes(text(":010304002AFFFED1\r\n"));
  peer.expect(hex(":010300000002FA\r\n")).reply(text("\x01~:010304002AFFFED1\r\n"));
  peer.start();
  EXPECT_EQ(outcome(*client), "00 2a ff fe");
  EXPECT_EQ(outcome(*client), "00 2a ff fe");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(AsciiTest, RefusesAWrongLrcAndWhatIsNoHexadecimalDigit) {
  peer.expect(hex(":010300000002FA\r\n")).reply(text(":010304002AFFFED2\r\n"));
  peer.start();
  EXPECT_EQ(outcome(*client), "[bad-reply] no ASCII frame, or a wrong LRC");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(AsciiTest, NeverTakesALateAnswerForANewOne) {
  peer.expect(hex(":010300000002FA\r\n"));
  peer.expect(hex(":010300000001FB\r\n"))
      .reply(text(":010304DEADDEADE2\r\n:01030200"
                  "07F3\r\n"));
  peer.expect(hex(":010300000002FA\r\n"))
      .reply(text(":010304000700"
                  "08E9\r\n"));
  peer.start();
  EXPECT_EQ(outcome(*client), "[timeout] no answer");
  EXPECT_EQ(outcome(*client), "00 07 00 08");
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 32
TEST(EchoingLine, HasItsEchoTakenOffBeforeTheAnswer) {
  StopSignal stop;
  PairPort port(stop);
  const auto client = make_rtu_client(port, stop, {500ms, 2ms, 1us, 100ms, true});
  ASSERT_TRUE(client->opened());
  ScriptedPeer peer(port.peer);
  peer.expect("01 03 00 00 00 02 c4 0b").reply("01 03 00 00 00 02 c4 0b").reply(with_crc("01 03 04 00 2a ff fe"));
  peer.expect("01 03 00 00 00 02 c4 0b").reply("01 03 00 00 00 02 c4 0f");  // a collision
  peer.start();
  EXPECT_EQ(outcome(*client), "00 2a ff fe");
  EXPECT_EQ(outcome(*client), "[bad-reply] the line does not echo what was sent");
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 32
TEST(EchoingLine, GivesNoValueWhenNobodySaidThatItEchoes) {
  StopSignal stop;
  PairPort port(stop);
  const auto client = make_rtu_client(port, stop, {500ms, 2ms, 1us});
  ASSERT_TRUE(client->opened());
  ScriptedPeer peer(port.peer);
  // The echo of this request has the length and the function of its answer.
  peer.expect("01 06 00 01 00 03 98 0b").reply("01 06 00 01 00 03 98 0b");
  peer.expect("01 03 00 00 00 02 c4 0b").reply("01 03 00 00 00 02 c4 0b").reply(with_crc("01 03 04 00 2a ff fe"));
  peer.start();
  EXPECT_TRUE(client->write(1, from_hex("06 00 01 00 03"))) << "cannot be told from its confirmation";
  EXPECT_EQ(outcome(*client).substr(0, 11), "[bad-reply]");
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 32
TEST(LeadingZero, IsNotTakenForABroadcastOrAnAnswer) {
  StopSignal stop;
  PairPort port(stop);
  const auto client = make_rtu_client(port, stop, {500ms, 2ms, 1us});
  ASSERT_TRUE(client->opened());
  ScriptedPeer peer(port.peer);
  auto glued = with_crc("01 03 04 00 2a ff fe");
  glued.insert(glued.begin(), 0);
  peer.expect("01 03 00 00 00 02 c4 0b").reply(glued);
  peer.start();
  EXPECT_EQ(outcome(*client).substr(0, 11), "[bad-reply]");
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 29
class SilentAboutIds : public ::testing::Test {
 protected:
  StopSignal stop;
  PairPort port{stop};
  ScriptedPeer peer{port.peer};
  std::unique_ptr<Client> client = make_tcp_client(port, stop, {500ms, 0ns, 0ns}, Ids::Ignored);
};

TEST_F(SilentAboutIds, IsBelievedWhenTheConfigurationSaysSo) {
  ASSERT_TRUE(client->opened());
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02").reply("00 00 00 00 00 07 01 03 04 00 2a ff fe");
  peer.expect("00 02 00 00 00 06 01 03 00 00 00 02").reply("00 00 00 00 00 07 01 03 04 00 2b ff fe");
  peer.start();
  EXPECT_EQ(outcome(*client), "00 2a ff fe");
  EXPECT_EQ(outcome(*client), "00 2b ff fe");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(SilentAboutIds, LosesItsConnectionWithEveryAnswerThatCouldStillCome) {
  ASSERT_TRUE(client->opened());
  EXPECT_EQ(outcome(*client), "[timeout] no answer");
  EXPECT_FALSE(port.is_open());
}

TEST_F(SilentAboutIds, IsNotBelievedWhenAnotherUnitAnswers) {
  ASSERT_TRUE(client->opened());
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02").reply("00 00 00 00 00 07 02 03 04 00 2a ff fe");
  peer.start();
  EXPECT_EQ(outcome(*client), "[bad-reply] answer from unit 2");
  EXPECT_FALSE(port.is_open());
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(SilentAboutIds, CannotAnswerWhatWasNotAskedYet) {
  ASSERT_TRUE(client->opened());
  const auto early = from_hex("00 00 00 00 00 07 01 03 04 de ad de ad");
  ASSERT_EQ(::send(port.peer, early.data(), early.size(), 0), std::ssize(early));
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02").reply("00 00 00 00 00 07 01 03 04 00 2a ff fe");
  peer.start();
  EXPECT_EQ(outcome(*client), "00 2a ff fe");
  EXPECT_EQ(peer.finish(), "");
}

/// A UDP socket on a free port of the loopback.
struct UdpPeer {
  UdpPeer() : descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(descriptor, generic, size), 0);
    EXPECT_EQ(::getsockname(descriptor, generic, &size), 0);
    port = ntohs(address.sin_port);
  }
  ~UdpPeer() { ::close(descriptor); }
  UdpPeer(const UdpPeer&) = delete;
  UdpPeer& operator=(const UdpPeer&) = delete;

  /// Waits for a request and answers it with these datagrams.
  std::string answer(std::initializer_list<std::string_view> datagrams) const {
    Bytes request(300);
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto* generic = reinterpret_cast<sockaddr*>(&from);
    const auto got = ::recvfrom(descriptor, request.data(), request.size(), 0, generic, &size);
    request.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    for (const auto datagram : datagrams) {
      const auto bytes = from_hex(datagram);
      ::sendto(descriptor, bytes.data(), bytes.size(), 0, generic, size);
    }
    return to_hex(request);
  }

  int descriptor;
  std::uint16_t port = 0;
};

TEST(UdpPort, TakesEachDatagramForAFrameAndSkipsWhatIsNone) {
  StopSignal stop;
  const UdpPeer peer;
  UdpPort port("127.0.0.1", peer.port, stop);
  ASSERT_TRUE(port.open(steady_clock::now() + 2s));
  const auto client = make_tcp_client(port, stop, {5s, 0ns, 0ns});
  ASSERT_TRUE(client->opened());
  std::string asked;
  std::thread device([&] {
    asked = peer.answer({"00 01 00", "ff ff ff ff ff ff ff", "00 07 00 00 00 07 01 03 04 de ad de ad",
                         "00 01 00 00 00 07 01 03 04 00 2a ff fe 00", "00 01 00 00 00 07 01 03 04 00 2a ff fe"});
  });
  EXPECT_EQ(outcome(*client), "00 2a ff fe");
  device.join();
  EXPECT_EQ(asked, "00 01 00 00 00 06 01 03 00 00 00 02");
  std::thread again([&] { asked = peer.answer({"00 02 00 00 00 07 01 03 04 00 2b ff fe"}); });
  EXPECT_EQ(outcome(*client), "00 2b ff fe");
  again.join();
}

// FAULTS 34
TEST(TcpPort, GoesToItsStandbyAddressWhenTheFirstDoesNotConnectOrAnswer) {
  StopSignal stop;
  const TcpSlave silent([](const Asked&) -> std::optional<Bytes> { return std::nullopt; });
  const TcpSlave standby(answer_addresses);
  TcpPort dead("127.0.0.1", 1, stop, {10s, 0ms, "127.0.0.1", standby.port()});
  ASSERT_TRUE(dead.open(steady_clock::now() + 5s));
  EXPECT_EQ(dead.name(), "127.0.0.1:" + std::to_string(standby.port()));
  dead.close();  // the slave serves one connection after the other

  TcpPort port("127.0.0.1", silent.port(), stop, {10s, 0ms, "127.0.0.1", standby.port()});
  const auto client = make_tcp_client(port, stop, {500ms, 0ns, 0ns});
  ASSERT_TRUE(port.open(steady_clock::now() + 5s));
  ASSERT_TRUE(client->opened());
  while (port.is_open()) EXPECT_EQ(outcome(*client), "[timeout] no answer");
  ASSERT_TRUE(port.open(steady_clock::now() + 5s));
  ASSERT_TRUE(client->opened());
  EXPECT_EQ(outcome(*client), "00 00 00 01");
}

/// OpenSSL's own server, for one connection.
class TlsServer {
 public:
  TlsServer(const std::filesystem::path& certificates, const std::string& name)
      : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free),
        listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    SSL_CTX_use_certificate_chain_file(context_.get(), (certificates / (name + ".crt")).c_str());
    SSL_CTX_use_PrivateKey_file(context_.get(), (certificates / (name + ".key")).c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_load_verify_locations(context_.get(), (certificates / "ca.crt").c_str(), nullptr);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, generic, size) | ::listen(listener_, 1) | ::getsockname(listener_, generic, &size), 0);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  std::uint16_t port = 0;

 private:
  /// Answers each request of twelve bytes with two registers, the answer torn into two records.
  void serve() {
    const int connection = ::accept(listener_, nullptr, nullptr);
    if (connection < 0) return;
    const std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context_.get()), SSL_free);
    SSL_set_fd(ssl.get(), connection);
    Bytes request(12);
    if (SSL_accept(ssl.get()) == 1) {
      while (SSL_read(ssl.get(), request.data(), 12) == 12) {
        const Bytes answer{request[0], request[1], 0, 0, 0, 7, request[6], 3, 4, 0, 0x2a, 0xff, 0xfe};
        SSL_write(ssl.get(), answer.data(), 5);
        SSL_write(ssl.get(), answer.data() + 5, 8);
      }
    }
    ::close(connection);
  }

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  int listener_;
  std::thread thread_;
};

class TlsPortTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string path = testing::TempDir() + "ferrule-tls-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    certificates = path;
    const auto make = FERRULE_SOURCE_DIR "/tests/certificates/make.sh '" + path + "' >/dev/null 2>&1";
    ASSERT_EQ(std::system(make.c_str()), 0);
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL's server above writes to a peer that may be gone
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(certificates); }

  static TlsSettings files(const std::string& name) {
    return {certificates / "ca.crt", certificates / (name + ".crt"), certificates / (name + ".key"), ""};
  }
  /// What becomes of a read over a connection with that certificate to a server with that one.
  static std::string reading(const std::string& server_name, const TlsSettings& settings) {
    StopSignal stop;
    const TlsServer server(certificates, server_name);
    TlsPort port("localhost", server.port, stop, {}, settings);
    if (auto opened = port.open(steady_clock::now() + 10s); !opened) return opened.error().detail;
    const auto client = make_tcp_client(port, stop, {10s, 0ns, 0ns});
    EXPECT_TRUE(client->opened());
    auto result = outcome(*client);
    if (result == "00 2a ff fe") result = outcome(*client);
    return result;
  }

  static inline std::filesystem::path certificates;
};

TEST_F(TlsPortTest, CarriesAnswersThatComeInSeveralRecords) {
  EXPECT_EQ(reading("server", files("client")), "00 2a ff fe");
}

TEST_F(TlsPortTest, RefusesADeviceWithTheWrongNameOrIssuerOrAnExpiredCertificate) {
  EXPECT_NE(reading("other", files("client")).find("its certificate: hostname mismatch"), std::string::npos);
  EXPECT_NE(reading("expired", files("client")).find("its certificate: certificate has expired"), std::string::npos);
  EXPECT_NE(reading("stranger", files("client")).find("its certificate: self"), std::string::npos);
}

TEST_F(TlsPortTest, TakesTheNameThatItIsToldForTheHosts) {
  auto settings = files("client");
  settings.server_name = "other.plant";
  EXPECT_EQ(reading("other", settings), "00 2a ff fe");
}

TEST_F(TlsPortTest, GetsNothingWithACertificateThatTheDeviceDoesNotTrustAndSaysWhichFileIsMissing) {
  // In TLS 1.3 the device refuses us when we have begun to ask; its alert may be overtaken by the end of the
  // connection.
  EXPECT_EQ(reading("server", files("stranger")).substr(0, 11), "[port-lost]");
  auto settings = files("client");
  settings.key = "/nowhere/client.key";
  EXPECT_NE(reading("server", settings).find("cannot use the key /nowhere/client.key"), std::string::npos);
}

/// A pseudo-terminal whose other end echoes nothing.
struct Line {
  Line() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    EXPECT_EQ(::grantpt(master) | ::unlockpt(master), 0);
    std::array<char, 64> name{};
    EXPECT_EQ(::ptsname_r(master, name.data(), name.size()), 0);
    path = name.data();
  }
  ~Line() { ::close(master); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  int master;
  std::string path;
};

class Rs485Test : public ::testing::Test {
 protected:
  void SetUp() override { transmitter = &recorded; }
  void TearDown() override { transmitter = nullptr; }
  Transmitter recorded;
  StopSignal stop;
  Line line;
};

TEST_F(Rs485Test, TellsTheKernelHowToDriveTheTransmitter) {
  LineSettings settings;
  settings.rs485 = {Rs485Settings::By::Kernel, false, 2ms, 3ms};
  SerialPort port(line.path, settings, stop);
  ASSERT_TRUE(port.open({}));
  EXPECT_EQ(recorded.rs485.flags, SER_RS485_ENABLED | SER_RS485_RTS_AFTER_SEND);
  EXPECT_EQ(recorded.rs485.delay_rts_before_send, 2u);
  EXPECT_EQ(recorded.rs485.delay_rts_after_send, 3u);
  port.begin_send();
  port.end_send();
  EXPECT_EQ(recorded.log, "") << "the kernel does it";
}

TEST_F(Rs485Test, DrivesRtsAroundEachRequestWhenToldTo) {
  LineSettings settings;
  settings.rs485 = {Rs485Settings::By::Rts, true, 5ms, 5ms};
  SerialPort port(line.path, settings, stop);
  ASSERT_TRUE(port.open({}));
  EXPECT_EQ(recorded.log, "-");
  const auto client = make_rtu_client(port, stop, {20ms, 2ms, 1us});
  ASSERT_TRUE(client->opened());
  const auto began = steady_clock::now();
  EXPECT_EQ(outcome(*client), "[timeout] no answer");
  EXPECT_GE(steady_clock::now() - began, 30ms);
  EXPECT_EQ(recorded.log, "-+-");
}

TEST_F(Rs485Test, SaysThatAPortCannotDoIt) {
  transmitter = nullptr;
  LineSettings settings;
  settings.rs485.emplace();
  SerialPort port(line.path, settings, stop);
  const auto opened = port.open({});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().detail.find("cannot open " + line.path + ": its driver does not do RS-485"), 0u);
}

}  // namespace
}  // namespace ferrule::drivers::modbus
