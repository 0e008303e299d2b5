// Files that cannot be a configuration: one clear line each.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "config/node.hpp"
#include "tests/config/directory_fixture.hpp"

namespace ferrule::config {
namespace {

namespace fs = std::filesystem;

class Files : public DirectoryFixture {
 protected:
  // What is said about a file, with its name as `f`.
  static std::string complaint(const fs::path& file) {
    try {
      Document::load(file);
    } catch (const Error& error) {
      std::string text = error.what();
      EXPECT_EQ(text.find(file.string()), 0U) << text;
      EXPECT_EQ(error.exit_code(), 78);
      return "f" + text.substr(file.string().size());
    }
    return {};
  }
};

TEST_F(Files, AreLoadedWithTheirDirectory) {
  const auto document = Document::load(write("a.yaml", "version: 1\n"));
  EXPECT_EQ(document.root()["version"].integer(0), 1);
  EXPECT_EQ(document.directory(), directory_);
  EXPECT_EQ(document.file(), (directory_ / "a.yaml").string());
}

TEST_F(Files, MissingOrNotAFile) {
  EXPECT_EQ(complaint(directory_ / "absent.yaml"), "f: error: does not exist");
  EXPECT_EQ(complaint(write("a.yaml", "") / "b.yaml"),
            "f: error: does not exist (a part of its path is not a directory)");
  fs::create_directory(directory_ / "empty");
  EXPECT_EQ(complaint(directory_ / "empty"), "f: error: has no file *.yaml");
}

TEST_F(Files, Empty) {
  EXPECT_EQ(complaint(write("a.yaml", "")), "f: error: is empty");
  EXPECT_EQ(complaint(write("a.yaml", " \r\n\t\n")), "f: error: is empty");
  EXPECT_EQ(complaint(write("a.yaml", "\xEF\xBB\xBF")), "f: error: is empty");
  EXPECT_EQ(complaint(write("a.yaml", "---\n...\n")), "f: error: is empty");
  EXPECT_EQ(complaint("/dev/null"), "f: error: is empty");
}

TEST_F(Files, ThatAreNotText) {
  EXPECT_EQ(complaint(write("a.yaml", std::string_view("a: 1\0b", 6))), "f: error: is not a text file");
  EXPECT_EQ(complaint(write("a.yaml", "a: 1\nna\u00efve: \xE9\n")),
            "f:2:8: error: byte 0xE9 is not UTF-8 text (save the file as UTF-8)");
  EXPECT_EQ(complaint(write("a.yaml", std::string_view("\xFF\xFE"
                                                       "a\0",
                                                       4))),
            "f: error: is UTF-16 text (save it as UTF-8)");
  EXPECT_EQ(complaint(write("a.yaml", "a: \x1b[2J\n")),
            "f:1:4: error: has a control character here, which is not text (in quotes it can be written as \\xNN)");
  EXPECT_EQ(complaint(write("a.yaml", "a: \u009b2J\n")),
            "f:1:4: error: has a control character here, which is not text (in quotes it can be written as \\xNN)");
}

TEST_F(Files, TooLarge) {
  const auto limit = std::string(16U << 20U, '#');
  EXPECT_EQ(complaint(write("a.yaml", limit)), "f: error: is empty") << "16 MiB of comment are allowed";
  EXPECT_EQ(complaint(write("a.yaml", limit + "#")), "f: error: is larger than 16MiB");
}

// As another user when the tests run as root, whom no permission stops.
TEST_F(Files, NotReadable) {
  const auto file = write("a.yaml", "version: 1\n");
  ::chmod(directory_.c_str(), 0755);
  ::chmod(file.c_str(), 0);
  const bool root = ::geteuid() == 0;
  if (root) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const auto text = complaint(file);
  if (root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_EQ(text, "f: error: must not be read by this user (permission denied)");
}

}  // namespace
}  // namespace ferrule::config
