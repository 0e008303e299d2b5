// Secrets come from the environment, from files or from the configuration, and no mistake shows one.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "tests/config/directory_fixture.hpp"
#include "tests/config/reading.hpp"

namespace ferrule::config {
namespace {

namespace fs = std::filesystem;

class Secrets : public DirectoryFixture {
 protected:
  Document parse(std::string yaml) const { return Document::parse(std::move(yaml), (directory_ / "f.yaml").string()); }

  // What `!file name` is read as, or the complaint with the directory as `D`.
  std::string read(const std::string& yaml) const {
    const auto document = parse(yaml);
    const auto value = document.root()["password"].required_secret();
    try {
      document.finish();
    } catch (const Error& error) {
      return "mistake: " + told(error.mistakes().front().message);
    }
    return value;
  }
};

TEST_F(Secrets, ComeFromTheEnvironment) {
  ::setenv("FERRULE_TEST_SECRET", "s3cret", 1);
  ::unsetenv("FERRULE_TEST_ABSENT");
  EXPECT_EQ(read("password: !env FERRULE_TEST_SECRET\n"), "s3cret");
  EXPECT_EQ(read("password: !env FERRULE_TEST_ABSENT\n"),
            "mistake: environment variable FERRULE_TEST_ABSENT is not set");
  EXPECT_EQ(read("password: !env\n"), "mistake: needs the name of an environment variable: !env NAME");
  ::setenv("FERRULE_TEST_SECRET", "", 1);
  EXPECT_EQ(read("password: !env FERRULE_TEST_SECRET\n"), "mistake: must not be empty");
}

TEST_F(Secrets, ComeFromAFileBesideTheConfiguration) {
  fs::create_directory(directory_ / "sub");
  write("sub/hmi", "s3cret\n");
  write("windows", "s3cret\r\n");
  write("two", "a\n\n");
  EXPECT_EQ(read("password: !file sub/hmi\n"), "s3cret");
  EXPECT_EQ(read("password: !file windows\n"), "s3cret");
  EXPECT_EQ(read("password: !file two\n"), "a\n") << "one line feed is dropped, not all";
  EXPECT_EQ(read("password: !file " + (directory_ / "sub/hmi").string() + "\n"), "s3cret");
}

TEST_F(Secrets, SayWhyAFileIsNotRead) {
  write("empty", "\n");
  write("fits", std::string(65536, 'x'));
  write("big", std::string(65537, 'x'));
  write("huge", "x");
  ASSERT_EQ(::truncate((directory_ / "huge").c_str(), 5'000'000'000), 0);
  ASSERT_EQ(::mkfifo((directory_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(read("password: !file absent\n"), "mistake: file D/absent does not exist");
  EXPECT_EQ(read("password: !file .\n"), "mistake: file D/. is a directory");
  EXPECT_EQ(read("password: !file pipe\n"), "mistake: file D/pipe is not a regular file")
      << "and must not wait for a writer";
  EXPECT_EQ(read("password: !file big\n"), "mistake: file D/big is larger than 64KiB");
  EXPECT_EQ(read("password: !file huge\n"), "mistake: file D/huge is larger than 64KiB") << "on 32 bits, too";
  EXPECT_EQ(read("password: !file fits\n").size(), 65536U);
  EXPECT_EQ(read("password: !file empty\n"), "mistake: must not be empty");
  EXPECT_EQ(read("password: !file\n"), "mistake: needs the path of a file: !file PATH");
}

TEST_F(Secrets, ComeFromSystemdsCredentials) {
  write("hq", "s3cret\n");
  ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);
  EXPECT_EQ(read("password: !credential hq\n"), "s3cret");
  EXPECT_EQ(complaints("url: !credential hq\n",
                       [](const Node& root) { root["url"].mistake("cannot read \"" + root["url"].text() + "\""); }),
            "f:1:6: error: url: cannot read \"***\"\n"
            "url: !credential hq\n"
            "     ^");
}

TEST_F(Secrets, SayWhyACredentialIsNotThere) {
  const std::string hint = " (LoadCredential=hq:PATH in the service's unit puts it there)";
  ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);
  EXPECT_EQ(read("password: !credential hq\n"), "mistake: file D/hq does not exist" + hint);
  write("hq", std::string(65537, 'x'));
  EXPECT_EQ(read("password: !credential hq\n"), "mistake: file D/hq is larger than 64KiB" + hint);
  for (const auto* name : {"", ".", "..", "../hq", "/etc/passwd", "sub/hq"}) {
    EXPECT_EQ(read(std::string("password: !credential ") + name + "\n"),
              "mistake: needs the name of a credential, which is no path: !credential NAME")
        << name;
  }
  ::unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_EQ(complaints("hq: {password: !credential hq}\n", [](const Node& root) { root["hq"]["password"].secret(); }),
            "f:1:16: error: hq.password: credential hq is not there: $CREDENTIALS_DIRECTORY is not set" + hint +
                "\nhq: {password: !credential hq}\n               ^");
}

TEST_F(Secrets, AreTextAlsoForPlainReaders) {
  ::setenv("FERRULE_TEST_SECRET", "user1", 1);
  const auto document = parse("a: !env FERRULE_TEST_SECRET\nb: !env 'FERRULE_TEST_SECRET'\n");
  EXPECT_EQ(document.root()["a"].text(), "user1");
  EXPECT_EQ(document.root()["b"].required_text(), "user1");
  EXPECT_NO_THROW(document.finish());
}

TEST(Secret, IsHiddenInItsLine) {
  const auto read = [](const Node& root) {
    const auto user = root["hmi"];
    user["password"].secret();
    user["qos"].integer(0, 0, 2);
  };
  EXPECT_EQ(complaints("hmi: {password: hunter2, qos: 5}\n", read),
            "f:1:31: error: hmi.qos: must be between 0 and 2, is 5\n"
            "hmi: {password: ***, qos: 5}\n"
            "                          ^");
  EXPECT_EQ(complaints("hmi: {qos: 5, password: \"hun\\\"ter, 2\", x: 1}\n", read),
            "f:1:12: error: hmi.qos: must be between 0 and 2, is 5\n"
            "hmi: {qos: 5, password: ***, x: 1}\n"
            "           ^\n"
            "f:1:40: error: hmi.x: unknown key\n"
            "hmi: {qos: 5, password: ***, x: 1}\n"
            "                             ^");
  EXPECT_EQ(complaints("hmi:\n  password: hunter2\n  password: other3\n  pasword: third4\n  Password: fifth5\n", read),
            "f:3:3: error: hmi.password: is given twice; the first is in line 2\n"
            "  password: ***\n"
            "  ^\n"
            "f:4:3: error: hmi.pasword: unknown key\n"
            "  pasword: ***\n"
            "  ^\n"
            "f:5:3: error: hmi.Password: unknown key\n"
            "  Password: ***\n"
            "  ^");
}

TEST(Secret, OfAnyNameIsHiddenAlsoWhenItsKeyIsMisspelt) {
  const auto read = [](const Node& root) { root["key"].required_secret(); };
  EXPECT_EQ(complaints("keyy: hunter2\n", read),
            "f: error: key: is required\n"
            "f:1:1: error: keyy: unknown key (did you mean \"key\"?)\n"
            "keyy: ***\n"
            "^");
}

TEST(Secret, IsHiddenInASyntaxError) {
  const auto text = complaints("password: hunter2: x\n", [](const Node&) {});
  EXPECT_NE(text.find("is not valid YAML"), std::string::npos) << text;
  EXPECT_NE(text.find("\npassword: ***\n"), std::string::npos) << text;
  EXPECT_EQ(complaints("hmi: {\"api_token\": \"hunter2\n", [](const Node&) {}).find("hunter2"), std::string::npos);
}

TEST(Secret, OfTheWrongTypeIsHidden) {
  const auto read = [](const Node& root) { root["key"].secret(); };
  EXPECT_EQ(complaints("key: {a: [hunter2]}\n", read),
            "f:1:6: error: key: must be text, is a map\n"
            "key: {a: [***]}\n"
            "     ^");
  EXPECT_EQ(complaints("key: !vault hunter2\n", read),
            "f:1:6: error: key: has a tag that means nothing here: !vault (known tags: !env NAME, !file PATH, "
            "!credential NAME, !include PATH)\n"
            "key: !vault ***\n"
            "     ^");
}

TEST(Secret, IsHiddenInMessagesOfReaders) {
  ::setenv("FERRULE_TEST_SECRET", "hunter2", 1);
  EXPECT_EQ(complaints("url: !env FERRULE_TEST_SECRET\n",
                       [](const Node& root) { root["url"].mistake("cannot read \"" + root["url"].text() + "\""); }),
            "f:1:6: error: url: cannot read \"***\"\n"
            "url: !env FERRULE_TEST_SECRET\n"
            "     ^");
}

// Whatever is wrong around it, and however it is written.
TEST(Secret, NeverShowsInAnyMistake) {
  std::mt19937 random(4);
  const std::string secret = "Zq7xW9";
  const std::string spellings[] = {secret,
                                   "\"" + secret + "\"",
                                   "'" + secret + "'",
                                   "\"\\x5A\\x71" + secret.substr(2) + "\"",
                                   "|\n    " + secret + "\n",
                                   "&a " + secret,
                                   "!!str " + secret,
                                   ">-\n    " + secret};
  const std::string others[] = {"qos: 9",     "qos: x",   "nonsense: 1", "password: *b",
                                "qos: \"1\"", "qos: [1]", "x: {y: 1}",   "qos"};
  for (int i = 0; i < 2000; ++i) {
    std::string yaml = "hmi:\n";
    const auto at = random() % 3;
    for (unsigned k = 0; k < 3; ++k) {
      yaml += "  ";
      yaml +=
          k == at ? "password: " + spellings[random() % std::size(spellings)] : others[random() % std::size(others)];
      yaml += "\n";
    }
    const auto text = complaints(yaml, [](const Node& root) {
      root["hmi"]["password"].secret();
      root["hmi"]["qos"].integer(0, 0, 2);
    });
    ASSERT_EQ(text.find(secret), std::string::npos) << yaml << text;
    ASSERT_EQ(text.find(secret.substr(2)), std::string::npos) << yaml << text;
  }
}

}  // namespace
}  // namespace ferrule::config
