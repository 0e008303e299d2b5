#include "config/migration.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <compare>
#include <optional>
#include <set>
#include <utility>

#include "config/tree.hpp"

namespace ferrule::config {

namespace {

constexpr std::string_view kVersion = "version";

/// Without its line, in which there may be secrets: nobody has read yet which keys are.
Mistake mistake_at(const Node::State& file, Offset at, std::string path, std::string message) {
  Mistake mistake;
  mistake.where = file.source.locate(at);
  mistake.path = std::move(path);
  mistake.message = std::move(message);
  return mistake;
}

/// A text of the file in place of [first, last).
struct Edit {
  std::size_t first, last;
  std::string text;
  auto operator<=>(const Edit&) const = default;
};

/// What a step changes. Only within lines: every place below stays where it is.
class Edits {
 public:
  void replace(const Node::State& file, std::size_t first, std::size_t last, std::string text) {
    auto& [source, edits] = files_[file.source.file()];
    source = &file.source;
    edits.insert({first, last, std::move(text)});
  }
  void say(const Node::State& file, Offset at, std::string path, std::string message) {
    told_.push_back(mistake_at(file, at, std::move(path), std::move(message)));
    told_.back().warning = true;
  }
  std::vector<Mistake> take_told() { return std::move(told_); }

  /// `before` keeps what the files were in the beginning, `after` what they are now.
  void apply(Texts& before, Texts& after) const {
    for (const auto& [name, changed] : files_) {
      const auto& text = changed.first->text();
      before.try_emplace(name, text);
      std::string result;
      std::size_t done = 0;
      for (const auto& edit : changed.second) {
        result.append(text, done, edit.first - done).append(edit.text);
        done = edit.last;
      }
      after[name] = result.append(text, done);
    }
  }

 private:
  std::map<std::string, std::pair<const Source*, std::set<Edit>>> files_;
  std::vector<Mistake> told_;
};

/// A key with its value, in the file that it stands in.
struct Found {
  const Node::State* file = nullptr;  // null: there is none
  const Entry* entry = nullptr;
  explicit operator bool() const { return entry != nullptr; }
};

Found find(const Place& map, std::string_view key) {
  const auto* entry = map.tree->find(key);
  if (entry == nullptr) return {};
  return {entry->file != nullptr ? entry->file : map.file, entry};
}

Place value_of(const Found& found) { return resolved({const_cast<Node::State*>(found.file), found.entry->value}); }

/// Where a value without anchor and tag stands behind its key; nothing for others, and for maps and lists.
std::optional<std::pair<std::size_t, std::size_t>> span_of(const Found& found) {
  const auto& text = found.file->source.text();
  const auto& value = *found.entry->value;
  const auto colon = text.find(':', found.entry->key_at);
  if (value.kind != Kind::Scalar || text.find_first_not_of(" \t", colon + 1) != value.at) return {};
  if (skip_properties(text, value.at) != value.at) return {};
  if (const auto quote = closing_quote(text, value.at)) return std::pair(std::size_t{value.at}, *quote + 1);
  if (text.compare(value.at, value.text.size(), value.text) != 0) return {};
  return std::pair(std::size_t{value.at}, value.at + value.text.size());
}

/// The first character from `at` on that is neither blank nor comment.
std::size_t next_sign(std::string_view text, std::size_t at) {
  for (at = text.find_first_not_of(" \t\r\n", at); at != text.npos && text[at] == '#';) {
    at = text.find_first_not_of(" \t\r\n", std::min(text.find('\n', at), text.size()));
  }
  return at;
}

/// Takes a key with its value out of its map, [first, last), with the comma of one in brackets.
void remove(Edits& edits, const Node::State& file, std::size_t first, std::size_t last) {
  const auto& text = file.source.text();
  const auto next = next_sign(text, last);
  if (next != text.npos && text[next] == ',') {
    last = std::min(text.find_first_not_of(" \t", next + 1), text.size());
  } else if (next != text.npos && text[next] == '}') {
    const auto comma = text.find_last_not_of(" \t", first - 1);
    if (text[comma] == ',') first = comma;
  }
  edits.replace(file, first, last, {});
}

/// `backfill_rate`, which meant something beside `backfill: live-first` only, is what that can be: `{rate: 200}`.
void backfill_has_its_rate(const Place& queue, const std::string& path, Edits& edits) {
  const auto rate = find(queue, "backfill_rate");
  const auto order = rate ? find(queue, "backfill") : Found{};
  const auto rate_span = rate ? span_of(rate) : std::nullopt;
  const auto order_span = order ? span_of(order) : std::nullopt;
  if (!rate_span || (order && (!order_span || order.entry->value->text != "live-first"))) return;
  const auto [first, last] = *rate_span;
  const auto now = fmt::format("{{rate: {}}}", rate.file->source.text().substr(first, last - first));
  edits.say(*rate.file, rate.entry->key_at, path + ".backfill_rate",
            fmt::format("is \"backfill: {}\" since version 2, in place of \"backfill: live-first\"; ferrule migrate "
                        "writes it so",
                        now));
  if (!order) return edits.replace(*rate.file, rate.entry->key_at, last, "backfill: " + now);
  edits.replace(*order.file, order_span->first, order_span->second, now);
  remove(edits, *rate.file, rate.entry->key_at, last);
}

void from_1_to_2(const Place& root, Edits& edits) {
  if (const auto queue = find(root, "queue")) backfill_has_its_rate(value_of(queue), "queue", edits);
  const auto uplinks = find(root, "uplinks");
  if (!uplinks) return;
  const auto all = value_of(uplinks);
  if (all.tree->kind != Kind::Map) return;
  for (const auto& entry : all.tree->children->entries) {
    if (entry.duplicate) continue;
    const auto queue = find(value_of({entry.file != nullptr ? entry.file : all.file, &entry}), "queue");
    if (queue) backfill_has_its_rate(value_of(queue), fmt::format("uplinks.{}.queue", path_key(entry.key)), edits);
  }
}

/// The language's history: the step at N makes N + 2 of N + 1.
using Step = void (*)(const Place& root, Edits& edits);
constexpr std::array<Step, kLanguageVersion - 1> kSteps{from_1_to_2};

/// Today's for what is no version: whoever reads it says what is wrong.
std::int64_t version_of(const Node::State& state) {
  const auto found = find({const_cast<Node::State*>(&state), state.root}, kVersion);
  if (!found) return 1;
  const auto text = found.entry->value->text;
  std::int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  const bool is_number = error == std::errc{} && end == text.data() + text.size() && !found.entry->value->quoted;
  if (!is_number || version < 1) return kLanguageVersion;
  if (version <= kLanguageVersion) return version;
  // Nothing else is told: what this Ferrule does not know may all be right.
  throw Error({mistake_at(
      *found.file, found.entry->value->at, std::string(kVersion),
      fmt::format("is {}, and Ferrule {} reads versions 1 to {}: this file needs a newer Ferrule (or go back to the "
                  "one that ferrule migrate kept, {}.v{})",
                  version, FERRULE_VERSION, kLanguageVersion, found.file->source.file(), kLanguageVersion))});
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (; !text.empty(); text.remove_prefix(lines.back().size())) {
    lines.push_back(text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1));
  }
  return lines;
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r\n") == line.npos; }

/// Without the lines that the steps have emptied.
std::string tidied(std::string_view before, std::string_view after) {
  const auto old = lines_of(before);
  const auto lines = lines_of(after);
  std::string result;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool emptied = is_blank(lines[i]) && i < old.size() && !is_blank(old[i]);
    if (!emptied) result += lines[i];
  }
  return result;
}

/// A configuration in today's language, and how it came to be.
struct Read {
  std::unique_ptr<Node::State> state;
  std::int64_t from;    // its version
  Texts before, after;  // of the files that the steps have changed
};

template <class ReadFiles>
Read in_todays_language(const ReadFiles& read) {
  Read result{read(std::make_shared<const Texts>()), 0, {}, {}};
  std::vector<Mistake> told;
  result.from = version_of(*result.state);
  for (auto version = result.from; version < kLanguageVersion; ++version) {
    Edits edits;
    kSteps[static_cast<std::size_t>(version - 1)]({result.state.get(), result.state->root}, edits);
    const auto said = edits.take_told();
    if (said.empty()) continue;
    told.insert(told.end(), said.begin(), said.end());
    edits.apply(result.before, result.after);
    result.state = read(std::make_shared<const Texts>(result.after));
  }
  result.state->told = std::move(told);
  return result;
}

Read read_todays(const std::filesystem::path& file) {
  std::error_code none;
  if (std::filesystem::is_directory(file, none)) {
    return in_todays_language([&](const auto& texts) { return parse_directory(file, texts); });
  }
  std::string text;
  std::string why;
  if (!read_file(file, kMaxFile, false, text, why)) throw Error({file.string(), 0, 0}, {}, why);
  return in_todays_language([&](const auto& texts) { return parse_file(text, file.string(), texts); });
}

/// Puts `version: 2` where there is another one, or above the first key.
void set_version(const Node::State& top, Migration& migration) {
  const auto found = find({const_cast<Node::State*>(&top), top.root}, kVersion);
  const auto& file = found ? *found.file : top;
  auto text = file.source.text();
  const auto span = found ? span_of(found) : std::nullopt;
  if (found && !span) throw Error({mistake_at(file, found.entry->key_at, std::string(kVersion), "is to be a number")});
  const bool in_brackets = !found && text[top.root->at] == '{';
  const auto version = std::to_string(kLanguageVersion);
  if (span) {
    text.replace(span->first, span->second - span->first, version);
  } else {
    text.insert(top.root->at + (in_brackets ? 1 : 0),
                fmt::format("{}: {}{}", kVersion, version, in_brackets ? ", " : "\n"));
  }
  migration.first = file.source.file();
  migration.texts[migration.first] = std::move(text);
}

}  // namespace

std::unique_ptr<Node::State> load_state(const std::filesystem::path& file) {
  return std::move(read_todays(file).state);
}

std::unique_ptr<Node::State> parse_state(std::string text, const std::string& file_name) {
  return std::move(in_todays_language([&](const auto& texts) { return parse_file(text, file_name, texts); }).state);
}

Migration migrate(const std::filesystem::path& file) {
  const auto read = read_todays(file);
  if (read.state->has_mistakes()) throw read.state->error();
  Migration migration{read.from, read.state->told, read.after, {}};
  if (read.from == kLanguageVersion) return migration;
  set_version(*read.state, migration);
  for (auto& [name, text] : migration.texts) {
    const auto before = read.before.find(name);
    if (before != read.before.end()) text = tidied(before->second, text);
  }
  return migration;
}

}  // namespace ferrule::config
