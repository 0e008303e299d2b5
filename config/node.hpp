// Typed, line-aware reading of a YAML configuration file.
//
// A module reads its section with `node["key"].integer(fallback, min, max)` and the like. A mistake never throws at
// once: it is recorded with its line, the fallback is returned, and reading goes on, so that one run shows every
// mistake. Keys that nobody asked for are unknown keys: `Document::finish` reports them with "did you mean", and
// throws.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/error.hpp"
#include "config/units.hpp"

namespace ferrule::config {

using Milliseconds = std::chrono::milliseconds;

/// One word of a closed list and what it means; see `Node::one_of`.
template <class T>
struct Choice {
  std::string_view word;
  T value;
};

struct Entry;

/// One place in the document: a map, a list, a scalar, or nothing (an absent key). Cheap to copy (two pointers and a
/// shared one); must not outlive its Document, and is used by one thread at a time with all other nodes of it.
class Node {
 public:
  struct Tree;
  struct Link;
  struct State;

  Node() = default;  ///< an absent node outside any document: reading it yields the fallbacks

  // Looking around.
  bool present() const;  ///< false for an absent key, for an empty value and for an explicit null
  bool is_map() const;
  bool is_list() const;
  bool is_scalar() const;
  /// A child, perhaps absent; marks the key as known. Of neither a map nor nothing: a mistake.
  Node operator[](std::string_view key) const;
  std::vector<std::pair<std::string, Node>> entries()
      const;                        ///< of a map with names of the user's choice, in file order
  std::vector<Node> items() const;  ///< of a list; an empty item is a mistake
  /// A further entry of a map that may be absent, from the library: KEY/NAME.yaml, where KEY is the map's, beside the
  /// configuration or in share/ferrule of the installed program. Nothing when there is none; an absent node when there
  /// is one that cannot be read, which is a mistake already. May be asked for once.
  std::optional<Node> from_library(std::string_view name) const;
  std::vector<std::string> library_names() const;  ///< what `from_library` finds, sorted
  void ignore() const;                             ///< all below is known, though nobody reads it
  std::string path() const;
  Location where() const;  ///< of the value; of the enclosing map's key for an absent one

  // Typed values. With a fallback the key is optional; `required_*` records a mistake when it is absent.
  /// As written: `1.10` stays `1.10`. `!env NAME` is the value of an environment variable, `!file PATH` the content of
  /// a file of at most 64 KiB (relative to the configuration's directory; one line feed at its end is dropped),
  /// `!credential NAME` likewise of a file in $CREDENTIALS_DIRECTORY, where systemd's LoadCredential= has put it: all are
  /// secrets.
  std::string text(std::string_view fallback = {}) const;
  std::string required_text() const;  ///< not empty either
  /// (`!include PATH` stands for a map or a list in a file of its own, in whose directory its relative paths start; at
  /// most 100 files.)
  /// The path of a file; a relative one starts at the configuration's directory. Empty when absent.
  std::string file_path() const;
  /// Text that no mistake shows: neither in its message nor in the source line below.
  std::string secret(std::string_view fallback = {}) const;
  std::string required_secret() const;
  bool boolean(bool fallback) const;  ///< `true`/`false` only; `yes`, `on` ... are mistakes with a hint
  /// Decimal or 0x..; `010`, `5.0`, `1:30`, `1_000` and `"5"` are mistakes with a hint.
  std::int64_t integer(std::int64_t fallback, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                       std::int64_t max = std::numeric_limits<std::int64_t>::max()) const;
  std::int64_t required_integer(std::int64_t min, std::int64_t max) const;  ///< `min` after a mistake
  double number(double fallback, double min = std::numeric_limits<double>::lowest(),
                double max = std::numeric_limits<double>::max()) const;  ///< finite
  /// `500ms`, `1s`, `5m`, `2h`, `30d`, `1h30m`; a unit is required.
  Milliseconds duration(Milliseconds fallback, Milliseconds min = Milliseconds{0},
                        Milliseconds max = Milliseconds::max()) const;
  /// `1s..60s`: first <= second.
  std::pair<Milliseconds, Milliseconds> duration_range(std::pair<Milliseconds, Milliseconds> fallback) const;
  /// Bytes: `512MB`, `64KiB`, `100B`; a unit is required (KB MB GB are powers of 1000, KiB MiB GiB of 1024).
  std::uint64_t size(std::uint64_t fallback, std::uint64_t min = 0,
                     std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) const;

  /// A word of a closed list; another word is a mistake that names the list and the nearest word.
  /// `choices` may be an array of Choice<T>.
  template <class T>
  T one_of(T fallback, std::span<const Choice<std::type_identity_t<T>>> choices) const {
    std::vector<std::string_view> words;
    for (const auto& choice : choices) words.push_back(choice.word);
    const auto index = word_index(words);
    return index < choices.size() ? choices[index].value : fallback;
  }

  /// Records a mistake at this place; `hint` follows the message in brackets, e.g. "did you mean ...".
  void mistake(std::string message, std::string hint = {}) const;
  /// The same for what may be meant so; see Document::warnings.
  void warning(std::string message) const;

 private:
  friend class Document;
  Node(const Tree* tree, State* state, std::shared_ptr<const Link> link);
  Node child(const Entry& entry) const;
  Node item(std::size_t index) const;
  Node included(State& file, std::string key, bool item) const;
  std::uint32_t own_place() const;
  void remember_missed(std::string_view key) const;
  void report_unknown() const;
  void hide() const;
  void must_be(std::string_view what) const;
  bool check_required() const;
  std::optional<std::string> from_environment() const;
  std::optional<std::string> from_file() const;
  std::optional<std::string> from_credential() const;
  std::optional<std::string> content_of(const std::filesystem::path& file, std::string hint = {}) const;
  std::optional<std::string_view> word(std::string_view what) const;
  std::optional<std::string_view> plain_word(std::string_view what) const;
  template <class T, class Text>
  T in_range(T value, T fallback, T min, T max, Text text) const;
  std::size_t word_index(std::span<const std::string_view> words) const;  ///< size() when absent or wrong

  const Tree* tree_ = nullptr;        // null: absent
  State* state_ = nullptr;            // null: outside any document
  std::shared_ptr<const Link> link_;  // how this node was reached; null for the root
};

/// A parsed file. Owns what its nodes point to.
class Document {
 public:
  /// A file, or a directory's `*.yaml` as one. Throws Error when missing, empty, not text, not YAML or beyond 16 MiB.
  static Document load(const std::filesystem::path& file);
  static Document parse(std::string text, std::string file_name);  ///< the same from memory
  Document(Document&&) noexcept;
  ~Document();

  Node root() const;
  const std::string& file() const;
  std::filesystem::path directory() const;  ///< relative paths in the file start here

  /// Adds the unknown keys to the mistakes and throws Error if there is any mistake. Call it after all sections were
  /// read.
  void finish() const;
  std::vector<Mistake> warnings() const;  ///< in file order

 private:
  explicit Document(std::unique_ptr<Node::State> state);
  std::unique_ptr<Node::State> state_;
};

/// The word of `words` nearest to `word`, or empty when none is near enough to be a typing mistake.
std::string_view nearest(std::string_view word, std::span<const std::string_view> words);

}  // namespace ferrule::config
