// How the tests of config read a document and see what it says.
#pragma once

#include <functional>
#include <string>

#include "config/node.hpp"

namespace ferrule::config {

/// Everything that is wrong with `yaml` when `read` reads it, as printed; empty when nothing is. The file is called
/// `f`.
inline std::string complaints(const std::string& yaml, const std::function<void(const Node&)>& read) {
  try {
    const auto document = Document::parse(yaml, "f");
    read(document.root());
    document.finish();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

/// The first line of each mistake, without its source line and caret.
inline std::string messages(const std::string& yaml, const std::function<void(const Node&)>& read) {
  try {
    const auto document = Document::parse(yaml, "f");
    read(document.root());
    document.finish();
  } catch (const Error& error) {
    std::string result;
    for (const auto& mistake : error.mistakes()) {
      const auto text = mistake.text();
      if (!result.empty()) result += '\n';
      result += text.substr(0, text.find('\n'));
    }
    return result;
  }
  return {};
}

}  // namespace ferrule::config
