#include "config/node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/asked.hpp"
#include "config/tree.hpp"

namespace ferrule::config {

Node::Node(const Tree* tree, State* state, std::shared_ptr<const Link> link)
    : tree_(tree), state_(state), link_(std::move(link)) {}

bool Node::present() const { return tree_ != nullptr && tree_->kind != Kind::Null; }
bool Node::is_map() const { return tree_ != nullptr && tree_->kind == Kind::Map; }
bool Node::is_list() const { return tree_ != nullptr && tree_->kind == Kind::List; }
bool Node::is_scalar() const { return tree_ != nullptr && tree_->kind == Kind::Scalar; }

Node Node::child(const Entry& entry) const {
  auto* const state = entry.file != nullptr ? entry.file : state_;
  if (auto* file = state->included_at(*entry.value)) return included(*file, std::string(entry.key), false);
  return {entry.value, state,
          std::make_shared<const Link>(Link{link_, tree_, std::string(entry.key), entry.key_at, false})};
}

// What is wrong with it has its place in its own file.
Node Node::included(State& file, std::string key, bool item) const {
  return {file.root, &file, std::make_shared<const Link>(Link{link_, nullptr, std::move(key), file.root->at, item})};
}

Node Node::item(std::size_t index) const {
  const auto* value = tree_->children->items[index];
  if (auto* file = state_->included_at(*value)) return included(*file, fmt::format("[{}]", index), true);
  return {value, state_,
          std::make_shared<const Link>(Link{link_, nullptr, fmt::format("[{}]", index), value->at, true})};
}

namespace {

Node asked(Node node, std::string_view kind = {}) {
  if (anybody_gathers()) ask(node, {{}, kind, {}});
  return node;
}

}  // namespace

Node Node::operator[](std::string_view key) const {
  if (state_ == nullptr) return {};
  if (present() && !is_map()) {
    must_be("a map");
    return {};  // outside the document: what is missing below a wrong value is not a mistake of its own
  }
  if (is_map()) {
    tree_->looked = true;
    if (const auto* entry = tree_->find(key)) {
      entry->asked = true;
      return asked(child(*entry));
    }
    remember_missed(key);
  }
  return asked(
      {nullptr, state_,
       std::make_shared<const Link>(Link{link_, is_map() ? tree_ : nullptr, std::string(key), kNowhere, false})});
}

// For "did you mean"; a reader that looks up names of the user's choice does not need all of them remembered.
void Node::remember_missed(std::string_view key) const {
  constexpr std::size_t kEnough = 256;
  auto& missed = tree_->children->missed;
  if (missed.size() >= kEnough) return;
  const auto name = state_->name_index(key);
  if (std::find(missed.begin(), missed.end(), name) == missed.end()) missed.push_back(name);
}

std::vector<std::pair<std::string, Node>> Node::entries() const {
  std::vector<std::pair<std::string, Node>> result;
  if (state_ != nullptr) asked(*this, "maps");
  if (!present()) return result;
  if (!is_map()) return must_be("a map"), result;
  tree_->looked = true;
  for (const auto& entry : tree_->children->entries) {
    entry.asked = true;
    if (!entry.duplicate) result.emplace_back(std::string(entry.key), child(entry));
  }
  return result;
}

std::vector<Node> Node::items() const {
  std::vector<Node> result;
  if (state_ != nullptr) asked(*this, "list");
  if (!present()) return result;
  if (!is_list()) return must_be("a list"), result;
  tree_->looked = true;
  for (std::size_t i = 0; i < tree_->children->items.size(); ++i) {
    result.push_back(item(i));
    if (!result.back().present() && !result.back().tree_->blamed) result.back().mistake("is empty");
  }
  return result;
}

void Node::ignore() const {
  if (tree_ != nullptr) tree_->ignored = true;
}

std::string Node::path() const {
  std::vector<const Link*> links;
  for (const auto* link = link_.get(); link != nullptr; link = link->up.get()) links.push_back(link);
  std::string result;
  for (auto link = links.rbegin(); link != links.rend(); ++link) {
    if (!result.empty() && !(*link)->item) result += '.';
    result += (*link)->item ? (*link)->key : path_key((*link)->key);
  }
  return result;
}

// The key of this node, or of the nearest map around it that is there.
Offset Node::own_place() const {
  for (const auto* link = link_.get(); link != nullptr; link = link->up.get()) {
    if (link->at != kNowhere) return link->at;
  }
  return kNowhere;
}

Location Node::where() const {
  if (state_ == nullptr) return {};
  return state_->source.locate(tree_ != nullptr && link_ ? tree_->at : own_place());
}

void Node::mistake(std::string message, std::string hint) const {
  if (state_ == nullptr) return;
  if (tree_ != nullptr) tree_->blamed = true;
  if (!hint.empty()) message += fmt::format(" ({})", hint);
  const auto at = tree_ != nullptr && link_ ? tree_->at : own_place();
  state_->record(at, link_ ? link_->key : std::string{}, path(), std::move(message));
}

void Node::warning(std::string message) const {
  if (state_ == nullptr || state_->warnings.size() == State::kMaxMistakes) return;
  const auto at = tree_ != nullptr && link_ ? tree_->at : own_place();
  state_->warnings.push_back({at, path(), std::move(message)});
}

void Node::must_be(std::string_view what) const {
  tree_->ignored = true;
  mistake(fmt::format("must be {}, is {}", what, kind_name(tree_->kind)));
}

}  // namespace ferrule::config
