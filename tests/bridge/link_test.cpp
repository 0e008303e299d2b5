// What every link must do, whichever client it is made of.
#include "bridge/link.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "mqtt/properties.hpp"
#include "tests/bridge/clients.hpp"
#include "tests/bridge/link_fixture.hpp"
#include "tests/bridge/mosquitto.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::Qos;
using mqtt::Reason;
using testing::Desk;
using testing::Directory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryState;
using testing::Mosquitto;
using ::testing::Pair;
using testing::Subscriber;

/// Listens on a free port; what comes of it is the test's.
class Server {
 public:
  Server() : listening_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(listening_, reinterpret_cast<sockaddr*>(&address), size);
    listen(listening_, 8);
    getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Server() {
    stop();
    ::close(listening_);
  }
  void stop() {
    shutdown(listening_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
  }
  /// Answers the first packet of each connection with `answer`, then closes it.
  void answer(std::string answer) {
    thread_ = std::thread([this, answer = std::move(answer)] {
      for (int connection; (connection = accept(listening_, nullptr, nullptr)) >= 0; ::close(connection)) {
        char buffer[1024];
        const auto size = recv(connection, buffer, sizeof buffer, 0);
        if (size > 8) versions.push_back(buffer[8]);  // 10 len 00 04 M Q T T level
        if (!answer.empty()) send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
      }
    });
  }
  /// An MQTT 5 broker that knows the session, with a Receive Maximum of 7, and refuses every message with `reason`.
  void refuse(int reason) {
    thread_ = std::thread([this, reason] {
      for (int connection; (connection = accept(listening_, nullptr, nullptr)) >= 0; ::close(connection)) {
        std::string received;
        char buffer[1024];
        for (ssize_t size; (size = recv(connection, buffer, sizeof buffer, 0)) > 0;) {
          received.append(buffer, static_cast<std::size_t>(size));
          while (received.size() >= 2 && received.size() >= 2U + static_cast<unsigned char>(received[1])) {
            const auto answer = answer_to(received.substr(0, 2U + static_cast<unsigned char>(received[1])), reason);
            ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
            received.erase(0, 2U + static_cast<unsigned char>(received[1]));
          }
        }
      }
    });
  }
  std::string url() const { return "mqtt://127.0.0.1:" + std::to_string(port_); }
  std::vector<int> versions;  // that were asked for; read it when the server has stopped

 private:
  /// To a packet of less than 128 bytes: CONNACK to CONNECT, PUBACK or PUBREC with the reason to PUBLISH.
  static std::string answer_to(const std::string& packet, int reason) {
    const auto type = static_cast<unsigned char>(packet[0]) >> 4;
    if (type == 1) return std::string("\x20\x06\x01\x00\x03\x21\x00\x07", 8);
    if (type != 3) return {};
    const auto id = 4U + static_cast<unsigned char>(packet[3]);  // behind the topic
    const bool qos2 = (packet[0] & 0x04) != 0;
    return std::string(qos2 ? "\x50\x03" : "\x40\x03") + packet.substr(id, 2) + static_cast<char>(reason);
  }

  const int listening_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

/// A disk that takes its time.
class HeldState final : public LinkState {
 public:
  void write(std::vector<InFlight>, Written written) override { written({}); }
  void clear() override {
    asked.set_value();
    let_go.get_future().wait();
  }
  std::vector<InFlight> restore() override { return {}; }

  std::promise<void> asked, let_go;
};

class LinkTest : public ::testing::TestWithParam<Client>, public testing::LinkFixture {
 protected:
  void SetUp() override {
    if (!testing::have_mosquitto()) GTEST_SKIP() << "mosquitto is not installed";
    settings_.client = GetParam();
  }
  void TearDown() override { link_.reset(); }
};

TEST_P(LinkTest, CarriesEveryQosToTheCloudInOrder) {
  Mosquitto cloud(directory_.path());
  Subscriber subscriber(cloud, directory_.path(), "#");
  make_link(cloud.url());
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_FALSE(present_);
  send(0, "zero", Qos::AtMostOnce);
  send(1, "one", Qos::AtLeastOnce, "a/1");
  send(2, "two", Qos::ExactlyOnce);
  send(3, "", Qos::ExactlyOnce);
  ASSERT_TRUE(settle(3));
  EXPECT_THAT(subscriber.payloads(4), ElementsAre("zero", "one", "two", ""));
  EXPECT_EQ(subscriber.messages()[1].topic, "a/1");
  EXPECT_TRUE(state_.restore().empty());
  for (const auto& [seq, reason] : settled_) EXPECT_EQ(reason, Reason::Success) << seq;
}

TEST_P(LinkTest, CarriesPropertiesRetainAndAnIdByWhichARepetitionIsKnown) {
  Mosquitto cloud(directory_.path());
  Subscriber subscriber(cloud, directory_.path(), "#", 5);
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  retain_ = true;
  expires_ = std::chrono::steady_clock::now() + 1h;
  mqtt::PropertyBuilder builder;
  builder.add(mqtt::PropertyId::PayloadFormatIndicator, 1)
      .add(mqtt::PropertyId::ContentType, "text")
      .add_user("unit", "V");
  properties_ = builder.encoded();
  send(42, "p", Qos::AtLeastOnce);
  subscriber.payloads(1);
  const auto messages = subscriber.messages();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_THAT(messages[0].user_properties, HasSubstr("unit:V"));
  EXPECT_THAT(messages[0].user_properties, HasSubstr("ferrule-id:gw-42"));
}

TEST_P(LinkTest, SpeaksMqtt311) {
  Mosquitto cloud(directory_.path());
  Subscriber subscriber(cloud, directory_.path(), "#");
  settings_.mqtt_version = 4;
  make_link(cloud.url());
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_EQ(limits_.mqtt_version, 4);
  send(1, "one", Qos::AtLeastOnce);
  send(2, "two", Qos::ExactlyOnce);
  ASSERT_TRUE(settle(2));
  EXPECT_THAT(subscriber.payloads(2), ElementsAre("one", "two"));
}

TEST_P(LinkTest, TakesWhatItSubscribedTo) {
  Mosquitto cloud(directory_.path());
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  link_->subscribe("commands/#", Qos::ExactlyOnce);
  Desk other_desk;
  MemoryState other_state;
  settings_.client_id = "other";
  const auto other = new_link(other_state);
  other->connect();
  ASSERT_TRUE(desk_.run_until([this] { return connected_; }));
  auto made = std::make_shared<mqtt::Publication>();
  made->payload = "on";
  for (Seq seq = 1; seq <= 20 && arrived_.empty(); ++seq) {
    other->send(seq, made, "commands/pump", Qos::ExactlyOnce);
    desk_.run_until([&] { return !arrived_.empty(); }, 500ms);
  }
  ASSERT_FALSE(arrived_.empty());
  EXPECT_EQ(arrived_.front(), "on");
}

TEST_P(LinkTest, SaysWhatTheServerAnnounced) {
  Mosquitto cloud(directory_.path(), "max_packet_size 5000\nretain_available false\nmax_qos 1");
  make_link(cloud.url());
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_EQ(limits_.maximum_packet_size, 5000U);
  EXPECT_EQ(limits_.maximum_qos, Qos::AtLeastOnce);
  EXPECT_FALSE(limits_.retain_available);
  retain_ = true;
  send(1, "p", Qos::AtLeastOnce);
  ASSERT_TRUE(settle(1));
}

TEST_P(LinkTest, SaysWhyTheCloudRefusedAMessage) {
  Server server;
  server.refuse(0x97);
  make_link(server.url());
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_EQ(limits_.receive_maximum, 7);
  send(1, "p", Qos::AtLeastOnce);
  send(2, "p", Qos::ExactlyOnce);
  ASSERT_TRUE(settle(2));
  EXPECT_EQ(settled_[1], Reason::QuotaExceeded);
  EXPECT_EQ(settled_[2], Reason::QuotaExceeded);
  EXPECT_THAT(state_.ended(), ElementsAre(Pair(2, false)));
  link_.reset();
}

TEST_P(LinkTest, AResumedMessageThatIsRefusedIsToBeSentAnew) {
  Mosquitto cloud(directory_.path());
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  cloud.pause(true);
  send(2, "p", Qos::ExactlyOnce);
  ASSERT_TRUE(wait_for_records(1));
  cloud.kill();
  link_.reset();
  Server server;
  server.refuse(0x87);
  make_link(server.url());
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_TRUE(present_);
  ASSERT_TRUE(settle(1));
  if (GetParam() == Client::Ferrule) {
    EXPECT_EQ(settled_[2], Reason::NotAuthorized);
    return link_.reset();
  }
  EXPECT_EQ(settled_[2], Reason::UnspecifiedError);  // Paho does not tell the reason
  send(2, "p", Qos::ExactlyOnce);
  ASSERT_TRUE(desk_.run_until([&] { return settled_[2] == Reason::NotAuthorized; }));
  link_.reset();
}

TEST_P(LinkTest, AnExchangeCutByTheCloudsDeathEndsOnceAfterItsReturn) {
  Mosquitto cloud(directory_.path(), "persistence true\npersistence_location " + directory_.path().string() + "/");
  auto subscriber = std::make_unique<Subscriber>(cloud, directory_.path(), "#");
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  send(1, "before", Qos::ExactlyOnce);
  ASSERT_TRUE(settle(1));
  cloud.pause(true);
  for (Seq seq = 2; seq <= 6; ++seq) send(seq, std::to_string(seq), Qos::ExactlyOnce);
  ASSERT_TRUE(wait_for_records(5));
  cloud.pause(false);
  cloud.stop();
  ASSERT_TRUE(lose());
  cloud.start();
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_TRUE(present_);
  EXPECT_TRUE(wait_for_records(0));
  auto payloads = subscriber->payloads(6);
  // Those from before the cloud's death may come again from it to its subscriber: what counts is what it took from us.
  std::ranges::sort(payloads);
  payloads.erase(std::ranges::unique(payloads).begin(), payloads.end());
  EXPECT_THAT(payloads, ElementsAre("2", "3", "4", "5", "6", "before"));
}

TEST_P(LinkTest, AnExchangeOf311GoesOnAfterARestartWithTheVeryPayloadOnce) {
  Mosquitto cloud(directory_.path());
  Subscriber subscriber(cloud, directory_.path(), "#");
  settings_.mqtt_version = 4;
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  send(1, "before", Qos::ExactlyOnce);
  ASSERT_TRUE(settle(1));
  cloud.pause(true);
  send(2, "two", Qos::ExactlyOnce);
  send(3, "", Qos::ExactlyOnce);
  ASSERT_TRUE(wait_for_records(2));
  link_.reset();
  cloud.pause(false);
  make_link(cloud.url());
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_TRUE(present_);
  EXPECT_TRUE(wait_for_records(0));
  EXPECT_THAT(subscriber.payloads(3), ElementsAre("before", "two", ""));
}

// FAULTS 19
TEST_P(LinkTest, ALostSessionClearsTheExchangesBeforeAnythingIsSent) {
  Mosquitto cloud(directory_.path());
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  cloud.pause(true);
  send(1, "one", Qos::ExactlyOnce);
  ASSERT_TRUE(wait_for_records(1));
  cloud.kill();
  ASSERT_TRUE(lose());
  EXPECT_EQ(state_.restore().size(), 1U);
  cloud.start();
  const int clears = state_.clears;
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_FALSE(present_);
  EXPECT_EQ(state_.clears, clears + 1);
  EXPECT_TRUE(state_.restore().empty());
  send(1, "one", Qos::ExactlyOnce);
  EXPECT_TRUE(settle(1));
}

TEST_P(LinkTest, WhenALostSessionCannotBeNotedNothingIsSentUntilItIs) {
  Mosquitto cloud(directory_.path());
  make_link(cloud.url());
  state_.fail = true;
  EXPECT_FALSE(connect());
  EXPECT_THAT(cause_.value_or(""), HasSubstr("disk full"));
  EXPECT_FALSE(connect());
  state_.fail = false;
  EXPECT_TRUE(connect());
}

TEST_P(LinkTest, ARecordThatCannotBeWrittenEndsTheConnection) {
  Mosquitto cloud(directory_.path());
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  cause_.reset();
  state_.fail = true;
  send(1, "one", Qos::ExactlyOnce);
  ASSERT_TRUE(lose());
  EXPECT_THAT(*cause_, HasSubstr("disk full"));
}

// FAULTS 15
TEST_P(LinkTest, NoticesACloudThatFellSilent) {
  Mosquitto cloud(directory_.path());
  settings_.keep_alive = 2s;
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  cause_.reset();
  cloud.pause(true);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(lose());
  const auto took = std::chrono::steady_clock::now() - start;
  if (GetParam() == Client::Ferrule) {  // 1.5 keep-alives; Paho takes up to its own next look
    EXPECT_GE(took, 2s);
    EXPECT_LT(took, 4s);
    EXPECT_THAT(*cause_, HasSubstr("does not answer any more"));
  }
}

TEST_P(LinkTest, SaysThatThePortIsClosed) {
  std::string url;
  {
    const Server gone;
    url = gone.url();
  }
  make_link(url);
  EXPECT_FALSE(connect());
  EXPECT_THAT(cause_.value_or(""), HasSubstr("127.0.0.1:"));
  EXPECT_THAT(cause_.value_or(""), HasSubstr("refused"));
  EXPECT_FALSE(connect());
}

TEST_P(LinkTest, SaysThatANameCannotBeResolved) {
  make_link("mqtt://no-such-host.invalid");
  EXPECT_FALSE(connect());
  EXPECT_THAT(cause_.value_or(""), HasSubstr("cannot resolve no-such-host.invalid"));
}

TEST_P(LinkTest, SaysWhyTheCloudRefusedUs) {
  const auto passwords = directory_.path() / "passwords";
  fclose(fopen(passwords.c_str(), "w"));
  Mosquitto cloud(directory_.path(), "allow_anonymous false\npassword_file " + passwords.string());
  settings_.username = "me";
  settings_.password = "wrong";
  make_link(cloud.url());
  EXPECT_FALSE(connect());
  EXPECT_THAT(cause_.value_or(""), HasSubstr("Not authorized (0x87)"));
  settings_.mqtt_version = 4;
  make_link(cloud.url());
  EXPECT_FALSE(connect());
  EXPECT_THAT(cause_.value_or(""), HasSubstr("refused: not authorized (5)"));
}

TEST_P(LinkTest, AsksFor311WhenTheServerRefusesVersion5) {
  Server server;
  server.answer(std::string("\x20\x02\x00\x01", 4));  // CONNACK of 3.1.1: unacceptable protocol version
  make_link(server.url());
  EXPECT_FALSE(connect());
  EXPECT_THAT(cause_.value_or(""), HasSubstr("unacceptable protocol version"));
  server.stop();
  EXPECT_THAT(server.versions, ElementsAre(5, 4));
}

TEST_P(LinkTest, AsksFor311WhenTheServerClosesWithoutAnAnswerTwice) {
  Server server;
  server.answer("");
  make_link(server.url());
  EXPECT_FALSE(connect());
  EXPECT_THAT(cause_.value_or(""), HasSubstr("closed without an answer"));
  EXPECT_FALSE(connect());
  server.stop();
  EXPECT_THAT(server.versions, ElementsAre(5, 5, 4));
}

TEST_P(LinkTest, FindsTheFirstServerBesideTheConnectionToAnother) {
  std::filesystem::create_directory(directory_.path() / "first");
  Mosquitto first(directory_.path() / "first"), second(directory_.path());
  first.stop();
  make_link(second.url());
  settings_.urls = {first.url(), second.url()};
  link_ = new_link(state_);
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_FALSE(limits_.is_first);
  link_->look_for_first();
  first.start();
  EXPECT_TRUE(desk_.run_until([this] {
    if (!first_found_) link_->look_for_first();
    return first_found_;
  }));
  EXPECT_TRUE(connected_);
  connected_ = false;
  ASSERT_TRUE(connect()) << cause_.value_or("");
  EXPECT_TRUE(limits_.is_first);
}

TEST_P(LinkTest, StopsQuicklyInEveryState) {
  const auto stop = [&](const char* state) {
    const auto start = std::chrono::steady_clock::now();
    link_->disconnect(500ms);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 600ms) << state;
    link_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2500ms) << state;
  };
  make_link("mqtt://127.0.0.1:1");
  stop("before it was used");

  const Server silent;
  make_link(silent.url());
  link_->connect();
  desk_.run_until([] { return false; }, 100ms);
  stop("waiting for CONNACK");

  make_link("mqtt://192.0.2.1:1883");  // reserved for documentation: nobody answers there
  link_->connect();
  desk_.run_until([] { return false; }, 100ms);
  stop("waiting for TCP");

  make_link("mqtt://no-such-host.invalid");
  link_->connect();
  stop("resolving");

  Mosquitto cloud(directory_.path());
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  cloud.pause(true);
  for (Seq seq = 1; seq <= 50; ++seq) send(seq, std::string(200'000, 'x'), Qos::AtLeastOnce);
  desk_.run_until([] { return false; }, 100ms);
  stop("with a full socket to a black hole");
  cloud.pause(false);
}

TEST_P(LinkTest, StopsWithoutWaitingForANameServer) {
  std::promise<void> asked, answered;
  settings_.urls = {"mqtt://cloud.example"};
  settings_.client_id = "gw";
  link_ = new_link(
      state_,
      [&asked, answer = answered.get_future().share()](const Endpoint&, std::string&) -> std::vector<std::string> {
        asked.set_value();
        answer.wait();
        return {"127.0.0.1:1"};
      });
  link_->connect();
  asked.get_future().wait();
  const auto start = std::chrono::steady_clock::now();
  link_->disconnect(500ms);
  link_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 400ms);
  answered.set_value();
}

TEST_P(LinkTest, IsDueInThePastOnlyWhileItsThreadIsHeldUp) {
  Mosquitto cloud(directory_.path());
  HeldState held;
  make_link(cloud.url());
  link_ = new_link(held);
  link_->connect();
  held.asked.get_future().wait();
  EXPECT_LE(link_->due(), std::chrono::steady_clock::now());
  held.let_go.set_value();
  while (link_->due() <= std::chrono::steady_clock::now()) std::this_thread::sleep_for(1ms);
  link_.reset();
}

TEST_P(LinkTest, SaysGoodbyeSoThatTheCloudKnowsItIsNoLoss) {
  Mosquitto cloud(directory_.path());
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  cause_.reset();
  link_->disconnect(1s);
  desk_.run_posted();
  EXPECT_TRUE(cause_.has_value());
}

TEST_P(LinkTest, Qos0IsDroppedAndCountedWhenTheSocketDoesNotTakeIt) {
  Mosquitto cloud(directory_.path());
  make_link(cloud.url());
  ASSERT_TRUE(connect());
  cloud.pause(true);
  for (int i = 0; i < 3000; ++i) send(0, std::string(10'000, 'x'), Qos::AtMostOnce);
  EXPECT_GT(link_->dropped(), 500U);
  cloud.pause(false);
}

// FAULTS 16
TEST_P(LinkTest, ManyConnectionsInARowLeakNothing) {
  Mosquitto cloud(directory_.path());
  make_link(cloud.url());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(connect()) << cause_.value_or("");
    send(static_cast<Seq>(i) + 1, "p", Qos::ExactlyOnce);
    ASSERT_TRUE(settle(static_cast<std::size_t>(i) + 1));
    cause_.reset();
    cloud.stop();
    ASSERT_TRUE(lose());
    cloud.start();
  }
}

INSTANTIATE_TEST_SUITE_P(Both, LinkTest, ::testing::Values(Client::Ferrule, Client::Paho), testing::name_of_client);

}  // namespace
}  // namespace ferrule::bridge
