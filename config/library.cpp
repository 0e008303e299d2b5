// Parts of a configuration that come with the program, or lie beside the configuration for all of its files.
#include <array>
#include <set>

#include "config/tree.hpp"

namespace ferrule::config {
namespace {

constexpr std::string_view kEnding = ".yaml";

bool is_name(std::string_view name) {
  constexpr std::string_view kCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  return !name.empty() && name.front() != '.' && name.find_first_not_of(kCharacters) == std::string_view::npos;
}

// bin/ferrule and share/ferrule have one directory around them, wherever that is: /usr, or one to build in.
std::filesystem::path installed() {
  std::error_code none;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", none);
  return program.parent_path().parent_path() / "share/ferrule";
}

std::array<std::filesystem::path, 2> places(const Node::State& top, const std::string& folder) {
  return {top.directory / folder, installed() / folder};
}

}  // namespace

std::optional<Node> Node::from_library(std::string_view name) const {
  if (state_ == nullptr || !link_ || !is_name(name)) return std::nullopt;
  auto& top = *state_->top;
  for (const auto& place : places(top, link_->key)) {
    const auto file = place / (std::string(name) + std::string(kEnding));
    std::error_code none;
    if (!std::filesystem::is_regular_file(file, none)) continue;
    auto& key = top.trees.emplace_back();  // stands for the file, behind all that the configuration itself includes
    key.at = kNowhere - static_cast<Offset>(kMaxFiles) + static_cast<Offset>(top.files++ % kMaxFiles);
    std::string why;
    auto* part = read_part(top, key, file, 2, why);
    if (part == nullptr && !why.empty()) mistake(why);
    if (part == nullptr) return Node{};
    return top.from_library.emplace_back(included(*part, std::string(name), false));
  }
  return std::nullopt;
}

std::vector<std::string> Node::library_names() const {
  if (state_ == nullptr || !link_) return {};
  std::set<std::string> names;
  for (const auto& place : places(*state_->top, link_->key)) {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(place, error), end; !error && entry != end; entry.increment(error)) {
      const auto& file = entry->path();
      if (file.extension() == kEnding && is_name(file.stem().string())) names.insert(file.stem().string());
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace ferrule::config
