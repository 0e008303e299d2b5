// A part of a configuration in a file of its own.
#include <fmt/format.h>

#include "config/tree.hpp"

namespace ferrule::config {

Node::State* read_part(Node::State& around, const Node::Tree& key, const std::filesystem::path& file, std::size_t depth,
                       std::string& why) {
  for (const auto* outer = &around; outer != nullptr; outer = outer->includer) {
    std::error_code none;
    if (std::filesystem::equivalent(outer->source.file(), file, none)) {
      why = "includes the file that it is a part of";
      return nullptr;
    }
  }
  std::string text;
  const auto* texts = around.top->texts.get();
  const auto instead = texts == nullptr ? Texts::const_iterator{} : texts->find(file.string());
  if (texts != nullptr && instead != texts->end()) {
    text = instead->second;
  } else if (!read_file(file, kMaxFile, true, text, why)) {
    why = fmt::format("file {} {}", file.string(), why);
    return nullptr;
  }
  auto& kept = around.included[&key];
  try {
    kept = std::make_unique<Node::State>(std::move(text), file.string(), &around);
    kept->part = true;
    kept->depth = depth;
    parse_yaml(*kept);
    return kept.get();
  } catch (const Error& error) {
    // What is no YAML has recorded why; what is no text could not.
    if (kept != nullptr) return nullptr;
    around.included.erase(&key);
    why = fmt::format("cannot be included: {}", error.mistakes().front().text());
    return nullptr;
  }
}

}  // namespace ferrule::config
