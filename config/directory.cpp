#include <fmt/format.h>

#include <utility>

#include "config/tree.hpp"

namespace ferrule::config {

namespace {

/// The entries of a map with their files, whether it was merged itself or not.
void add_entries(const Place& map, std::vector<Entry>& entries) {
  for (auto entry : map.tree->children->entries) {
    if (entry.file == nullptr) entry.file = map.file;
    entries.push_back(entry);
  }
}

/// One map of two, which `top` owns; null when either is none. What `later` hides is kept as a duplicate, so that it
/// stays a secret if it is one.
const Node::Tree* merge(Node::State& top, const Place& earlier, const Place& later) {
  if (earlier.tree->kind != Kind::Map || later.tree->kind != Kind::Map) return nullptr;
  auto& merged = top.trees.emplace_back();
  merged.kind = Kind::Map;
  merged.at = earlier.tree->at;
  merged.weight = earlier.tree->weight + later.tree->weight;
  merged.height = std::max(earlier.tree->height, later.tree->height);
  merged.children = std::make_unique<Children>();
  auto& entries = merged.children->entries;
  add_entries(later, entries);
  add_entries(earlier, entries);
  for (auto i = later.tree->children->entries.size(); i < entries.size(); ++i) {
    const auto& before = entries[i];
    const auto* found = before.duplicate ? nullptr : later.tree->find(before.key);
    if (found == nullptr) continue;
    auto& after = entries[static_cast<std::size_t>(found - later.tree->children->entries.data())];
    const auto first = resolved({before.file, before.value});
    if (const auto* both = merge(top, first, resolved({after.file, after.value}))) {
      after.key_at = before.file == first.file ? before.key_at : both->at;
      after.file = first.file;
      after.value = both;
    }
  }
  index_map(*merged.children, [](const Entry&, const Entry&) {});
  return &merged;
}

std::vector<std::filesystem::path> files_of(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto name = entry->path().filename().string();
    if (name.ends_with(".yaml") && !name.starts_with('.')) files.push_back(entry->path());
  }
  if (error) throw Error({directory.string(), 0, 0}, {}, "cannot be read: " + error.message());
  if (files.empty()) throw Error({directory.string(), 0, 0}, {}, "has no file *.yaml");
  if (files.size() > kMaxFiles) {
    throw Error({directory.string(), 0, 0}, {}, fmt::format("has more than {} files *.yaml", kMaxFiles));
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

// It is merged like what stands in the file.
Place resolved(Place place) {
  if (auto* included = place.file->included_at(*place.tree)) return {included, included->root};
  return place;
}

std::unique_ptr<Node::State> parse_directory(const std::filesystem::path& directory,
                                             std::shared_ptr<const Texts> texts) {
  std::unique_ptr<Node::State> top;
  std::vector<Node::State*> parts;
  for (const auto& file : files_of(directory)) {
    std::string text;
    std::string why;
    const auto instead = texts->find(file.string());
    if (instead != texts->end()) {
      text = instead->second;
    } else if (!read_file(file, kMaxFile, true, text, why)) {
      throw Error({file.string(), 0, 0}, {}, why);
    }
    auto state = std::make_unique<Node::State>(std::move(text), file.string(), top.get());
    parts.push_back(state.get());
    if (!top) {
      top = std::move(state);
      top->texts = texts;
    } else {
      auto& key = top->trees.emplace_back();  // stands for the file, behind all that the first one includes
      key.at = kNowhere - static_cast<Offset>(kMaxFiles) + static_cast<Offset>(top->files++);
      top->included[&key] = std::move(state);
    }
    try {
      parse_yaml(*parts.back());
    } catch (const Error&) {
      parts.back()->root = nullptr;  // why is recorded; the other files may have mistakes, too
    }
  }
  const auto* whole = top->root;
  for (auto* part : parts) {
    if (part->root == nullptr) throw top->error();
    if (part != top.get()) whole = merge(*top, {top.get(), whole}, {part, part->root});
  }
  top->root = whole;
  return top;
}

}  // namespace ferrule::config
