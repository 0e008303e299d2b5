#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/tree.hpp"
#include "config/utf8.hpp"

namespace ferrule::config {

const Entry* Node::Tree::find(std::string_view key) const {
  if (kind != Kind::Map) return nullptr;
  const auto& entries = children->entries;
  const auto found =
      std::lower_bound(children->by_key.begin(), children->by_key.end(), key,
                       [&](std::uint32_t index, std::string_view wanted) { return entries[index].key < wanted; });
  return found != children->by_key.end() && entries[*found].key == key ? &entries[*found] : nullptr;
}

// `key` tells apart the keys that one map lacks: they share their place and their message.
void Node::State::record(Offset at, std::string_view key, std::string path, std::string message) {
  if (mistakes.size() == kMaxMistakes) {
    ++unlisted;
    return;
  }
  if (!seen.insert(fmt::format("{}:{}:{}", at, key, message)).second) return;
  mistakes.push_back({at, std::move(path), std::move(message)});
}

std::uint32_t Node::State::name_index(std::string_view name) {
  const auto [found, added] = name_indices.try_emplace(std::string(name), static_cast<std::uint32_t>(names.size()));
  if (added) names.emplace_back(name);
  return found->second;
}

bool Node::State::has_mistakes() const {
  return !mistakes.empty() ||
         std::ranges::any_of(included, [](const auto& file) { return file.second->has_mistakes(); });
}

namespace {

/// In the order of their places; of the file as a whole first.
std::vector<Mistake> in_order(const Source& source, std::vector<Node::State::Found> list) {
  const auto place = [](const auto& found) { return found.at == kNowhere ? 0 : std::uint64_t{found.at} + 1; };
  std::ranges::stable_sort(list, {}, place);
  std::vector<Mistake> result;
  for (const auto& found : list) result.push_back(source.mistake(found.at, found.path, found.message));
  return result;
}

/// A file, then those that it includes in the order of their places.
template <class Visit>
void visit_files(const Node::State& file, const Visit& visit) {
  visit(file);
  std::vector<std::pair<Offset, const Node::State*>> included;
  for (const auto& [tree, state] : file.included) included.emplace_back(tree->at, state.get());
  std::ranges::sort(included);
  for (const auto& [at, state] : included) visit_files(*state, visit);
}

}  // namespace

Error Node::State::error() const {
  std::vector<Mistake> result;
  std::size_t more = 0;
  visit_files(*this, [&](const State& file) {
    std::ranges::move(in_order(file.source, file.mistakes), std::back_inserter(result));
    more += file.unlisted;
  });
  return Error(std::move(result), more);
}

Node::State* Node::State::included_at(const Tree& tree) const {
  if (tree.tag != Tag::Include || tree.kind == Kind::Null) return nullptr;
  return included.find(&tree)->second.get();
}

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::Null:
      return "empty";
    case Kind::Scalar:
      return "a single value";
    case Kind::List:
      return "a list";
    case Kind::Map:
      return "a map";
  }
  return "empty";
}

std::string path_key(std::string_view key) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/+#$:@";
  const bool ascii = std::all_of(key.begin(), key.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!key.empty() && (!ascii || key.find_first_not_of(kPlain) == std::string_view::npos)) return shortened(key, 60);
  return quoted(key);
}

std::string quoted(std::string_view word) { return '"' + shortened(word, 60) + '"'; }

Document::Document(std::unique_ptr<Node::State> state) : state_(std::move(state)) {}
Document::Document(Document&&) noexcept = default;
Document::~Document() = default;

std::unique_ptr<Node::State> parse_file(std::string text, const std::string& name, std::shared_ptr<const Texts> texts) {
  const auto instead = texts->find(name);
  if (instead != texts->end()) text = instead->second;
  auto state = std::make_unique<Node::State>(std::move(text), name, nullptr);
  state->texts = std::move(texts);
  parse_yaml(*state);
  return state;
}

Document Document::load(const std::filesystem::path& file) { return Document(load_state(file)); }

Document Document::parse(std::string text, std::string file_name) {
  return Document(parse_state(std::move(text), file_name));
}

Node Document::root() const { return Node(state_->root, state_.get(), nullptr); }
const std::string& Document::file() const { return state_->source.file(); }
std::filesystem::path Document::directory() const { return state_->directory.empty() ? "." : state_->directory; }

void Document::finish() const {
  root().report_unknown();
  for (const auto& entry : state_->from_library) entry.report_unknown();
  if (state_->has_mistakes()) throw state_->error();
}

std::vector<Mistake> Document::warnings() const {
  auto result = state_->told;
  visit_files(*state_, [&](const Node::State& file) {
    std::ranges::move(in_order(file.source, file.warnings), std::back_inserter(result));
  });
  for (auto& found : result) found.warning = true;
  return result;
}

// Below a map or a list that somebody looked into, each key that nobody asked for; for one that nobody looked into,
// itself.
void Node::report_unknown() const {
  if (tree_ == nullptr || !tree_->children || tree_->ignored || tree_->reported) return;
  tree_->reported = true;
  const auto& children = *tree_->children;
  if (!tree_->looked) {
    const bool empty = children.entries.empty() && children.items.empty();
    if (empty || tree_->blamed) return;
    state_->record(own_place(), {}, path(), "is read by nothing (remove it)");
    return;
  }
  std::vector<std::string_view> missed;
  for (const auto index : children.missed) missed.push_back(state_->names[index]);
  for (const auto& entry : children.entries) {
    if (entry.duplicate) continue;
    const auto node = child(entry);
    if (entry.asked) {
      node.report_unknown();
    } else {
      const auto near = nearest(entry.key, missed);
      auto* const state = entry.file != nullptr ? entry.file : state_;
      if (state_->secret_names.contains(std::string(near))) state->hide(*entry.value);
      state->record(entry.key_at, entry.key, node.path(),
                    near.empty() ? "unknown key" : fmt::format("unknown key (did you mean {}?)", quoted(near)));
    }
  }
  for (std::size_t i = 0; i < children.items.size(); ++i) item(i).report_unknown();
}

}  // namespace ferrule::config
