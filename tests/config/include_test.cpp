// `!include`: a part of the configuration in a file of its own.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "tests/config/directory_fixture.hpp"
#include "tests/config/reading.hpp"

namespace ferrule::config {
namespace {

namespace fs = std::filesystem;

class Includes : public DirectoryFixture {
 protected:
  Document parse(std::string yaml) const { return Document::parse(std::move(yaml), (directory_ / "f").string()); }

  /// Everything that is wrong, the directory as `D`.
  std::string complaints(const std::string& yaml, const std::function<void(const Node&)>& read = {}) const {
    std::string text;
    try {
      const auto document = parse(yaml);
      if (read) read(document.root());
      document.finish();
    } catch (const Error& error) {
      text = error.what();
    }
    return told(std::move(text));
  }
};

TEST_F(Includes, StandForAMapOrAList) {
  write("points.yaml", "a: {n: 1}\nb: {n: 2}\n");
  write("list.yaml", "- 1\n- 2\n");
  write("item.yaml", "n: 7\n");
  const auto document = parse("points: !include points.yaml\nlist: !include list.yaml\nitems: [!include item.yaml]\n");
  const auto root = document.root();
  EXPECT_EQ(root["points"]["b"]["n"].integer(0), 2);
  EXPECT_EQ(root["points"].entries().size(), 2U);
  EXPECT_EQ(root["points"]["a"]["n"].integer(0), 1);
  ASSERT_EQ(root["list"].items().size(), 2U);
  EXPECT_EQ(root["list"].items()[1].integer(0), 2);
  EXPECT_EQ(root["items"].items()[0]["n"].integer(0), 7);
  EXPECT_EQ(root["items"].items()[0]["n"].path(), "items[0].n");
  document.finish();
}

TEST_F(Includes, MistakesStandInTheirOwnFileWithTheirWholePath) {
  write("sub/points.yaml", "a: {n: one}\nb: {m: 1}\n");
  const auto read = [](const Node& root) {
    EXPECT_EQ(root["points"]["a"]["n"].integer(5), 5);
    root["points"]["b"]["n"].required_integer(0, 9);
    root["x"].integer(0);
  };
  EXPECT_EQ(complaints("points: !include sub/points.yaml\nx: y\n", read),
            "D/f:2:4: error: x: must be an integer, is \"y\"\nx: y\n   ^\n"
            "D/sub/points.yaml:1:8: error: points.a.n: must be an integer, is \"one\"\na: {n: one}\n       ^\n"
            "D/sub/points.yaml:2:1: error: points.b.n: is required\nb: {m: 1}\n^\n"
            "D/sub/points.yaml:2:5: error: points.b.m: unknown key\nb: {m: 1}\n    ^");
}

TEST_F(Includes, WhatAWholeFileLacksIsSaidAtItsBeginning) {
  write("p.yaml", "\na: 1\n");
  EXPECT_EQ(complaints("p: !include p.yaml\n",
                       [](const Node& root) { root["p"]["a"].integer(0), root["p"]["b"].required_text(); }),
            "D/p.yaml:2:1: error: p.b: is required\na: 1\n^");
}

TEST_F(Includes, AreReadBesideEachOther) {
  write("one/a.yaml", "b: !include b.yaml\nsecret: !file key\n");
  write("one/b.yaml", "n: 3\n");
  write("one/key", "s3cret\n");
  const auto document = parse("a: !include one/a.yaml\n");
  const auto a = document.root()["a"];
  EXPECT_EQ(a["b"]["n"].integer(0), 3);
  EXPECT_EQ(a["secret"].secret(), "s3cret");
  EXPECT_EQ(a["secret"].where().file, (directory_ / "one/a.yaml").string());
}

TEST_F(Includes, OneFileMayServeTwice) {
  write("p.yaml", "n: 3\n");
  const auto document = parse("a: !include p.yaml\nb: !include p.yaml\nc: &p !include p.yaml\nd: *p\n");
  for (const auto* key : {"a", "b", "c", "d"}) EXPECT_EQ(document.root()[key]["n"].integer(0), 3) << key;
  document.finish();
}

TEST_F(Includes, ASecretIsHiddenInEveryFile) {
  write("p.yaml", "comment: hunter22\nn: x  # hunter22\n");
  const auto read = [](const Node& root) {
    EXPECT_EQ(root["password"].secret(), "hunter22");
    root["p"]["comment"].text();
    root["p"]["n"].integer(0);
  };
  const auto text = complaints("password: hunter22\np: !include p.yaml\n", read);
  EXPECT_NE(text.find("D/p.yaml:2:4"), std::string::npos) << text;
  EXPECT_EQ(text.find("hunter22"), std::string::npos) << text;
}

TEST_F(Includes, ThatCannotBeReadAreMistakes) {
  write("self.yaml", "a: !include self.yaml\n");
  write("list.yaml", "[1");
  write("word.yaml", "word\n");
  write("bytes.yaml", std::string_view("a: \0", 4));
  write("twice.yaml", "a: 1\na: 2\n");
  const auto read = [](const Node& root) { root["p"].ignore(), root["p"]["a"].ignore(); };
  const auto first = [&](const std::string& yaml) {
    const auto text = complaints(yaml, read);
    return text.substr(0, text.find('\n'));
  };
  EXPECT_EQ(first("p: !include absent.yaml\n"), "D/f:1:4: error: p: file D/absent.yaml does not exist");
  EXPECT_EQ(first("p: !include .\n"), "D/f:1:4: error: p: file D/. is a directory");
  EXPECT_EQ(first("p: !include\n"), "D/f:1:4: error: p: needs the path of a file: !include PATH");
  EXPECT_EQ(first("p: !include self.yaml\n"), "D/self.yaml:1:4: error: a: includes the file that it is a part of");
  EXPECT_EQ(first("p: !include word.yaml\n"),
            "D/word.yaml:1:1: error: must be a map or a list to be included, is a single value");
  EXPECT_EQ(first("p: !include bytes.yaml\n"),
            "D/f:1:4: error: p: cannot be included: D/bytes.yaml: error: is not a text file");
  EXPECT_EQ(first("p: !include twice.yaml\n"), "D/twice.yaml:2:1: error: a: is given twice; the first is in line 1");
  EXPECT_NE(first("p: !include list.yaml\n").find("D/list.yaml:1:"), std::string::npos);
  EXPECT_NE(first("!include list.yaml : 1\n").find("has a tag that means nothing here: !include"), std::string::npos);
}

TEST_F(Includes, AreBoundedInNumberAndDepth) {
  write("p.yaml", "n: 3\n");
  std::string many;
  for (int i = 0; i <= 100; ++i) many += "k" + std::to_string(i) + ": !include p.yaml\n";
  EXPECT_NE(complaints(many).find("is more than the 100 files that may be included"), std::string::npos);
  for (int i = 0; i < 90; ++i) {
    write("d" + std::to_string(i) + ".yaml", "k: !include d" + std::to_string(i + 1) + ".yaml\n");
  }
  write("d90.yaml", "k: 1\n");
  EXPECT_NE(complaints("k: !include d0.yaml\n", [](const Node& root) { root["k"].ignore(); })
                .find("is nested deeper than 64 levels"),
            std::string::npos);
}

TEST_F(Includes, TheLibraryBesideTheConfigurationHasFurtherEntries) {
  write("things/big.yaml", "n: 7\nm: 1\nk: !include part.yaml\n");
  write("things/part.yaml", "x: 1\n");
  write("things/.hidden.yaml", "n: 1\n");
  write("things/big.txt", "n: 1\n");
  const auto read = [](const Node& root) {
    const auto things = root["things"];
    EXPECT_EQ(things.library_names(), (std::vector<std::string>{"big", "part"}));
    EXPECT_FALSE(things.from_library("small"));
    EXPECT_FALSE(things.from_library("../things/big"));
    EXPECT_FALSE(things.from_library(".hidden"));
    const auto big = things.from_library("big").value();
    EXPECT_EQ(big["n"].integer(0), 7);
    EXPECT_EQ(big["k"]["x"].integer(0), 1);
    EXPECT_EQ(big["n"].path(), "things.big.n");
  };
  EXPECT_EQ(complaints("a: 1\n", [&](const Node& root) { root["a"].integer(0), read(root); }),
            "D/things/big.yaml:2:1: error: things.big.m: unknown key\nm: 1\n^");
}

TEST_F(Includes, TheLibraryMayHaveMistakes) {
  write("things/open.yaml", "n: [1\n");
  write("things/bytes.yaml", std::string_view("a: \0", 4));
  const auto read = [](const Node& root) {
    EXPECT_FALSE(root["things"].from_library("open").value().present());
    EXPECT_FALSE(root["things"].from_library("bytes").value().present());
  };
  const auto text = complaints("things: {}\n", read);
  EXPECT_NE(text.find("D/f:1:9: error: things: cannot be included: D/things/bytes.yaml: error: is not a text file"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("D/things/open.yaml:"), std::string::npos) << text;
}

}  // namespace
}  // namespace ferrule::config
