// A directory as a configuration: its files merged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "tests/config/directory_fixture.hpp"
#include "tests/config/reading.hpp"

namespace ferrule::config {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class Directory : public DirectoryFixture {
 protected:
  /// Everything that is wrong, the directory as `D`.
  std::string complaints(const std::function<void(const Node&)>& read = {}) const {
    std::string text;
    try {
      const auto document = Document::load(directory_);
      if (read) read(document.root());
      document.finish();
    } catch (const Error& error) {
      text = error.what();
    }
    return told(std::move(text));
  }
};

std::vector<std::string> keys(const Node& map) {
  std::vector<std::string> found;
  for (const auto& [key, node] : map.entries()) found.push_back(key);
  std::ranges::sort(found);
  return found;
}

TEST_F(Directory, MergesMapsKeyByKeyAndTakesTheLastOfAnythingElse) {
  write("10-plant.yaml", "gateway: {id: a, site: berlin}\ndevices:\n  m1: {unit_id: 1, tags: [x, y]}\n");
  write("20-more.yaml", "devices:\n  m2: {unit_id: 2}\n");
  write("30-local.yaml", "gateway: {id: b}\ndevices: {m1: {unit_id: 7, tags: [z]}}\n");
  write(".hidden.yaml", "gateway: 1\n");
  write("40-old.yaml.bak", "gateway: 1\n");
  const auto document = Document::load(directory_);
  const auto root = document.root();
  EXPECT_EQ(root["gateway"]["id"].text(), "b");
  EXPECT_EQ(root["gateway"]["site"].text(), "berlin");
  EXPECT_THAT(keys(root["devices"]), ElementsAre("m1", "m2"));
  EXPECT_EQ(root["devices"]["m1"]["unit_id"].integer(0), 7);
  EXPECT_EQ(root["devices"]["m2"]["unit_id"].integer(0), 2);
  ASSERT_EQ(root["devices"]["m1"]["tags"].items().size(), 1U);
  EXPECT_EQ(root["devices"]["m1"]["tags"].items()[0].text(), "z");
  EXPECT_NO_THROW(document.finish());
}

TEST_F(Directory, HasEachMistakeInItsOwnFileAndAllOfThemInOneRun) {
  write("1.yaml", "devices:\n  m1: {unit_id: a}\n  typo: 1\n");
  write("2.yaml", "# second\n\ndevices:\n  m1: {unit: 4}\n  m2: {unit_id: b}\n");
  const auto text = complaints([](const Node& root) {
    for (const auto* name : {"m1", "m2"}) root["devices"][name]["unit_id"].integer(0);
  });
  EXPECT_EQ(text,
            "D/1.yaml:2:17: error: devices.m1.unit_id: must be an integer, is \"a\"\n  m1: {unit_id: a}\n"
            "                ^\n"
            "D/1.yaml:3:3: error: devices.typo: unknown key\n  typo: 1\n  ^\n"
            "D/2.yaml:4:8: error: devices.m1.unit: unknown key\n  m1: {unit: 4}\n"
            "       ^\n"
            "D/2.yaml:5:17: error: devices.m2.unit_id: must be an integer, is \"b\"\n  m2: {unit_id: b}\n"
            "                ^");
}

TEST_F(Directory, WithFilesThatAreNoYamlSaysSoOfEach) {
  write("1.yaml", "a: [1\n");
  write("2.yaml", "- 1\n");
  write("3.yaml", "b: {\n");
  const auto text = complaints();
  EXPECT_THAT(text, testing::HasSubstr("D/1.yaml:"));
  EXPECT_THAT(text, testing::HasSubstr("D/2.yaml:1:1: error: must be a map of sections, is a list"));
  EXPECT_THAT(text, testing::HasSubstr("D/3.yaml:"));
}

TEST_F(Directory, MergesWhatIsIncludedAndReadsPathsFromEachFile) {
  write("1.yaml", "points: !include parts/points.yaml\n");
  write("2.yaml", "points: {b: {n: 2, m: 3}}\n");
  write("parts/points.yaml", "a: {n: 1}\nb: {n: 7}\n");
  const auto document = Document::load(directory_);
  const auto points = document.root()["points"];
  EXPECT_THAT(keys(points), ElementsAre("a", "b"));
  EXPECT_EQ(points["a"]["n"].integer(0), 1);
  EXPECT_EQ(points["b"]["n"].integer(0), 2);
  EXPECT_EQ(points["b"]["m"].integer(0), 3);
  EXPECT_NO_THROW(document.finish());
}

TEST_F(Directory, ShowsNoSecretThatALaterFileHides) {
  write("1.yaml", "users: {hmi: {password: one-secret, level: x}}\n");
  write("2.yaml", "users: {hmi: {password: two-secret}}\n");
  const auto text = complaints([](const Node& root) {
    EXPECT_EQ(root["users"]["hmi"]["password"].secret(), "two-secret");
    root["users"]["hmi"]["level"].integer(0);
  });
  EXPECT_THAT(text, testing::HasSubstr("D/1.yaml:1:"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("secret")));
}

TEST_F(Directory, MustHaveAFileAndNotTooMany) {
  EXPECT_EQ(complaints(), "D: error: has no file *.yaml");
  for (int i = 0; i < 101; ++i) write(std::to_string(i) + ".yaml", "a: 1\n");
  EXPECT_EQ(complaints(), "D: error: has more than 100 files *.yaml");
}

}  // namespace
}  // namespace ferrule::config
