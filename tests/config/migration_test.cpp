// A file of an older version of the language: read as what it meant, and rewritten when asked.
#include "config/migration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "config/node.hpp"
#include "tests/config/directory_fixture.hpp"

namespace ferrule::config {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class MigrationTest : public DirectoryFixture {
 protected:
  /// What `ferrule migrate` makes of one file.
  std::string migrated(std::string_view content) const {
    const auto file = write("plant.yaml", content).string();
    return migrate(file).texts[file];
  }
};

int rate_of(const Node& queue) { return static_cast<int>(queue["backfill"]["rate"].integer(0)); }

TEST_F(MigrationTest, TwoKeysBecomeOneAndCommentsStay) {
  EXPECT_EQ(migrated("# The plant.\n"
                     "version: 1   # of the language\n"
                     "queue:\n"
                     "  max_age: 30d\n"
                     "  backfill: live-first   # the dashboard first\n"
                     "  backfill_rate: 200\n"
                     "  sync: 1s\n"),
            "# The plant.\n"
            "version: 2   # of the language\n"
            "queue:\n"
            "  max_age: 30d\n"
            "  backfill: {rate: 200}   # the dashboard first\n"
            "  sync: 1s\n");
}

TEST_F(MigrationTest, InBracketsTheCommaGoesToo) {
  EXPECT_EQ(migrated("version: 1\nqueue: {backfill: live-first, backfill_rate: 200, sync: 1s}\n"),
            "version: 2\nqueue: {backfill: {rate: 200}, sync: 1s}\n");
  EXPECT_EQ(migrated("version: 1\nqueue: {backfill: 'live-first', backfill_rate: 200}\n"),
            "version: 2\nqueue: {backfill: {rate: 200}}\n");
  EXPECT_EQ(migrated("version: 1\nqueue: {backfill_rate: 0x10, backfill: live-first}\n"),
            "version: 2\nqueue: {backfill: {rate: 0x10}}\n");
  EXPECT_EQ(migrated("version: 1\nqueue:\n  {backfill: live-first,\n   backfill_rate: 200\n  }\n"),
            "version: 2\nqueue:\n  {backfill: {rate: 200},\n  }\n");
}

TEST_F(MigrationTest, AnUplinksOwnRateBesideTheOrderOfAllStaysOne) {
  EXPECT_EQ(migrated("version: 1\n"
                     "queue: {backfill: live-first}\n"
                     "uplinks:\n"
                     "  hq:\n"
                     "    queue: {backfill_rate: 5}\n"
                     "  azure:\n"
                     "    url: mqtt://a\n"),
            "version: 2\n"
            "queue: {backfill: live-first}\n"
            "uplinks:\n"
            "  hq:\n"
            "    queue: {backfill: {rate: 5}}\n"
            "  azure:\n"
            "    url: mqtt://a\n");
}

TEST_F(MigrationTest, AFileThatSaysNoVersionIsOfTheFirst) {
  EXPECT_EQ(migrated("# The plant.\nqueue: {sync: 1s}\n"), "# The plant.\nversion: 2\nqueue: {sync: 1s}\n");
  EXPECT_EQ(migrated("{queue: {sync: 1s}}\n"), "{version: 2, queue: {sync: 1s}}\n");
}

TEST_F(MigrationTest, AnOldFileIsReadAsWhatItMeantWithAWarningWhereItStands) {
  const auto document =
      Document::parse("version: 1\nqueue:\n  backfill: live-first\n  backfill_rate: 200\nend: x\n", "plant.yaml");
  EXPECT_EQ(rate_of(document.root()["queue"]), 200);
  document.root()["version"].integer(0);
  EXPECT_EQ(document.root()["end"].where().line, 5);
  document.finish();
  ASSERT_THAT(document.warnings(), SizeIs(1));
  EXPECT_THAT(document.warnings()[0].text(),
              HasSubstr("plant.yaml:4:3: warning: queue.backfill_rate: is \"backfill: {rate: 200}\" since version 2"));
}

TEST_F(MigrationTest, NoWarningShowsASecretOfItsLine) {
  const auto document = Document::parse(
      "{version: 1, uplinks: {hq: {password: hunter2, queue: {backfill: live-first, backfill_rate: 2}}}}\n", "f");
  EXPECT_EQ(document.warnings().at(0).text().find("hunter2"), std::string::npos);
  try {
    Document::parse("{version: 9, uplinks: {hq: {password: hunter2}}}\n", "f");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("hunter2")));
  }
}

TEST_F(MigrationTest, WhatMeansTheSameIsNotSpokenOf) {
  EXPECT_THAT(Document::parse("version: 1\nqueue: {backfill: live-first}\n", "f").warnings(), IsEmpty());
  EXPECT_THAT(Document::parse("version: 2\nqueue: {backfill: {rate: 1}}\n", "f").warnings(), IsEmpty());
}

TEST_F(MigrationTest, OfANewerVersionNothingOldIsUnderstood) {
  const auto document = Document::parse("version: 2\nqueue: {backfill: live-first, backfill_rate: 1}\n", "f");
  const auto queue = document.root()["queue"];
  queue["backfill"].text();
  document.root()["version"].integer(0);
  EXPECT_THROW(document.finish(), Error);
}

TEST_F(MigrationTest, WhatIsIncludedIsRewrittenInItsOwnFile) {
  const auto included =
      write("hq.yaml", "url: mqtt://a\nqueue:\n  backfill: live-first\n  backfill_rate: 7\n").string();
  const auto file = write("plant.yaml", "version: 1\nuplinks: {hq: !include hq.yaml, b: !include hq.yaml}\n").string();
  const auto document = Document::load(file);
  EXPECT_EQ(rate_of(document.root()["uplinks"]["hq"]["queue"]), 7);
  EXPECT_EQ(rate_of(document.root()["uplinks"]["b"]["queue"]), 7);
  auto migration = migrate(file);
  EXPECT_EQ(migration.first, file);
  EXPECT_EQ(migration.texts[included], "url: mqtt://a\nqueue:\n  backfill: {rate: 7}\n");
  EXPECT_EQ(migration.texts[file], "version: 2\nuplinks: {hq: !include hq.yaml, b: !include hq.yaml}\n");
}

TEST_F(MigrationTest, InADirectoryTheTwoKeysMayStandInTwoFiles) {
  const auto first = write("10-plant.yaml", "queue: {backfill_rate: 7, sync: 1s}\n").string();
  const auto second = write("20-local.yaml", "version: 1\nqueue:\n  backfill: live-first\n").string();
  EXPECT_EQ(rate_of(Document::load(directory_).root()["queue"]), 7);
  auto migration = migrate(directory_);
  EXPECT_EQ(migration.texts[first], "queue: {sync: 1s}\n");
  EXPECT_EQ(migration.texts[second], "version: 2\nqueue:\n  backfill: {rate: 7}\n");
  EXPECT_EQ(migration.first, second);
}

TEST_F(MigrationTest, WhatCannotBeMovedStaysAMistake) {
  for (const auto* queue : {"{backfill: in-order, backfill_rate: 5}", "{backfill: &b live-first, backfill_rate: 5}"}) {
    const auto document = Document::parse(std::string("version: 1\nqueue: ") + queue + "\n", "f");
    EXPECT_THAT(document.warnings(), IsEmpty()) << queue;
    EXPECT_TRUE(document.root()["queue"]["backfill_rate"].present()) << queue;
  }
}

}  // namespace
}  // namespace ferrule::config
