#include "gateway/control.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "gateway/control_client.hpp"
#include "tests/gateway/loop_fixture.hpp"

namespace ferrule::gateway {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

/// A control socket on a loop that runs on a thread of its own.
class ControlTest : public LoopFixture {
 protected:
  ControlTest() {
    std::string name = (std::filesystem::temp_directory_path() / "ferrule-control-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    directory_ = name;
    control_ = std::make_unique<Control>(loop_, commands_, path());
    commands_.on("echo", [](const ControlRequest& request, ControlReply reply) { reply.result(request.body["text"]); });
    commands_.on("who", [](const ControlRequest& request, ControlReply reply) { reply.result(request.who); });
    commands_.on("forgetful", [](const ControlRequest&, const ControlReply&) {});
    commands_.on("never", [this](const ControlRequest&, ControlReply reply) { kept_.push_back(std::move(reply)); });
    commands_.on("count", [](const ControlRequest& request, ControlReply reply) {
      const int end = request.body["to"].get<int>();
      for (int i = 1; i <= end; ++i) reply.item(i);
      reply.result("done");
    });
    run_loop();
  }
  ~ControlTest() override {
    on_loop([this] {
      control_.reset();
      kept_.clear();
    });
    end_loop();
    std::filesystem::remove_all(directory_);
  }

  std::string path() const { return (directory_ / "sub" / "control.sock").string(); }

  ControlCounters counters() {
    ControlCounters counters;
    on_loop([&] { counters = control_->counters(); });
    return counters;
  }

  ControlClient client() {
    auto connected = ControlClient::connect(path());
    if (!connected) throw std::runtime_error(connected.error().message);
    return std::move(*connected);
  }

  std::filesystem::path directory_;
  std::vector<ControlReply> kept_;
  ControlCommands commands_;
  std::unique_ptr<Control> control_;
};

/// A client that sends what it likes.
class RawClient {
 public:
  explicit RawClient(const std::string& path) : descriptor_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("connect");
    }
  }
  ~RawClient() { ::close(descriptor_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  /// No more requests will come.
  void shut_down() { ::shutdown(descriptor_, SHUT_WR); }

  /// Nothing: the gateway closed the connection.
  std::optional<json> receive() {
    std::size_t end = 0;
    while ((end = input_.find('\n')) == std::string::npos) {
      std::array<char, 4096> buffer{};
      const ssize_t n = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
      if (n <= 0) return std::nullopt;
      input_.append(buffer.data(), static_cast<std::size_t>(n));
    }
    auto line = json::parse(input_.substr(0, end));
    input_.erase(0, end + 1);
    return line;
  }

 private:
  int descriptor_;
  std::string input_;
};

TEST_F(ControlTest, AnswersARequestWithItsId) {
  RawClient client(path());
  client.send(R"({"id":"a","command":"echo","text":"one"})"
              "\n"
              R"({"id":2,"command":"echo","text":"two"})"
              "\n");
  EXPECT_EQ(client.receive(), json::parse(R"({"id":"a","result":"one"})"));
  EXPECT_EQ(client.receive(), json::parse(R"({"id":2,"result":"two"})"));
}

TEST_F(ControlTest, TakesARequestThatComesByteByByte) {
  RawClient client(path());
  for (const char byte : std::string_view("{\"id\":1,\"command\":\"echo\",\"text\":1}\n")) client.send({&byte, 1});
  EXPECT_EQ(client.receive(), json::parse(R"({"id":1,"result":1})"));
}

TEST_F(ControlTest, AnswersAClientThatShutsDownBehindItsRequest) {
  RawClient client(path());
  client.send("{\"id\":1,\"command\":\"echo\",\"text\":1}\n");
  client.shut_down();
  EXPECT_EQ(client.receive(), json::parse(R"({"id":1,"result":1})"));
}

TEST_F(ControlTest, StreamsItemsInOrderBeforeTheResult) {
  auto connected = client();
  std::vector<int> items;
  const auto result = connected.stream({{"command", "count"}, {"to", 100}}, [&](const json& item) {
    items.push_back(item.get<int>());
    return true;
  });
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, "done");
  ASSERT_EQ(items.size(), 100U);
  EXPECT_EQ(items.front(), 1);
  EXPECT_EQ(items.back(), 100);
}

TEST_F(ControlTest, SaysWhatARequestIsToALineThatIsNone) {
  RawClient client(path());
  for (const char* line : {"hello", "[]", "{}", R"({"id":1})", R"({"id":{},"command":"echo"})",
                           R"({"id":1,"command":7})", "\xff\xfe", "", R"({"command":"echo"})", "[[[[[[[[[["}) {
    client.send(std::string(line) + '\n');
    const auto answer = client.receive();
    ASSERT_TRUE(answer) << line;
    EXPECT_EQ((*answer)["error"]["code"], "bad-request") << line;
    EXPECT_TRUE((*answer)["id"].is_null());
  }
  EXPECT_EQ(counters().bad_requests, 10U);
}

TEST_F(ControlTest, NamesACommandThatIsNotThere) {
  const auto result = client().call({{"command", "explode"}});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, "unknown-command");
  EXPECT_NE(result.error().message.find("\"explode\""), std::string::npos);
}

TEST_F(ControlTest, AnswersForACommandThatForgetsTo) {
  const auto result = client().call({{"command", "forgetful"}});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, "internal");
}

TEST_F(ControlTest, SaysWhoAsksByTheKernelsWord) {
  const auto who = client().call({{"command", "who"}});
  ASSERT_TRUE(who);
  EXPECT_EQ(*who, "uid " + std::to_string(::getuid()) + ", process " + std::to_string(::getpid()));
}

TEST_F(ControlTest, ClosesOnALineThatIsTooLong) {
  RawClient client(path());
  client.send(std::string(65 * 1024, 'x'));
  const auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)["error"]["code"], "bad-request");
  EXPECT_FALSE(client.receive());
}

TEST_F(ControlTest, RefusesMoreThanSixteenRequestsUnderWay) {
  RawClient client(path());
  for (int i = 0; i < 17; ++i) client.send(json({{"id", i}, {"command", "never"}}).dump() + '\n');
  const auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)["id"], 16);
  EXPECT_EQ((*answer)["error"]["code"], "busy");
}

TEST_F(ControlTest, RefusesTheSeventeenthClient) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 16; ++i) {
    clients.push_back(std::make_unique<RawClient>(path()));
    clients.back()->send("{\"id\":1,\"command\":\"echo\",\"text\":1}\n");
    ASSERT_TRUE(clients.back()->receive());
  }
  RawClient refused(path());
  EXPECT_FALSE(refused.receive());
}

TEST_F(ControlTest, TellsAStreamThatItsClientHasGone) {
  std::promise<void> gone;
  on_loop([&] {
    commands_.on("watch", [&](const ControlRequest&, ControlReply reply) {
      reply.on_gone([&] { gone.set_value(); });
      reply.item("begun");
      kept_.push_back(std::move(reply));
    });
  });
  {
    RawClient client(path());
    client.send("{\"id\":1,\"command\":\"watch\"}\n");
    ASSERT_TRUE(client.receive());
  }
  EXPECT_EQ(gone.get_future().wait_for(20s), std::future_status::ready);
  on_loop([&] { kept_.back().item("into the void"); });
}

TEST_F(ControlTest, DropsItemsForAClientThatDoesNotReadAndStaysWithinItsBound) {
  on_loop([&] {
    commands_.on("flood", [&](const ControlRequest&, ControlReply reply) {
      const std::string kilobyte(1024, 'x');
      for (int i = 0; i < 4000; ++i) reply.item(kilobyte);
      reply.result(nullptr);
    });
  });
  RawClient client(path());
  client.send("{\"id\":1,\"command\":\"flood\"}\n");
  std::size_t items = 0;
  auto answer = client.receive();
  for (; answer && answer->contains("item"); answer = client.receive()) ++items;
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->contains("result"));
  EXPECT_LE(items, 1024U);
  EXPECT_EQ(items + counters().items_dropped, 4000U);
}

TEST_F(ControlTest, DoesNotReadFromAClientThatDoesNotRead) {
  const std::string text(32 * 1024, 'y');
  const auto line = json({{"id", 1}, {"command", "echo"}, {"text", text}}).dump() + '\n';
  RawClient client(path());
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) client.send(line);
  });
  for (int i = 0; i < 200; ++i) {
    const auto answer = client.receive();
    ASSERT_TRUE(answer) << i;
    ASSERT_EQ((*answer)["result"], text);
  }
  writer.join();
}

TEST_F(ControlTest, IsForItsOwnUserAndGroupOnly) {
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0660U);
}

TEST_F(ControlTest, BelongsToTheGroupOfItsDirectory) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files to other groups";
  constexpr gid_t kGroup = 12345;
  const auto other = directory_ / "other";
  std::filesystem::create_directory(other);
  ASSERT_EQ(chown(other.c_str(), static_cast<uid_t>(-1), kGroup), 0);
  struct stat status {};
  on_loop([&] {
    const Control control(loop_, commands_, (other / "control.sock").string());
    EXPECT_EQ(stat((other / "control.sock").c_str(), &status), 0);
  });
  EXPECT_EQ(status.st_gid, kGroup);
}

TEST_F(ControlTest, TakesOverTheSocketThatADeadGatewayLeft) {
  const auto stale = (directory_ / "stale.sock").string();
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    stale.copy(address.sun_path, stale.size());
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(dead);
  }
  mqtt::Loop loop;
  EXPECT_NO_THROW(Control(loop, commands_, stale));
}

TEST_F(ControlTest, CannotBeOpenedTwice) {
  mqtt::Loop loop;
  try {
    Control second(loop, commands_, path());
    FAIL();
  } catch (const config::Error& error) {
    EXPECT_EQ(error.mistakes().front().path, "gateway.control");
    EXPECT_NE(error.mistakes().front().message.find("in use"), std::string::npos);
  }
}

TEST_F(ControlTest, ClientSaysThatNoGatewayAnswers) {
  const auto refused = ControlClient::connect(directory_ / "nothing.sock");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().exit_code, 69);
}

}  // namespace
}  // namespace ferrule::gateway
