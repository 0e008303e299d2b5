#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <fmt/format.h>

#include <algorithm>
#include <istream>
#include <limits>
#include <optional>
#include <streambuf>
#include <utility>

#include "config/tree.hpp"

namespace ferrule::config {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxValues = 2'000'000;  // aliases followed, in all files: 100,000 points have half as many

constexpr std::string_view kYamlTag = "tag:yaml.org,2002:";

/// Ends the parse. Not a std::exception: yaml-cpp must not take it for one of its own.
struct Stop {
  Offset at;
  std::string message;
};

/// A stream over a text that somebody else keeps.
class View : public std::streambuf {
 public:
  explicit View(const std::string& text) {
    auto* begin = const_cast<char*>(text.data());  // a get area is never written to
    setg(begin, begin, begin + text.size());
  }
};

// The first tab in the indentation of the line that `at` is in.
std::optional<Offset> indenting_tab(const Source& source, Offset at) {
  const auto line = source.line_text(at);
  const auto tab = line.substr(0, std::min(line.find_first_not_of(" \t"), line.size())).find('\t');
  if (tab == std::string_view::npos) return std::nullopt;
  return static_cast<Offset>(line.data() - source.text().data()) + static_cast<Offset>(tab);
}

constexpr std::string_view kTab = "has a tab in its indentation (indent with blanks)";

/// Makes trees of yaml-cpp's events. Lives during one parse.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(Node::State& state) : state_(state), text_(state.source.text()) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    const auto at = offset(mark);
    if (text_.compare(std::min<std::size_t>(at, text_.size()), 3, "---") == 0) {
      throw Stop{at, "begins a second document (a configuration file holds one; remove the ---)"};
    }
    throw Stop{at, "is not valid YAML: does not belong to the map before it (is its indentation right?)"};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (key_pending()) check_colon();
    auto& tree = add(Kind::Null, mark, {}, anchor);
    // An empty value has the mark of what follows, which may be anywhere below.
    if (is_empty_at(tree.at)) tree.at = key_pending() ? stack_.back().key_at : before(tree.at);
    attach(tree);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto at = offset(mark);
    end_previous(at);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Stop{at, "is not valid YAML: the alias has no anchor"};
    if (std::any_of(stack_.begin(), stack_.end(), [&](const Open& open) { return open.tree == found->second; })) {
      throw Stop{at, "is an alias of a value that it is a part of"};
    }
    count(found->second->weight, at);
    if (state_.depth + stack_.size() + found->second->height > kMaxDepth) too_deep(at);
    attach(*found->second, at);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto& tree = add(Kind::Scalar, mark, tag, anchor);
    tree.text = keep(tree.at, value);
    check_closed(tree);
    if (tree.tag == Tag::Include) include(tree);
    attach(tree);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(Kind::List, mark, tag, anchor, style);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(Kind::Map, mark, tag, anchor, style);
  }
  void OnMapEnd() override {
    index(*stack_.back().tree->children);
    close();
  }

  /// Reports what is given twice in the maps that the parse did not reach the end of.
  void give_up() {
    for (; !stack_.empty(); stack_.pop_back()) index(*stack_.back().tree->children);
  }

  /// Where the last value began, to say what was being read when a quote or a bracket is never closed.
  Offset last_at() const { return last_ == nullptr ? 0 : last_->at; }

 private:
  struct Open {
    Node::Tree* tree = nullptr;
    bool block = false;  // by indentation rather than by brackets
    bool have_key = false;
    bool key_usable = false;
    std::string_view key;
    Offset key_at = 0;
  };

  Offset offset(const YAML::Mark& mark) const {
    return mark.pos < 0 ? 0 : static_cast<Offset>(std::min(static_cast<std::size_t>(mark.pos), text_.size()));
  }

  /// Whether what begins now is a key rather than a value.
  bool is_key() const { return !stack_.empty() && stack_.back().tree->kind == Kind::Map && !stack_.back().have_key; }
  bool key_pending() const { return !stack_.empty() && stack_.back().have_key; }

  void count(std::size_t values, Offset at) {
    state_.top->values += values;
    if (state_.top->values > kMaxValues)
      throw Stop{at, fmt::format("is where the configuration grows beyond {} values, aliases included", kMaxValues)};
  }

  [[noreturn]] static void too_deep(Offset at) {
    throw Stop{at, fmt::format("is nested deeper than {} levels", kMaxDepth)};
  }

  void end_previous(Offset at) {
    if (last_ != nullptr && last_->next == kNowhere) last_->next = at;
  }

  Node::Tree& add(Kind kind, const YAML::Mark& mark, std::string_view tag, YAML::anchor_t anchor) {
    const auto at = offset(mark);
    end_previous(at);
    count(1, at);
    auto& tree = state_.trees.emplace_back();
    tree.kind = kind;
    tree.at = at;
    last_ = &tree;
    set_tag(tree, tag);
    if (anchor != YAML::NullAnchor) anchors_[anchor] = &tree;
    return tree;
  }

  // yaml-cpp writes `?` for a plain value and `!` for a quoted one.
  void set_tag(Node::Tree& tree, std::string_view tag) {
    if (tag.empty() || tag == "?") return;
    if (tag == "!" && tree.kind == Kind::Scalar) {
      tree.quoted = true;
    } else if (tag == "!env" && tree.kind == Kind::Scalar) {
      tree.tag = Tag::Env;
    } else if (tag == "!file" && tree.kind == Kind::Scalar) {
      tree.tag = Tag::File;
    } else if (tag == "!credential" && tree.kind == Kind::Scalar) {
      tree.tag = Tag::Credential;
    } else if (tag == "!include" && tree.kind == Kind::Scalar && !is_key()) {
      tree.tag = Tag::Include;
    } else if (tag.starts_with(kYamlTag)) {
      const auto name = tag.substr(kYamlTag.size());
      if (name == "str" && tree.kind == Kind::Scalar) tree.quoted = true;
      const bool natural = (name == "str" && tree.kind == Kind::Scalar) || (name == "seq" && tree.kind == Kind::List) ||
                           (name == "map" && tree.kind == Kind::Map);
      if (!natural) wrong_tag(tree, fmt::format("!!{}", name));
    } else if (tag != "!") {
      wrong_tag(tree, tag);
    }
  }

  // Reads the file that stands for the value.
  void include(Node::Tree& tree) {
    const auto wrong = [&](std::string message) { no_value(tree, "!include", std::move(message)); };
    if (tree.text.empty()) return wrong("needs the path of a file: !include PATH");
    if (++state_.top->files > kMaxFiles)
      throw Stop{tree.at, fmt::format("is more than the {} files that may be included", kMaxFiles)};
    std::string why;
    const auto* part =
        read_part(state_, tree, state_.directory / std::filesystem::path(tree.text), state_.depth + stack_.size(), why);
    if (part != nullptr) {
      tree.height = part->root->height;
      tree.weight = part->root->weight;
    } else if (!why.empty()) {
      wrong(std::move(why));
    } else {
      tree.blamed = true, tree.kind = Kind::Null;
    }
  }

  // yaml-cpp takes a lone word for a key without a value.
  void check_colon() {
    const auto& open = stack_.back();
    if (!open.key_usable) return;
    const auto begin = skip_properties(text_, open.key_at);
    const auto quote = closing_quote(text_, begin);
    const auto end = quote ? *quote + 1 : begin + open.key.size();
    const bool as_written = quote || text_.compare(begin, open.key.size(), open.key) == 0;
    const auto next = text_.find_first_not_of(" \t\r\n", std::min(end, text_.size()));
    if (!as_written || (next != std::string::npos && text_[next] == ':')) return;
    state_.record(open.key_at, open.key, key_path(open.key), "has no colon behind it, and no value");
  }

  // Nobody reads such a value: one mistake is enough.
  void no_value(Node::Tree& tree, std::string_view key, std::string message) {
    tree.blamed = true;
    if (tree.kind == Kind::Scalar) tree.kind = Kind::Null;
    state_.record(tree.at, key, key_pending() ? key_path(stack_.back().key) : path(), std::move(message));
  }

  void wrong_tag(Node::Tree& tree, std::string_view tag) {
    no_value(tree, tag,
             fmt::format("has a tag that means nothing here: {} (known tags: !env NAME, !file PATH, !credential NAME, "
                         "!include PATH)",
                         tag));
  }

  // Most values stand in the file as they are, so most need no memory of their own.
  std::string_view keep(Offset at, const std::string& value) {
    if (text_.compare(at, value.size(), value) == 0) return std::string_view(text_).substr(at, value.size());
    return state_.strings.emplace_back(value);
  }

  // yaml-cpp 0.7 takes a quote as closed when the file ends behind a line feed.
  void check_closed(const Node::Tree& tree) const {
    const auto at = skip_properties(text_, tree.at);
    const bool quote = at < text_.size() && (text_[at] == '"' || text_[at] == '\'');
    if (!tree.quoted && tree.tag == Tag::None) return;
    if (quote && !closing_quote(text_, at))
      throw Stop{static_cast<Offset>(at), "is not valid YAML: this quote is never closed"};
  }

  void open(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YAML::EmitterStyle::value style) {
    auto& tree = add(kind, mark, tag, anchor);
    if (state_.depth + stack_.size() >= kMaxDepth) too_deep(tree.at);
    tree.children = std::make_unique<Children>();
    auto& level = stack_.emplace_back();
    level.tree = &tree;
    level.block = style == YAML::EmitterStyle::Block;
  }

  void close() {
    auto& tree = *stack_.back().tree;
    stack_.pop_back();
    attach(tree);
  }

  // Puts a finished value where it belongs: a map's key, its value, a list's item, or the root.
  void attach(const Node::Tree& tree) { attach(tree, tree.at); }
  void attach(const Node::Tree& tree, Offset at) {
    if (stack_.empty()) {
      state_.root = &tree;
      return;
    }
    auto& open = stack_.back();
    auto& parent = *open.tree;
    parent.weight += tree.weight;
    parent.height = std::max<std::uint8_t>(parent.height, static_cast<std::uint8_t>(tree.height + 1));
    if (parent.kind == Kind::List) {
      parent.children->items.push_back(&tree);
    } else if (!open.have_key) {
      take_key(open, tree, at);
    } else {
      if (open.key_usable) parent.children->entries.push_back({open.key, open.key_at, false, false, &tree});
      open.have_key = false;
    }
  }

  void take_key(Open& open, const Node::Tree& tree, Offset at) {
    open.have_key = true;
    open.key_at = at;
    if (const auto tab = open.block ? indenting_tab(state_.source, at) : std::nullopt)
      state_.record(*tab, {}, path(), std::string(kTab));
    open.key_usable = tree.kind == Kind::Scalar;
    open.key = tree.text;
    if (tree.kind == Kind::Null) {
      state_.record(at, {}, path(), "has a key that is empty or null (write \"null\" in quotes if that is its name)");
    } else if (tree.kind != Kind::Scalar) {
      state_.record(at, {}, path(), fmt::format("has a key that is {}; a key must be text", kind_name(tree.kind)));
    } else if (tree.text == "<<" && !tree.quoted) {
      open.key_usable = false;
      state_.record(at, {}, path(), "has a merge key (<<), which is not supported (write the keys out)");
    }
  }

  // yaml-cpp says nothing about what is given twice.
  void index(Children& map) {
    index_map(map, [&](const Entry& first, const Entry& entry) {
      state_.record(entry.key_at, entry.key, key_path(entry.key),
                    fmt::format("is given twice; the first is in line {}", state_.source.line(first.key_at)));
    });
  }

  std::string key_path(std::string_view key) const {
    const auto map = path();
    return map.empty() ? path_key(key) : map + '.' + path_key(key);
  }

  // Of the map or list that is being read.
  std::string path() const {
    std::string result;
    for (const auto& open : stack_) {
      if (&open == &stack_.back()) break;
      if (open.tree->kind == Kind::List) {
        result += fmt::format("[{}]", open.tree->children->items.size());
      } else if (open.have_key) {
        if (!result.empty()) result += '.';
        result += path_key(open.key);
      }
    }
    return result;
  }

  // Whether a null was left out at `at` rather than written: `~`, `null`.
  bool is_empty_at(Offset at) const {
    return at >= text_.size() ||
           (text_[at] != '~' && text_[at] != '!' && text_[at] != '&' && text_.compare(at, 4, "null") != 0 &&
            text_.compare(at, 4, "Null") != 0 && text_.compare(at, 4, "NULL") != 0);
  }

  // The `-` or `,` that stands before an empty item, if only blanks are between.
  Offset before(Offset at) const {
    const auto found = at == 0 ? std::string::npos : text_.find_last_not_of(" \t\r\n", at - 1);
    const bool sign = found != std::string::npos && (text_[found] == '-' || text_[found] == ',' || text_[found] == '[');
    return sign ? static_cast<Offset>(found) : std::min(at, static_cast<Offset>(text_.size()));
  }

  Node::State& state_;
  const std::string& text_;
  std::vector<Open> stack_;
  std::unordered_map<YAML::anchor_t, Node::Tree*> anchors_;
  Node::Tree* last_ = nullptr;
  int documents_ = 0;
};

// What probably led to yaml-cpp's terse message. Its versions differ in the end of some.
std::string hint_for(const Source& source, Offset last, std::string_view message) {
  const auto is = [message](const char* known) { return message.starts_with(known); };
  if (is(YAML::ErrorMsg::EOF_IN_SCALAR) || is(YAML::ErrorMsg::DOC_IN_SCALAR)) {
    return fmt::format(" (a quote that is opened in line {} or below is never closed)", source.line(last));
  }
  if (is(YAML::ErrorMsg::END_OF_SEQ_FLOW) || is(YAML::ErrorMsg::END_OF_MAP_FLOW)) {
    return fmt::format(" (a bracket or a comma is missing in line {} or below)", source.line(last));
  }
  if (is(YAML::ErrorMsg::MAP_VALUE)) return " (text that contains \": \" must be in quotes)";
  if (is(YAML::ErrorMsg::UNKNOWN_TOKEN)) return " (text that begins with a sign such as @ ` or % must be in quotes)";
  if (is(YAML::ErrorMsg::END_OF_MAP) || is(YAML::ErrorMsg::END_OF_SEQ)) return " (is the indentation right?)";
  return {};
}

}  // namespace

void parse_yaml(Node::State& state) {
  const auto& text = state.source.text();
  Builder builder(state);
  const auto give_up = [&](Offset at, std::string message) {
    builder.give_up();
    state.record(at, {}, {}, std::move(message));
    throw state.error();
  };
  try {
    View view(text);
    std::istream in(&view);
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop& stop) {
    give_up(stop.at, stop.message);
  } catch (const YAML::Exception& e) {
    const auto last = builder.last_at();
    const auto at =
        e.mark.pos < 0 ? last : static_cast<Offset>(std::min(static_cast<std::size_t>(e.mark.pos), text.size()));
    for (const auto place : {at, last}) {
      if (const auto tab = indenting_tab(state.source, place)) give_up(*tab, std::string(kTab));
    }
    give_up(at, fmt::format("is not valid YAML: {}{}", e.msg, hint_for(state.source, last, e.msg)));
  }
  if (state.root == nullptr || state.root->kind == Kind::Null) give_up(kNowhere, "is empty");
  if (state.part && state.root->kind == Kind::Scalar)
    give_up(state.root->at, "must be a map or a list to be included, is a single value");
  if (!state.part && state.root->kind != Kind::Map)
    give_up(state.root->at, fmt::format("must be a map of sections, is {}", kind_name(state.root->kind)));
}

}  // namespace ferrule::config
