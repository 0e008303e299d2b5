#include "bridge/outbox_file.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/bridge/desk.hpp"

namespace ferrule::bridge {
namespace {

using testing::Directory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Row row(Seq seq, std::string payload = "p") {
  Row row;
  row.seq = seq;
  row.topic = "plant/" + std::to_string(seq % 3);
  row.payload = std::move(payload);
  row.published = 1'700'000'000'000;
  return row;
}

class OutboxFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<OutboxFile> open() { return std::make_unique<OutboxFile>(path_); }

  template <class F>
  void in_transaction(OutboxFile& file, F f) {
    file.begin();
    f();
    file.commit();
  }

  std::vector<Seq> seqs(OutboxFile& file) {
    std::vector<Seq> seqs;
    for (const auto& loaded : file.load(0, 1'000'000, 1 << 30).rows) seqs.push_back(loaded.seq);
    return seqs;
  }

  /// What a power cut would leave: the files as they are now, opened beside the ones in use.
  std::unique_ptr<OutboxFile> after_power_cut() {
    for (const auto* suffix : {"", "-wal"}) {
      std::error_code error;
      std::filesystem::copy_file(path_.string() + suffix, copy_.string() + suffix,
                                 std::filesystem::copy_options::overwrite_existing, error);
    }
    return std::make_unique<OutboxFile>(copy_);
  }

  std::vector<std::string> set_aside() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      const auto name = entry.path().filename().string();
      if (name.find(".corrupt-") != name.npos && !name.ends_with("-wal") && !name.ends_with("-shm"))
        names.push_back(name);
    }
    return names;
  }

  Directory directory_;
  const std::filesystem::path path_ = directory_.path() / "outbox-hq.db";
  const std::filesystem::path copy_ = directory_.path() / "copy.db";
};

TEST_F(OutboxFileTest, GivesBackWhatWasInserted) {
  auto file = open();
  auto full = row(7, std::string("a\0b", 3));
  full.qos = mqtt::Qos::ExactlyOnce;
  full.retain = true;
  full.properties = std::string("\x01\x01", 2);
  full.expires = 1'700'000'060'000;
  in_transaction(*file, [&] { file->insert(full); });
  file.reset();
  file = open();
  const auto page = file->load(0, 10, 1000);
  ASSERT_EQ(page.rows.size(), 1U);
  const auto& loaded = page.rows.front();
  EXPECT_TRUE(page.complete);
  EXPECT_EQ(loaded.seq, 7U);
  EXPECT_EQ(loaded.topic, full.topic);
  EXPECT_EQ(loaded.payload, full.payload);
  EXPECT_EQ(loaded.properties, full.properties);
  EXPECT_EQ(loaded.qos, full.qos);
  EXPECT_TRUE(loaded.retain);
  EXPECT_EQ(loaded.published, full.published);
  EXPECT_EQ(loaded.expires, full.expires);
}

// FAULTS 4
TEST_F(OutboxFileTest, AfterAPowerCutHasWhatWasCommittedAndNothingElse) {
  auto file = open();
  in_transaction(*file, [&] {
    for (Seq seq = 1; seq <= 100; ++seq) file->insert(row(seq));
    file->put_record(3, "s5-1", "packet");
  });
  in_transaction(*file, [&] { file->erase({1}); });
  file->begin();
  file->insert(row(101));
  file->erase({2});
  file->put_record(3, "sc5-1", "release");
  const auto found = after_power_cut();
  const auto left = seqs(*found);
  EXPECT_EQ(left.size(), 99U);
  EXPECT_EQ(left.front(), 2U);
  EXPECT_EQ(left.back(), 100U);
  EXPECT_EQ(found->rows(), 99U);
  const auto records = found->records();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records.front().key, "s5-1");
  EXPECT_EQ(records.front().packet, "packet");
  file->rollback();
}

TEST_F(OutboxFileTest, ARollbackLeavesNothingBehindEvenOfTopicsAndCounters) {
  auto file = open();
  file->begin();
  file->insert(row(1));
  file->rollback();
  EXPECT_EQ(file->rows(), 0U);
  EXPECT_EQ(file->bytes(), 0U);
  in_transaction(*file, [&] { file->insert(row(4)); });  // the same topic as row 1: must be interned anew
  file.reset();
  file = open();
  const auto page = file->load(0, 10, 1000);
  ASSERT_EQ(page.rows.size(), 1U);
  EXPECT_EQ(page.rows.front().topic, "plant/1");
}

TEST_F(OutboxFileTest, CountsRowsAndBytesThroughEveryChange) {
  auto file = open();
  in_transaction(*file, [&] {
    for (Seq seq = 1; seq <= 10; ++seq) file->insert(row(seq, std::string(seq * 1000, 'x')));
    file->insert(row(10, "ignored: it is there"));
  });
  std::uint64_t expected = 0;
  for (Seq seq = 1; seq <= 10; ++seq) expected += row_cost(7, seq * 1000, 0);
  EXPECT_EQ(file->rows(), 10U);
  EXPECT_EQ(file->bytes(), expected);
  in_transaction(*file, [&] {
    file->erase({10});
    file->erase({99, 10});
  });
  EXPECT_EQ(file->bytes(), expected - row_cost(7, 10'000, 0));
  in_transaction(*file, [&] {
    EXPECT_THAT(file->drop_oldest({.after = 1}, 2500, Priority::Normal).seqs, ElementsAre(2, 3));
    file->erase({1});
  });
  EXPECT_THAT(seqs(*file), ElementsAre(4, 5, 6, 7, 8, 9));
  in_transaction(*file, [&] { file->drop_oldest({}, 1 << 30, Priority::Normal); });
  EXPECT_EQ(file->rows(), 0U);
  EXPECT_EQ(file->bytes(), 0U);
}

TEST_F(OutboxFileTest, AfterAPowerCutCountsAlsoWhatWasAddedSinceTheFiguresWereWritten) {
  auto file = open();
  for (Seq seq = 1; seq <= 5'000; seq += 100) {
    in_transaction(*file, [&] {
      for (Seq each = seq; each < seq + 100; ++each) {
        auto one = row(each, std::string(each % 50, 'x'));
        one.priority = each % 10 == 0 ? Priority::High : each % 7 == 0 ? Priority::Low : Priority::Normal;
        file->insert(one);
      }
      if (seq > 4'000) file->erase({seq - 1, seq, seq + 50});
      if (seq == 4'401) file->erase({1, 2, 3, 10, 700});
    });
    const auto found = after_power_cut();
    ASSERT_EQ(found->rows(), seqs(*found).size());
    for (const auto priority : kPriorities) ASSERT_EQ(found->rows(priority), file->rows(priority));
    ASSERT_EQ(found->bytes(), file->bytes());
  }
}

/// As the first version made it.
constexpr auto kFirstFile = R"(
  CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), reserved INTEGER NOT NULL, rows INTEGER NOT NULL,
                     bytes INTEGER NOT NULL);
  INSERT INTO meta VALUES (1, 100, 5, 1000000);
  CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
  INSERT INTO topic VALUES (1, 'plant/1');
  CREATE TABLE queue (seq INTEGER PRIMARY KEY, topic NOT NULL, flags INTEGER NOT NULL, payload BLOB NOT NULL,
                      properties BLOB, published INTEGER NOT NULL, expires INTEGER);
  INSERT INTO queue VALUES (1, 1, 9, x'31', NULL, 7, NULL), (2, 1, 18, x'32', NULL, 7, NULL), (3, 1, 17, x'33', NULL, 7, NULL),
                           (4, 1, 1, x'34', NULL, 7, NULL), (5, 1, 1, x'35', NULL, 7, NULL);
  CREATE TABLE record (seq INTEGER NOT NULL, key TEXT NOT NULL, packet BLOB NOT NULL, PRIMARY KEY (seq, key)) WITHOUT ROWID;
  INSERT INTO record VALUES (0, 'r5-1', ''), (2, 's5-9', 'packet'), (2, 'sc5-9', 'release');
  CREATE TABLE parked (seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, flags INTEGER NOT NULL, payload BLOB NOT NULL,
                       properties BLOB, published INTEGER NOT NULL, expires INTEGER, reason INTEGER NOT NULL,
                       parked INTEGER NOT NULL);
  PRAGMA application_id = 0x46727571;
  PRAGMA user_version = 1;)";

/// What later ones added before they raised the schema.
constexpr auto kPriorities1 = R"(
  CREATE TABLE special (id INTEGER PRIMARY KEY CHECK (id = 1), low INTEGER, high INTEGER);
  INSERT INTO special VALUES (1, 1, 2);
  CREATE TABLE time (id INTEGER PRIMARY KEY CHECK (id = 1), calendar INTEGER, clock INTEGER);)";
constexpr auto kTablesOfRecords = R"(
  ALTER TABLE meta ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE meta ADD COLUMN low INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE meta ADD COLUMN high INTEGER NOT NULL DEFAULT 0;
  UPDATE meta SET rows = 0, bytes = 0;
  CREATE TABLE exchange (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, packet BLOB NOT NULL, cut INTEGER NOT NULL,
                         leader INTEGER);
  CREATE TABLE release (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, packet BLOB NOT NULL);
  INSERT INTO exchange VALUES (2, 's5-9', 'packet', 0, NULL);
  INSERT INTO release VALUES (2, 'sc5-9', 'release');
  DELETE FROM record WHERE seq <> 0;)";

TEST_F(OutboxFileTest, TakesUpWhatAnyEarlierVersionLeft) {
  std::string sql;
  for (const auto* added : {kFirstFile, kPriorities1, kTablesOfRecords}) {
    sql += added;
    std::filesystem::remove(path_);
    SQLite::Database(path_.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec(sql);
    for (int times = 0; times < 2; ++times) {
      auto file = open();
      EXPECT_EQ(file->times_set_aside(), 0U);
      EXPECT_EQ(file->reserved(), 100U);
      EXPECT_EQ(seqs(*file).size(), 5U);
      EXPECT_EQ(file->rows(), 5U);
      EXPECT_EQ(file->rows(Priority::High), 2U);
      EXPECT_EQ(file->bytes(), 5 * row_cost(7, 1, 0));
      std::vector<std::string> keys;
      for (const auto& record : file->records()) keys.push_back(record.key);
      EXPECT_THAT(keys, ElementsAre("r5-1", "s5-9", "sc5-9"));
      in_transaction(*file, [&] { file->put_receipt("client", {}); });
    }
  }
}

TEST_F(OutboxFileTest, IsOfASchemaThatNoVersionBeforeItTakesForItsOwn) {
  open();
  SQLite::Database database(path_.string(), SQLite::OPEN_READONLY);
  EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), 2);
}

TEST_F(OutboxFileTest, DoesNotTakeBackWhatWasDeliveredBeforeTheOutboxKnew) {
  auto file = open();
  in_transaction(*file, [&] { file->insert(row(1)); });
  in_transaction(*file, [&] { file->erase_delivered({1}); });
  in_transaction(*file, [&] { file->insert(row(1)); });
  EXPECT_EQ(file->rows(), 0U);
  in_transaction(*file, [&] { file->erase({1}); });  // now it knows
  in_transaction(*file, [&] { file->insert(row(1)); });
  EXPECT_EQ(file->rows(), 1U);
}

TEST_F(OutboxFileTest, ARecordThatEndsWithItsRowsPayloadIsGivenBackWholeAsLongAsTheRowIsThere) {
  auto file = open();
  in_transaction(*file, [&] {
    file->insert(row(1, "payload"));
    file->insert(row(2, ""));
    file->put_record(1, "s5-1", "head payload", 7);
    file->put_record(2, "s5-2", "head", 0);
    file->put_record(3, "s5-3", "head of nothing", 7);
  });
  file.reset();
  file = open();
  std::vector<std::string> packets;
  for (const auto& record : file->records()) packets.push_back(record.packet);
  EXPECT_THAT(packets, ElementsAre("head payload", "head"));
}

TEST_F(OutboxFileTest, LoadsInPages) {
  auto file = open();
  in_transaction(*file, [&] {
    for (Seq seq = 1; seq <= 5; ++seq) file->insert(row(seq, std::string(1000, 'x')));
  });
  auto page = file->load(0, 2, 1 << 20);
  ASSERT_EQ(page.rows.size(), 2U);
  EXPECT_FALSE(page.complete);
  page = file->load(2, 100, 1500);
  ASSERT_EQ(page.rows.size(), 2U);
  EXPECT_EQ(page.rows.front().seq, 3U);
  page = file->load(4, 100, 1);
  ASSERT_EQ(page.rows.size(), 1U);  // one is loaded whatever its size
  page = file->load(5, 100, 1);
  EXPECT_TRUE(page.complete);
  EXPECT_TRUE(page.rows.empty());
}

TEST_F(OutboxFileTest, ManyTopicsDoNotFillTheMemory) {
  auto file = open();
  in_transaction(*file, [&] {
    for (Seq seq = 1; seq <= 30'000; ++seq) {
      auto one = row(seq);
      one.topic = "t/" + std::to_string(seq);
      file->insert(one);
    }
  });
  const auto page = file->load(29'999, 10, 1000);
  ASSERT_EQ(page.rows.size(), 1U);
  EXPECT_EQ(page.rows.front().topic, "t/30000");
  in_transaction(*file, [&] { file->drop_oldest({}, 1 << 30, Priority::Normal); });
  EXPECT_EQ(file->rows(), 0U);
  EXPECT_EQ(file->bytes(), 0U);
}

TEST_F(OutboxFileTest, ParkedRowsLeaveTheQueueAndStay) {
  auto file = open();
  in_transaction(*file, [&] {
    file->insert(row(1));
    file->insert(row(2));
    file->put_record(1, "s5-1", "packet");
    file->park(1, mqtt::Reason::NotAuthorized, 1'700'000'000'001);
  });
  EXPECT_THAT(seqs(*file), ElementsAre(2));
  EXPECT_EQ(file->parked(), 1U);
  EXPECT_TRUE(file->records().empty());
  file.reset();
  EXPECT_EQ(open()->parked(), 1U);
}

TEST_F(OutboxFileTest, KeepsOnlyTheNewestParkedRows) {
  auto file = open();
  in_transaction(*file, [&] {
    for (Seq seq = 1; seq <= 10'005; ++seq) {
      file->insert(row(seq));
      file->park(seq, mqtt::Reason::TopicNameInvalid, 0);
    }
  });
  EXPECT_EQ(file->parked(), 10'000U);
  EXPECT_EQ(file->parked_dropped(), 5U);
  EXPECT_EQ(file->parked_rows(0, 1).front().row.seq, 6U);
}

TEST_F(OutboxFileTest, WhatIsParkedTakesNoMoreThanItsShareOfTheDisk) {
  const auto park = [](OutboxFile& file, Seq seq, std::size_t megabytes) {
    auto large = row(seq);
    large.payload.assign(megabytes << 20, 'x');
    file.insert(large);
    file.park(seq, mqtt::Reason::PacketTooLarge, 0);
  };
  const auto oldest = [](OutboxFile& file) { return file.parked_rows(0, 1).front().row.seq; };
  auto file = open();
  in_transaction(*file, [&] {
    park(*file, 1, 1);
    park(*file, 2, 62);
  });
  EXPECT_EQ(oldest(*file), 1U);
  in_transaction(*file, [&] { park(*file, 3, 1); });
  EXPECT_EQ(oldest(*file), 2U);
  EXPECT_EQ(file->parked_dropped(), 1U);
  file.reset();
  file = open();
  file->begin();
  park(*file, 4, 1);
  file->rollback();
  EXPECT_EQ(oldest(*file), 2U);
  EXPECT_EQ(file->parked_dropped(), 0U);
  in_transaction(*file, [&] {
    EXPECT_TRUE(file->erase_parked(3));
    park(*file, 5, 1);
  });
  EXPECT_EQ(oldest(*file), 2U);
  in_transaction(*file, [&] { park(*file, 6, 1); });
  EXPECT_EQ(oldest(*file), 5U);
  EXPECT_EQ(file->parked_dropped(), 1U);
}

TEST_F(OutboxFileTest, ReservedSeqsAreKept) {
  auto file = open();
  const auto first = file->reserved();
  in_transaction(*file, [&] { file->reserve(first + 500); });
  file.reset();
  EXPECT_EQ(open()->reserved(), first + 500);
}

TEST_F(OutboxFileTest, ANewFileNeverReusesTheSeqsOfADeletedOne) {
  const auto first = open()->reserved();
  std::filesystem::remove(path_);
  EXPECT_GT(open()->reserved(), first);
}

// FAULTS 26
TEST_F(OutboxFileTest, ASecondProcessIsRefused) {
  const auto file = open();
  const pid_t child = fork();
  if (child == 0) {
    try {
      OutboxFile second(path_);
      _exit(0);
    } catch (const std::runtime_error& error) {
      _exit(std::string(error.what()).find("another process") != std::string::npos ? 42 : 1);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(OutboxFileTest, GarbageIsSetAsideAndANewFileBegun) {
  const std::string garbage(100'000, 'g');
  std::ofstream(path_) << garbage;
  auto file = open();
  EXPECT_EQ(file->times_set_aside(), 1U);
  in_transaction(*file, [&] { file->insert(row(1)); });
  ASSERT_EQ(set_aside().size(), 1U);
  std::ifstream kept(directory_.path() / set_aside().front());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(kept), {}), garbage);
}

TEST_F(OutboxFileTest, ADamagedPageIsFoundWhenTheFileIsOpened) {
  auto file = open();
  in_transaction(*file, [&] {
    for (Seq seq = 1; seq <= 1000; ++seq) file->insert(row(seq, std::string(500, 'x')));
  });
  file.reset();  // the log is written back
  std::fstream(path_, std::ios::in | std::ios::out | std::ios::binary).seekp(10 * 4096) << std::string(4096, '\xAA');
  file = open();
  EXPECT_EQ(file->times_set_aside(), 1U);
  EXPECT_EQ(file->rows(), 0U);
}

// FAULTS 7
TEST_F(OutboxFileTest, DamageFoundInUseIsSetAsideByTheNextTransaction) {
  auto file = open();
  in_transaction(*file, [&] {
    for (Seq seq = 1; seq <= 100'000; ++seq)
      file->insert(row(seq, std::string(500, 'x')));  // too big to be checked at the start
  });
  file.reset();
  ASSERT_GT(std::filesystem::file_size(path_), std::uintmax_t{32} << 20);
  std::fstream damage(path_, std::ios::in | std::ios::out | std::ios::binary);
  for (int page = 1000; page < 1100; ++page) damage.seekp(page * 4096) << std::string(4096, '\xAA');
  damage.close();
  file = open();
  EXPECT_EQ(file->times_set_aside(), 0U);
  EXPECT_THROW(seqs(*file), std::runtime_error);
  in_transaction(*file, [&] { file->insert(row(200'000)); });
  EXPECT_EQ(file->times_set_aside(), 1U);
  EXPECT_THAT(seqs(*file), ElementsAre(200'000));
}

// FAULTS 8
TEST_F(OutboxFileTest, ATruncatedFileIsSetAside) {
  auto file = open();
  in_transaction(*file, [&] {
    for (Seq seq = 1; seq <= 1000; ++seq) file->insert(row(seq, std::string(500, 'x')));
  });
  file.reset();
  std::filesystem::resize_file(path_, 20 * 4096 + 77);
  file = open();
  EXPECT_EQ(file->times_set_aside(), 1U);
}

// FAULTS 8
TEST_F(OutboxFileTest, AZeroedFileIsSetAside) {
  std::ofstream(path_) << std::string(40'960, '\0');
  EXPECT_EQ(open()->times_set_aside(), 1U);
  EXPECT_EQ(set_aside().size(), 1U);
}

// FAULTS 8
TEST_F(OutboxFileTest, AnEmptyFileIsANewOne) {
  std::ofstream(path_).close();
  auto file = open();
  EXPECT_EQ(file->times_set_aside(), 0U);
  in_transaction(*file, [&] { file->insert(row(1)); });
  EXPECT_THAT(seqs(*file), ElementsAre(1));
}

TEST_F(OutboxFileTest, AFileWhoseCreationWasCutShortIsANewOne) {
  SQLite::Database(path_.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("PRAGMA journal_mode = WAL");
  ASSERT_EQ(std::filesystem::file_size(path_), 4096U);  // nothing but a header
  auto file = open();
  EXPECT_EQ(file->times_set_aside(), 0U);
  in_transaction(*file, [&] { file->insert(row(1)); });
  EXPECT_THAT(seqs(*file), ElementsAre(1));
}

/// Changes a header field of the database: 60 user_version, 68 application_id.
void set_header(const std::filesystem::path& path, std::streamoff at, char value) {
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(at + 3).put(value);
}

// FAULTS 8
TEST_F(OutboxFileTest, ADatabaseOfAnotherProgramIsSetAside) {
  open().reset();
  set_header(path_, 68, '\x11');
  EXPECT_EQ(open()->times_set_aside(), 1U);
  EXPECT_EQ(set_aside().size(), 1U);
}

// FAULTS 8
TEST_F(OutboxFileTest, AFileOfANewerVersionIsSetAsideAsItIsForThatVersionToGoOnWith) {
  auto file = open();
  in_transaction(*file, [&] { file->insert(row(1)); });
  file.reset();
  set_header(path_, 60, '\x09');
  EXPECT_EQ(open()->times_set_aside(), 1U);
  ASSERT_EQ(set_aside().size(), 1U);
  std::filesystem::rename(directory_.path() / set_aside().front(), path_);
  set_header(path_, 60, '\x02');
  EXPECT_THAT(seqs(*open()), ElementsAre(1));
}

TEST_F(OutboxFileTest, TwoFilesSetAsideInOneSecondDoNotOverwriteEachOther) {
  for (int i = 0; i < 2; ++i) {
    std::ofstream(path_) << std::string(10'000, 'g');
    open().reset();
    std::filesystem::remove(path_);
  }
  EXPECT_EQ(set_aside().size(), 2U);
}

TEST_F(OutboxFileTest, ADirectoryThatCannotBeWrittenIsSaidSo) {
  try {
    OutboxFile file("/proc/ferrule/outbox.db");
    FAIL() << "opened";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/proc/ferrule/outbox.db"));
    EXPECT_THAT(error.what(), HasSubstr("No such file"));
  }
}

TEST_F(OutboxFileTest, ADirectoryInPlaceOfTheFileIsSaidSo) {
  std::filesystem::create_directory(path_);
  EXPECT_THROW(open(), std::runtime_error);
}

TEST_F(OutboxFileTest, HandsPagesBackToTheDiskOnceTheQueueIsEmpty) {
  auto file = open();
  in_transaction(*file, [&] {
    for (Seq seq = 1; seq <= 40'000; ++seq) file->insert(row(seq, std::string(500, 'x')));
  });
  in_transaction(*file, [&] { file->drop_oldest({}, 1 << 30, Priority::Normal); });
  for (int i = 0; i < 30; ++i) in_transaction(*file, [&] { file->reserve(file->reserved() + 1); });
  file.reset();
  EXPECT_LT(std::filesystem::file_size(path_), std::uintmax_t{12} << 20);
}

}  // namespace
}  // namespace ferrule::bridge
