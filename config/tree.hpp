// A parsed configuration file as a tree of our own, and what was asked of it so far. Private to config.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "config/node.hpp"
#include "config/source.hpp"

namespace ferrule::config {

constexpr std::size_t kMaxFiles = 100;  ///< of one configuration, besides the first

using Texts = std::map<std::string, std::string>;  ///< of files, by name

enum class Kind : std::uint8_t { Null, Scalar, List, Map };
enum class Tag : std::uint8_t { None, Env, File, Credential, Include };

struct Entry {
  std::string_view key;
  Offset key_at;
  bool duplicate;  // of an earlier entry with the same key, which is the one that counts
  mutable bool asked;
  const Node::Tree* value;
  Node::State* file = nullptr;  // of a map that was merged: where the entry stands
};

struct Children {
  std::vector<Entry> entries;                 // of a map, in file order
  std::vector<std::uint32_t> by_key;          // indices of entries, sorted by key, then in file order
  std::vector<const Node::Tree*> items;       // of a list
  mutable std::vector<std::uint32_t> missed;  // asked keys that are absent: indices into State::names
};

/// A value of the file. An alias shares the value of its anchor, so this is a directed graph without cycles.
struct Node::Tree {
  Kind kind = Kind::Null;
  Tag tag = Tag::None;
  bool quoted = false;            // or a block scalar, or tagged !!str: text for certain
  std::uint8_t height = 0;        // levels below, aliases followed
  mutable bool looked = false;    // someone asked for the children
  mutable bool ignored = false;   // nobody needs to ask for the children
  mutable bool blamed = false;    // a mistake was recorded here
  mutable bool reported = false;  // Document::finish was here
  Offset at = 0;
  Offset next = kNowhere;              // where the value behind this one begins
  std::uint32_t weight = 1;            // values from here on, aliases followed
  std::string_view text;               // of a scalar, as written; points into State::source or State::strings
  std::unique_ptr<Children> children;  // of lists and maps

  const Entry* find(std::string_view key) const;
};

/// How a node was reached: its path, shared by all that are below it.
struct Node::Link {
  std::shared_ptr<const Link> up;
  const Tree* map = nullptr;  // that the key was looked for in; null for an item and below an absent map
  std::string key;
  Offset at = kNowhere;  // of the key, or of a list's item; kNowhere when absent
  bool item = false;
};

/// One file of a configuration; owns those that it includes, the first of a directory all others.
struct Node::State {
  /// `outer`: the file that owns this one; null for the configuration itself.
  State(std::string text, std::string file, State* outer)
      : source(std::move(text), std::move(file),
               outer != nullptr ? outer->source.secrets() : std::make_shared<Secrets>()),
        includer(outer),
        top(outer != nullptr ? outer->top : this),
        directory(std::filesystem::path(source.file()).parent_path()) {}

  struct Found {
    Offset at;
    std::string path;
    std::string message;
  };
  static constexpr std::size_t kMaxMistakes = 1000;  // more are only counted

  void record(Offset at, std::string_view key, std::string path, std::string message);
  std::uint32_t name_index(std::string_view name);
  bool has_mistakes() const;  ///< in this file or one that it includes, as `error`
  Error error() const;
  void hide(const Tree& tree);
  /// What stands at `!include`, in its own file; null for any other value.
  State* included_at(const Tree& tree) const;

  Source source;
  State* const includer;
  State* const top;  // the configuration itself
  std::filesystem::path directory;
  bool part = false;       // a value of the file around it, by `!include`
  std::size_t depth = 0;   // levels above its root, in the files around it
  std::size_t values = 0;  // of the top: in all files, aliases followed
  std::size_t files = 0;   // of the top: that are included
  std::unordered_map<const Tree*, std::unique_ptr<State>> included;
  std::vector<Node> from_library;      // of the top: entries that no file here names
  std::shared_ptr<const Texts> texts;  // of the top: of files that are not taken from the disk
  std::vector<Mistake> told;  // of the top: what stands in the files otherwise than it would in today's language
  std::deque<Tree> trees;
  std::deque<std::string> strings;
  const Tree* root = nullptr;
  std::vector<std::string> names;  // that were asked for and absent somewhere
  std::unordered_map<std::string, std::uint32_t> name_indices;
  std::unordered_set<std::string> secret_names;  // keys read as secrets
  std::vector<Found> mistakes;
  std::vector<Found> warnings;
  std::size_t unlisted = 0;
  std::unordered_set<std::string> seen;  // place and message of each mistake: an alias would repeat it
};

/// Builds the tree of `state.source` into `state`. A duplicate key, an unknown tag and the like are recorded; throws
/// Error when there is no tree: not YAML, no map at the top, more than one document, too deep or too big.
void parse_yaml(Node::State& state);

/// Parses the text of a file; `texts` stand in place of it, and of what it includes.
std::unique_ptr<Node::State> parse_file(std::string text, const std::string& name, std::shared_ptr<const Texts> texts);

/// A file or a directory, and a text, of any version of the language in today's: migration.hpp.
std::unique_ptr<Node::State> load_state(const std::filesystem::path& file);
std::unique_ptr<Node::State> parse_state(std::string text, const std::string& file_name);

/// A value and the file that it stands in.
struct Place {
  Node::State* file;
  const Node::Tree* tree;
};
/// What `!include` stands for, if it is one.
Place resolved(Place place);

/// Reads a file as the part of `around` that stands at `key`, `depth` levels deep. Null when it cannot be one: `why`
/// says so, unless the file's own mistakes do.
Node::State* read_part(Node::State& around, const Node::Tree& key, const std::filesystem::path& file, std::size_t depth,
                       std::string& why);

/// Sorts a map for lookup, once all its entries are there; `again(first, entry)` hears of a key that is given twice.
template <class Again>
void index_map(Children& map, const Again& again) {
  auto& entries = map.entries;
  map.by_key.resize(entries.size());
  std::iota(map.by_key.begin(), map.by_key.end(), 0U);
  std::stable_sort(map.by_key.begin(), map.by_key.end(),
                   [&](auto a, auto b) { return entries[a].key < entries[b].key; });
  const Entry* first = nullptr;
  for (const auto i : map.by_key) {
    auto& entry = entries[i];
    if (first == nullptr || first->key != entry.key) {
      first = &entry;
      continue;
    }
    entry.duplicate = true;
    again(*first, entry);
  }
}

/// Parses the `*.yaml` files of a directory, in the order of their names, into one tree: maps are merged key by key, of
/// anything else the last file's counts. The first file is the top, which owns the others.
std::unique_ptr<Node::State> parse_directory(const std::filesystem::path& directory,
                                             std::shared_ptr<const Texts> texts);

/// Reads at most `limit` bytes, from a file, a pipe or a device. Returns nothing and says why in `why` when that fails
/// or there is more.
bool read_file(const std::filesystem::path& file, std::size_t limit, bool regular_only, std::string& content,
               std::string& why);

/// "a map", "a list", "text", "empty".
std::string_view kind_name(Kind kind);

/// A key as it stands in a path: in quotes when it has a dot, a blank or the like.
std::string path_key(std::string_view key);

/// `word` in double quotes, shortened to what a line can hold.
std::string quoted(std::string_view word);

}  // namespace ferrule::config
