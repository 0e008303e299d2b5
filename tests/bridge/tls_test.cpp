// Uplinks over TLS, against mosquitto.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "tests/bridge/certificates.hpp"
#include "tests/bridge/link_fixture.hpp"
#include "tests/bridge/mosquitto.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::Qos;
using mqtt::Reason;
using testing::Certificates;
using ::testing::HasSubstr;
using testing::Mosquitto;

constexpr auto kHere = "DNS:localhost,IP:127.0.0.1";

class TlsTest : public ::testing::Test, public testing::LinkFixture {
 protected:
  void SetUp() override {
    if (!testing::have_mosquitto()) GTEST_SKIP() << "mosquitto is not installed";
    settings_.tls.ca = ca_.ca();
  }
  void TearDown() override { link_.reset(); }

  std::filesystem::path file(const std::string& name) const { return directory_.path() / name; }
  /// A cloud that shows the certificate `server`.
  void start_cloud(const std::string& extra = {}) {
    cloud_ = std::make_unique<Mosquitto>(directory_.path(), "certfile " + file("server.pem").string() + "\nkeyfile " +
                                                                file("server.key").string() + "\n" + extra);
  }
  std::string url(const std::string& host = "localhost") const {
    return "mqtts://" + host + ":" + std::to_string(cloud_->port());
  }
  /// Why there is no connection to such a cloud.
  std::string refusal(const std::string& host = "localhost") {
    make_link(url(host));
    return connect() ? "connected" : cause_.value_or("");
  }

  Certificates ca_{directory_.path()};
  std::unique_ptr<Mosquitto> cloud_;
};

TEST_F(TlsTest, CarriesMessagesOfEverySize) {
  ca_.issue("server", kHere);
  start_cloud();
  make_link(url());
  ASSERT_TRUE(connect()) << cause_.value_or("");
  constexpr Seq kCount = 60;
  for (Seq seq = 1; seq <= kCount; ++seq) {
    send(seq, std::string(seq * seq * 50, 'x'), seq % 2 == 0 ? Qos::ExactlyOnce : Qos::AtLeastOnce);
  }
  ASSERT_TRUE(settle(kCount));
  for (const auto& [seq, reason] : settled_) EXPECT_FALSE(is_error(reason)) << seq;
}

TEST_F(TlsTest, TakesAnAddressForANameWhenTheCertificateSaysSo) {
  ca_.issue("server", kHere);
  start_cloud("tls_version tlsv1.2");
  EXPECT_EQ(refusal("127.0.0.1"), "connected");
}

// FAULTS 22
TEST_F(TlsTest, SaysWhatIsWrongWithTheCertificate) {
  ca_.issue("server", kHere, -5, -2);
  start_cloud();
  EXPECT_THAT(refusal(), HasSubstr("has expired"));
  ca_.issue("server", kHere, 2, 5);
  cloud_.reset();
  start_cloud();
  EXPECT_THAT(refusal(), HasSubstr("is valid from "));
  ca_.issue("server", "DNS:elsewhere.example,DNS:*.elsewhere.example");
  cloud_.reset();
  start_cloud();
  EXPECT_THAT(refusal(), HasSubstr("is for elsewhere.example, *.elsewhere.example, not for localhost"));
  Certificates(directory_.path(), "other").issue("server", kHere);
  cloud_.reset();
  start_cloud();
  EXPECT_THAT(refusal(), HasSubstr("comes from a CA that is not in " + ca_.ca().string()));
  settings_.tls.ca.clear();
  EXPECT_THAT(refusal(), HasSubstr("comes from a CA that is not in the machine's list"));
}

// FAULTS 22
TEST_F(TlsTest, ARenewedCertificateCountsFromTheNextConnectionOn) {
  Certificates other(directory_.path(), "other");
  other.issue("server", kHere);
  start_cloud();
  EXPECT_THAT(refusal(), HasSubstr("comes from a CA"));
  std::filesystem::copy_file(other.ca(), ca_.ca(), std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(connect()) << cause_.value_or("");
}

TEST_F(TlsTest, ShowsItsOwnCertificateToACloudThatWantsOne) {
  ca_.issue("server", kHere);
  ca_.issue("gw", "DNS:gw");
  Certificates(directory_.path(), "other").issue("stranger", "DNS:gw");
  start_cloud("require_certificate true\ncafile " + ca_.ca().string());
  // TLS 1.3 tells it after the handshake, and the connection may be gone before it is read.
  const auto refused = ::testing::AnyOf(HasSubstr("TLS: "), HasSubstr("another certificate of ours"));
  EXPECT_THAT(refusal(), refused);
  settings_.tls.cert = file("stranger.pem"), settings_.tls.key = file("stranger.key");
  EXPECT_THAT(refusal(), refused);
  settings_.tls.cert = file("gw.pem"), settings_.tls.key = file("gw.key");
  EXPECT_EQ(refusal(), "connected");
}

TEST_F(TlsTest, SaysWhichFileIsOfNoUse) {
  ca_.issue("server", kHere);
  ca_.issue("gw", "DNS:gw");
  start_cloud();
  settings_.tls.cert = file("gw.pem"), settings_.tls.key = file("server.key");
  EXPECT_THAT(refusal(), HasSubstr("cannot use the key " + file("server.key").string()));
  settings_.tls.cert = file("none.pem");
  EXPECT_THAT(refusal(), HasSubstr("cannot read the certificate " + file("none.pem").string()));
  settings_.tls.ca = file("none.pem");
  EXPECT_THAT(refusal(), HasSubstr("cannot read the CA file " + file("none.pem").string()));
}

TEST_F(TlsTest, SaysThatThePortSpeaksNoTls) {
  cloud_ = std::make_unique<Mosquitto>(directory_.path());
  EXPECT_THAT(refusal(), HasSubstr("is this a port for TLS?"));
}

TEST_F(TlsTest, OffersItsProtocolsAndTheNameItLooksFor) {
  const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(listening, reinterpret_cast<sockaddr*>(&address), size);
  listen(listening, 1);
  getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  auto hello = std::async(std::launch::async, [listening] {
    const int connection = accept(listening, nullptr, nullptr);
    std::string bytes(4096, '\0');
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(recv(connection, bytes.data(), bytes.size(), 0), 0)));
    ::close(connection);
    return bytes;
  });
  settings_.tls.alpn = {"x-amzn-mqtt-ca", "mqtt"};
  make_link("mqtts://localhost:" + std::to_string(ntohs(address.sin_port)));
  EXPECT_FALSE(connect());
  const auto bytes = hello.get();
  ::close(listening);
  EXPECT_THAT(bytes, HasSubstr("\x0ex-amzn-mqtt-ca\x04mqtt"));
  EXPECT_THAT(bytes, HasSubstr("localhost"));
}

TEST_F(TlsTest, TheNextServerIsTakenWhenOneIsGone) {
  ca_.issue("server", kHere);
  start_cloud();
  make_link(url());
  settings_.urls = {"mqtt://127.0.0.1:1", "mqtt://no-such-host.invalid", url()};
  link_ = new_link(state_);
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_EQ(limits_.server, "localhost:" + std::to_string(cloud_->port()));
  cloud_->stop();
  cause_.reset();
  ASSERT_TRUE(lose());
  EXPECT_FALSE(connect());
  EXPECT_THAT(cause_.value_or(""), HasSubstr("127.0.0.1:1: Connection refused"));
  EXPECT_THAT(cause_.value_or(""), HasSubstr("cannot resolve no-such-host.invalid"));
  cloud_->start();
  EXPECT_TRUE(connect()) << cause_.value_or("");
}

}  // namespace
}  // namespace ferrule::bridge
