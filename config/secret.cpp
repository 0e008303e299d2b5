// Secrets: where they come from, and that no mistake shows them.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "config/tree.hpp"

namespace ferrule::config {
namespace {

constexpr std::size_t kMaxSecretFile = 64U << 10U;  // bytes

// Where the text of a scalar stands in the file, without its tag and anchor: [first, last).
std::pair<Offset, Offset> extent(const Node::Tree& tree, std::string_view text) {
  const auto first = skip_properties(text, tree.at);
  if (!tree.text.empty() && text.compare(first, tree.text.size(), tree.text) == 0) {
    return {static_cast<Offset>(first), static_cast<Offset>(first + tree.text.size())};
  }
  if (const auto quote = closing_quote(text, first))
    return {static_cast<Offset>(first), static_cast<Offset>(*quote + 1)};
  // Several lines, or a block: all up to the next value.
  const auto end = text.find_last_not_of(" \t\r\n", std::min<std::size_t>(tree.next, text.size()) - 1);
  return {static_cast<Offset>(first), static_cast<Offset>(std::max(first, end + 1))};
}

}  // namespace

std::string Node::secret(std::string_view fallback) const {
  hide();
  return text(fallback);
}

std::string Node::required_secret() const {
  hide();
  return required_text();
}

std::optional<std::string> Node::from_environment() const {
  const std::string name(tree_->text);
  const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
  if (value == nullptr) {
    mistake(name.empty() ? "needs the name of an environment variable: !env NAME"
                         : fmt::format("environment variable {} is not set", name));
    return std::nullopt;
  }
  state_->source.hide(value);
  return value;
}

std::optional<std::string> Node::from_file() const {
  if (tree_->text.empty()) return mistake("needs the path of a file: !file PATH"), std::nullopt;
  return content_of(state_->directory / std::filesystem::path(tree_->text));  // an absolute path replaces the directory
}

std::optional<std::string> Node::from_credential() const {
  const auto name = tree_->text;
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos) {
    mistake("needs the name of a credential, which is no path: !credential NAME");
    return std::nullopt;
  }
  auto hint = fmt::format("LoadCredential={}:PATH in the service's unit puts it there", name);
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory == '\0') {
    mistake(fmt::format("credential {} is not there: $CREDENTIALS_DIRECTORY is not set", name), std::move(hint));
    return std::nullopt;
  }
  return content_of(std::filesystem::path(directory) / name, std::move(hint));
}

std::optional<std::string> Node::content_of(const std::filesystem::path& file, std::string hint) const {
  std::string value;
  std::string why;
  if (!read_file(file, kMaxSecretFile, true, value, why)) {
    mistake(fmt::format("file {} {}", file.string(), why), std::move(hint));
    return std::nullopt;
  }
  if (value.ends_with('\n')) value.pop_back();
  if (value.ends_with('\r')) value.pop_back();
  state_->source.hide(value);
  return value;
}

std::string Node::file_path() const {
  const auto written = text();
  return written.empty() ? written : (state_->directory / std::filesystem::path(written)).string();
}

// Also hides what stands behind the same key again (a duplicate), and what a misspelt key would show.
void Node::hide() const {
  if (state_ == nullptr) return;
  if (link_ && !link_->item) state_->secret_names.insert(link_->key);
  if (tree_ != nullptr) state_->hide(*tree_);
  if (!link_ || link_->map == nullptr) return;
  for (const auto& entry : link_->map->children->entries) {
    if (entry.duplicate && entry.key == link_->key) (entry.file != nullptr ? entry.file : state_)->hide(*entry.value);
  }
}

void Node::State::hide(const Tree& tree) {
  constexpr std::uint32_t kFew =
      1000;  // what stands where a secret should be is hidden too, unless it is half the file
  if (tree.children && tree.weight < kFew) {
    for (const auto& entry : tree.children->entries) (entry.file != nullptr ? entry.file : this)->hide(*entry.value);
    for (const auto* item : tree.children->items) hide(*item);
  }
  if (tree.text.empty() || tree.tag != Tag::None) return;
  const auto [first, last] = extent(tree, source.text());
  source.hide(first, last);
  source.hide(std::string(tree.text));
}

}  // namespace ferrule::config
