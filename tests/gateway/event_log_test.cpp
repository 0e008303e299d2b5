#include "gateway/event_log.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "gateway/event_file.hpp"

namespace ferrule::gateway {
namespace {

using namespace std::chrono_literals;

class FakeClock final : public mqtt::Clock {
 public:
  std::chrono::steady_clock::time_point now() const override {
    return std::chrono::steady_clock::time_point(1h) + passed;
  }
  std::chrono::system_clock::time_point utc() const override {
    return std::chrono::system_clock::time_point(10h) + passed;
  }
  std::chrono::milliseconds passed{0};
};

class EventLogTest : public testing::Test {
 protected:
  EventLogTest() {
    std::string name = (std::filesystem::temp_directory_path() / "ferrule-events-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    directory_ = name;
  }
  ~EventLogTest() override { std::filesystem::remove_all(directory_); }

  /// One round a second, for so many seconds.
  void pass(EventLog& log, int seconds, const std::vector<Condition>& conditions) {
    for (int i = 0; i < seconds; ++i) {
      log.tick(conditions);
      clock_.passed += 1s;
    }
  }

  FakeClock clock_;
  std::vector<Event> told_;
  const EventLog::Told tell_ = [this](const Event& event) { told_.push_back(event); };
  const std::vector<Condition> silent_{{"device-silent", "device a", "timeout"}};
  std::filesystem::path directory_;
};

TEST_F(EventLogTest, TellsWhatWasWrongAndForHowLong) {
  EventLog log(clock_, tell_);
  pass(log, 60, silent_);
  ASSERT_EQ(log.events().size(), 1U);
  EXPECT_EQ(log.events()[0].state, EventState::Open);
  EXPECT_EQ(log.events()[0].at.time_since_epoch(), 10h);  // when it began, not when it was believed
  EXPECT_EQ(log.events()[0].cause, "timeout");
  pass(log, 10, {});
  ASSERT_EQ(log.events().size(), 1U);
  EXPECT_EQ(log.events()[0].state, EventState::Resolved);
  EXPECT_EQ(log.events()[0].resolved->time_since_epoch(), 10h + 59s);
  ASSERT_EQ(told_.size(), 2U);
  EXPECT_EQ(told_[0].id, told_[1].id);
}

TEST_F(EventLogTest, IsSilentOfWhatIsOverAtOnce) {
  EventLog log(clock_, tell_);
  for (int i = 0; i < 20; ++i) {
    pass(log, 2, silent_);
    pass(log, 2, {});
  }
  EXPECT_TRUE(log.events().empty());
}

TEST_F(EventLogTest, MakesOneEventOfWhatComesAndGoes) {
  EventLog log(clock_, tell_);
  pass(log, 10, silent_);
  for (int i = 0; i < 20; ++i) {
    pass(log, 2, {});
    pass(log, 2, silent_);
  }
  EXPECT_EQ(log.events().size(), 1U);
  EXPECT_EQ(told_.size(), 1U);
}

TEST_F(EventLogTest, KeepsTheNewestThousand) {
  EventLog log(clock_, tell_);
  for (int i = 0; i < 1500; ++i) {
    log.note("write", "client x", std::to_string(i));
    clock_.passed += 10s;
  }
  ASSERT_EQ(log.events().size(), 1000U);
  EXPECT_EQ(log.events().front().cause, "500");
  EXPECT_EQ(log.events().back().cause, "1499");
}

TEST_F(EventLogTest, CountsWhatComesTooFastInsteadOfKeepingIt) {
  EventLog log(clock_, tell_);
  for (int i = 0; i < 100; ++i) log.note("login-failed", "user x", "wrong password");
  EXPECT_EQ(log.events().size(), 20U);
  EXPECT_EQ(log.suppressed(), 80U);
}

TEST_F(EventLogTest, LetsNobodyWriteControlCharactersOrNovelsIntoIt) {
  EventLog log(clock_, tell_);
  log.note("login-failed", "user \x1b[2J\n", std::string(1000, 'x'));
  EXPECT_EQ(log.events()[0].who, "user ?[2J?");
  EXPECT_LE(log.events()[0].cause.size(), 103U);
}

TEST_F(EventLogTest, SurvivesARestartAndResolvesWhatWasOpen) {
  const auto path = directory_ / "events.db";
  for (int run = 0; run < 2; ++run) {
    EventLog log(clock_, tell_);
    mqtt::Store store([](const std::function<void()>&) {}, [](mqtt::Ticket) {},
                      [](mqtt::StoreFile&, const std::string&) {});
    log.keep(path, store);
    if (run == 0) {
      pass(log, 10, silent_);
      log.note("write", "client hmi", "x/set: ok");
      log.flush();
      clock_.passed += 1h;
      continue;
    }
    ASSERT_EQ(log.events().size(), 2U);
    EXPECT_EQ(log.events()[0].state, EventState::Resolved);
    EXPECT_EQ(log.events()[0].resolved->time_since_epoch(), 11h + 10s);
    EXPECT_EQ(log.events()[1].who, "client hmi");
    log.note("start", "gateway", "again");
    EXPECT_EQ(log.events()[2].id, 3U);
  }
}

TEST_F(EventLogTest, KeepsItsFileBounded) {
  const auto path = directory_ / "events.db";
  {
    EventLog log(clock_, tell_);
    mqtt::Store store([](const std::function<void()>&) {}, [](mqtt::Ticket) {},
                      [](mqtt::StoreFile&, const std::string&) {});
    log.keep(path, store);
    for (int i = 0; i < 1200; ++i) {
      log.note("write", "client x", std::to_string(i));
      clock_.passed += 10s;
      if (i % 100 == 0) log.flush();
    }
    log.flush();
  }
  EventFile file(path);
  const auto kept = file.load();
  ASSERT_EQ(kept.size(), 1000U);
  EXPECT_EQ(kept.front().cause, "200");
}

TEST_F(EventLogTest, SetsADamagedFileAside) {
  const auto path = directory_ / "events.db";
  std::ofstream(path) << "this is no database, and it is long enough to be looked at as one, or so one would think";
  EventLog log(clock_, tell_);
  mqtt::Store store([](const std::function<void()>&) {}, [](mqtt::Ticket) {},
                    [](mqtt::StoreFile&, const std::string&) {});
  log.keep(path, store);
  EXPECT_TRUE(log.events().empty());
  std::size_t aside = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    aside += entry.path().string().find(".corrupt-") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(aside, 1U);
}

TEST(EventsText, HasALineForEach) {
  EXPECT_EQ(events_text(nlohmann::json::parse(R"([
    {"id":1,"at":1000,"kind":"device-silent","who":"device a","cause":"timeout","state":"resolved","resolved":241000},
    {"id":2,"at":5000,"kind":"uplink-down","who":"uplink hq","cause":"refused","state":"open","resolved":null},
    {"id":3,"at":6000,"kind":"write","who":"client hmi","cause":"x/set: ok","state":"noted","resolved":null}])")),
            "1970-01-01T00:00:01Z device-silent  device a: timeout (for 4 min)\n"
            "1970-01-01T00:00:05Z uplink-down    uplink hq: refused (still so)\n"
            "1970-01-01T00:00:06Z write          client hmi: x/set: ok\n");
}

}  // namespace
}  // namespace ferrule::gateway
