// A directory of their own for the tests of what is read from files.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace ferrule::config {

class DirectoryFixture : public testing::Test {
 protected:
  DirectoryFixture() {
    std::string name = (std::filesystem::temp_directory_path() / "ferrule-config-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~DirectoryFixture() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const std::string& name, std::string_view content) const {
    const auto file = directory_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  /// A message with the directory as `D`.
  std::string told(std::string text) const {
    const auto name = directory_.string();
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name)) text.replace(at, name.size(), "D");
    return text;
  }

  std::filesystem::path directory_;
};

}  // namespace ferrule::config
