#include "config/format.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "config/schema.hpp"
#include "config/tree.hpp"

namespace ferrule::config {

namespace {

using Tree = Node::Tree;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    lines.push_back(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string_view trimmed_end(std::string_view line) { return line.substr(0, line.find_last_not_of(" \t\r") + 1); }
std::string_view trimmed(std::string_view line) {
  line = trimmed_end(line);
  return line.substr(std::min(line.find_first_not_of(' '), line.size()));
}
std::size_t column_of(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }
bool is_blank(std::string_view line) { return trimmed(line).empty(); }
bool is_comment(std::string_view line) { return trimmed(line).starts_with('#'); }

/// Writes a file's lines anew. One for each file.
class Formatter {
 public:
  Formatter(const Node::State& state, bool sorts)
      : text_(state.source.text()), lines_(lines_of(text_)), root_(*state.root), sorts_(sorts) {}

  std::string run() {
    const std::vector<Shape> file{{"object", "configuration"}};
    const auto known = keys_of(schema_section("configuration"));
    const bool is_whole = std::ranges::all_of(root_.children->entries, [&](const Entry& entry) {
      return std::ranges::any_of(known, [&](const auto* key) { return key->name == entry.key; });
    });
    if (root_.children->entries.empty() || flow(root_)) {
      for (const auto line : lines_) put(0, trimmed_end(line));
    } else {
      const auto first = header();
      map(root_, {first, lines_.size()}, {0, false}, is_whole ? file : std::vector<Shape>{});
    }
    while (result_.ends_with("\n\n")) result_.pop_back();
    return std::move(result_);
  }

 private:
  struct Lines {
    std::size_t first;
    std::size_t last;  // behind the last
  };
  struct Indent {
    std::size_t columns;
    bool item;  // the first line gets the list's dash, two columns before
  };
  /// An entry of a map or an item of a list.
  struct Part {
    std::size_t lead;    // the first line of the comments above it
    std::size_t line;    // its own first line
    std::size_t last;    // behind its last
    std::size_t column;  // of its key or dash
    const Tree* value;
    std::string_view key;
  };

  bool flow(const Tree& tree) const {
    const auto at = skip_properties(text_, tree.at);
    return at < text_.size() && (text_[at] == '{' || text_[at] == '[');
  }
  std::size_t line_of(Offset at) const {
    const auto* place = text_.data() + at;
    const auto after = std::ranges::upper_bound(lines_, place, {}, [](std::string_view line) { return line.data(); });
    return static_cast<std::size_t>(after - lines_.begin()) - 1;
  }
  std::size_t column_at(Offset at) const {
    return static_cast<std::size_t>(text_.data() + at - lines_[line_of(at)].data());
  }

  /// What stands above the first key and an empty line is about the file.
  std::size_t header() {
    const auto key = line_of(root_.children->entries.front().key_at);
    std::size_t end = 0;
    for (std::size_t line = 0; line < key; ++line) {
      if (is_blank(lines_[line]) || lines_[line].starts_with("---")) end = line + 1;
    }
    for (std::size_t line = 0; line < end; ++line) put(0, trimmed(lines_[line]));
    return end;
  }

  /// At most one empty line in a row, and none at the beginning.
  void put(std::size_t indent, std::string_view content) {
    if (content.empty() && (result_.empty() || result_.ends_with("\n\n"))) return;
    if (!content.empty()) result_.append(indent, ' ').append(content);
    result_ += '\n';
  }

  /// Finds what belongs to each part: the comments above it, unless they are further to the right than it is.
  /// Returns where the last one ends; what follows is about the whole.
  std::size_t share_out(std::vector<Part>& parts, Lines range) const {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      auto& part = parts[i];
      part.lead = i == 0 ? range.first : ends_before(part.line, parts[i - 1].line + 1, part.column);
      if (i > 0) parts[i - 1].last = part.lead;
    }
    return parts.back().last = ends_before(range.last, parts.back().line + 1, parts.back().column);
  }
  std::size_t ends_before(std::size_t line, std::size_t first, std::size_t column) const {
    const auto is_about_it = [&](std::string_view above) {
      return is_blank(above) || (is_comment(above) && column_of(above) <= column);
    };
    while (line > first && is_about_it(lines_[line - 1])) --line;
    return line;
  }

  void map(const Tree& tree, Lines range, Indent indent, const std::vector<Shape>& shapes) {
    std::vector<Part> parts;
    for (const auto& entry : tree.children->entries) {
      parts.push_back({0, line_of(entry.key_at), 0, column_at(entry.key_at), entry.value, entry.key});
    }
    const auto end = share_out(parts, range);
    const auto keys = known_keys(tree, shapes);
    if (sorts_) {
      const auto place = [&](const Part& part) {
        return std::ranges::find(keys, part.key, &SchemaKey::name) - keys.begin();
      };
      std::stable_sort(parts.begin(), parts.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
    }
    for (const auto& part : parts) {
      const bool dash = indent.item && &part == &parts.front();
      write_lead(part, dash ? indent.columns - 2 : indent.columns);
      write(part, {indent.columns, dash}, inner(shapes, keys, part.key));
    }
    for (auto line = end; line < range.last; ++line) put(indent.columns, trimmed(lines_[line]));
  }

  void list(const Tree& tree, Lines range, std::size_t indent, const std::vector<Shape>& shapes) {
    std::vector<Part> parts;
    for (const auto* item : tree.children->items) {
      const auto dash = static_cast<Offset>(text_.find_last_not_of(" \t\r\n", item->at - 1));
      parts.push_back({0, line_of(dash), 0, column_at(dash), item, {}});
    }
    const auto end = share_out(parts, range);
    for (const auto& part : parts) {
      write_lead(part, indent);
      const auto& item = *part.value;
      if (is_block(item, Kind::Map, part) && line_of(item.children->entries.front().key_at) == part.line) {
        map(item, {part.line, part.last}, {indent + 2, true}, shapes);
      } else {
        write_as_it_is(part, indent);
      }
    }
    for (auto line = end; line < range.last; ++line) put(indent, trimmed(lines_[line]));
  }

  void write_lead(const Part& part, std::size_t indent) {
    for (auto line = part.lead; line < part.line; ++line) put(indent, trimmed(lines_[line]));
  }

  /// An entry of a map.
  void write(const Part& part, Indent indent, const std::vector<Shape>& shapes) {
    const auto key = trimmed_end(lines_[part.line]).substr(part.column);
    const auto first = [&] {
      result_.append(indent.columns - (indent.item ? 2 : 0), ' ').append(indent.item ? "- " : "").append(key) += '\n';
    };
    const Lines below{part.line + 1, part.last};
    if (is_block(*part.value, Kind::Map, part)) {
      first();
      map(*part.value, below, {indent.columns + 2, false}, shapes);
    } else if (is_block(*part.value, Kind::List, part) && has_dashes(*part.value)) {
      first();
      list(*part.value, below, indent.columns + 2, items_of(shapes));
    } else {
      first();
      shift(part, indent.columns);
    }
  }

  /// An item of a list.
  void write_as_it_is(const Part& part, std::size_t indent) {
    const auto item = trimmed(lines_[part.line].substr(part.column + 1));
    result_.append(indent, ' ').append(item.empty() ? "-" : "- ").append(item) += '\n';
    shift(part, indent);
  }

  /// The further lines of a value keep their distance to the first.
  void shift(const Part& part, std::size_t indent) {
    for (auto line = part.line + 1; line < part.last; ++line) {
      const auto content = lines_[line];
      const auto column = column_of(content);
      const auto shifted = column + indent < part.column ? 0 : column + indent - part.column;
      if (column < content.size()) result_.append(shifted, ' ').append(content.substr(column));
      result_ += '\n';
    }
  }

  /// A map or a list by indentation, all of whose parts stand below the part's first line, or in it for an item. An
  /// alias stands for what is elsewhere.
  bool is_block(const Tree& tree, Kind kind, const Part& part) const {
    if (tree.kind != kind || tree.tag != Tag::None || flow(tree)) return false;
    const auto& children = *tree.children;
    if (children.entries.empty() && children.items.empty()) return false;
    const auto line = line_of(kind == Kind::Map ? children.entries.front().key_at : children.items.front()->at);
    return line < part.last && (line > part.line || (part.key.empty() && line == part.line));
  }
  bool has_dashes(const Tree& list) const {
    return std::ranges::all_of(list.children->items, [&](const auto* item) {
      const auto dash = item->at == 0 ? std::string::npos : text_.find_last_not_of(" \t\r\n", item->at - 1);
      return dash != std::string::npos && text_[dash] == '-' &&
             column_of(lines_[line_of(static_cast<Offset>(dash))]) == column_at(static_cast<Offset>(dash));
    });
  }

  /// The keys that a map may have, in their order; none of a map of names.
  static std::vector<const SchemaKey*> known_keys(const Tree& map, const std::vector<Shape>& shapes) {
    const auto object = std::ranges::find(shapes, "object", &Shape::kind);
    if (object == shapes.end()) return {};
    const auto& section = schema_section(object->rest);
    const auto* by = section.chosen_by.empty() ? nullptr : map.find(section.chosen_by);
    return keys_of(section, by == nullptr ? std::string_view{} : by->value->text);
  }
  static std::vector<Shape> inner(const std::vector<Shape>& shapes, const std::vector<const SchemaKey*>& keys,
                                  std::string_view name) {
    const auto key = std::ranges::find(keys, name, &SchemaKey::name);
    if (key != keys.end()) return alternatives((*key)->shape);
    const auto maps = std::ranges::find(shapes, "maps", &Shape::kind);
    return maps == shapes.end() ? std::vector<Shape>{} : alternatives(maps->rest);
  }
  static std::vector<Shape> items_of(const std::vector<Shape>& shapes) {
    const auto list = std::ranges::find(shapes, "list", &Shape::kind);
    return list == shapes.end() ? std::vector<Shape>{} : alternatives(list->rest);
  }

  const std::string& text_;
  const std::vector<std::string_view> lines_;
  const Tree& root_;
  const bool sorts_;
  std::string result_;
};

/// Calls `visit` with every value that stands in the file itself.
template <class Visit>
void each_value(const Tree& tree, const Visit& visit) {
  visit(tree);
  if (!tree.children) return;
  for (const auto& entry : tree.children->entries) each_value(*entry.value, visit);
  for (const auto* item : tree.children->items) each_value(*item, visit);
}

/// `'x'` as `"x"`, where there is nothing in it that would then mean something else.
std::string with_double_quotes(const Node::State& state) {
  auto text = state.source.text();
  each_value(*state.root, [&](const Tree& tree) {
    if (tree.kind != Kind::Scalar || !tree.quoted) return;
    const auto open = skip_properties(text, tree.at);
    const auto close = closing_quote(text, open);
    if (!close || text[open] != '\'') return;
    if (std::string_view(text).substr(open + 1, *close - open - 1).find_first_of("\\\"'\n") != std::string::npos)
      return;
    text[open] = text[*close] = '"';
  });
  return text;
}

bool same(const Tree& a, const Tree& b) {
  if (a.kind != b.kind || a.tag != b.tag || a.quoted != b.quoted || a.text != b.text) return false;
  if (!a.children) return !b.children;
  const auto& one = *a.children;
  const auto& other = *b.children;
  return std::ranges::equal(one.items, other.items, [](const auto* x, const auto* y) { return same(*x, *y); }) &&
         one.entries.size() == other.entries.size() && std::ranges::all_of(one.entries, [&](const Entry& entry) {
           const auto* found = b.find(entry.key);
           return found != nullptr && same(*entry.value, *found->value);
         });
}

std::multiset<std::string_view> contents(std::string_view text) {
  std::multiset<std::string_view> all;
  for (const auto line : lines_of(text)) {
    // In a list a key may come to stand behind the dash that another one stood behind.
    auto content = trimmed(line);
    while (content.starts_with("- ")) content = trimmed(content.substr(2));
    if (!content.empty()) all.insert(content);
  }
  return all;
}

std::unique_ptr<Node::State> parsed(std::string text, const std::string& file_name) {
  auto state = parse_file(std::move(text), file_name, std::make_shared<const Texts>());
  if (state->has_mistakes()) throw state->error();
  return state;
}

}  // namespace

std::string formatted(const std::string& text, const std::string& file_name) {
  const auto quoted = with_double_quotes(*parsed(text, file_name));
  const auto before = parsed(quoted, file_name);
  for (const bool sorts : {true, false}) {
    auto result = Formatter(*before, sorts).run();
    try {
      // An anchor must stand before its aliases: then the keys cannot be put in order.
      if (same(*before->root, *parsed(result, file_name)->root) && contents(quoted) == contents(result)) return result;
    } catch (const Error&) {  // the result is no YAML: not a result
    }
  }
  throw Error({file_name, 0, 0}, {}, "cannot be formatted so that it still says the same: it stays as it is");
}

}  // namespace ferrule::config
