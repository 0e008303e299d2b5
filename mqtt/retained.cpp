#include "mqtt/retained.hpp"

#include <cstring>
#include <new>
#include <string>

namespace ferrule::mqtt {

Retained::BlockPtr Retained::make_block(const Publication& publication) {
  const std::size_t bytes = publication.payload.size() + publication.properties.size() + publication.origin.size();
  BlockPtr block(new (::operator new(sizeof(Block) + bytes)) Block);
  block->published = publication.published;
  block->expires = publication.expires.value_or(Time::max());
  block->payload_size = static_cast<std::uint32_t>(publication.payload.size());
  block->properties_size = static_cast<std::uint32_t>(publication.properties.size());
  block->origin_size = static_cast<std::uint16_t>(publication.origin.size());  // a client id: at most 65,535 bytes
  block->topic_size = static_cast<std::uint16_t>(publication.topic.size());
  block->row = 0;
  block->qos = publication.qos;
  char* at = block->bytes();
  for (const std::string* part : {&publication.payload, &publication.properties, &publication.origin}) {
    at += part->copy(at, part->size());
  }
  return block;
}

Retained::Kept Retained::keep(const Publication& publication, bool always) {
  const auto path = tree_.split(publication.topic);
  if (path.empty()) return Kept::Full;
  const Id known = block_at(path);
  const bool present = known != TopicTree::kNone;
  if (publication.payload.empty()) {
    if (!present) return Kept::NothingToRemove;
    remove(known);
    return Kept::Removed;
  }
  if (!always && !has_room(known, publication)) return Kept::Full;
  const Id id = present ? known : tree_.add(path);
  blocks_.reach(tree_.end() - 1);
  BlockPtr& block = blocks_[id];
  if (!present) {
    tree_.pin(id);
    if (always) ++own_;
  } else {
    count(id, false);
    if (block->expires != Time::max()) expiring_.erase({block->expires, id});
  }
  const RetainedRow row = present ? block->row : 0;
  block = make_block(publication);
  count(id, true);
  block->row = row;
  if (block->expires != Time::max()) expiring_.emplace(block->expires, id);
  return Kept::Stored;
}

/// The id of a topic at which something is retained, or kNone.
Retained::Id Retained::block_at(const Path& path) const {
  const Id id = path.empty() ? TopicTree::kNone : tree_.find(path);
  return id != TopicTree::kNone && blocks_[id] != nullptr ? id : TopicTree::kNone;
}

bool Retained::has_room_for(const Publication& publication) const {
  return publication.payload.empty() || has_room(block_at(tree_.split(publication.topic)), publication);
}

bool Retained::has_room(Id known, const Publication& publication) const {
  const std::size_t after =
      bytes_ + publication.topic.size() + publication.payload.size() + publication.properties.size();
  if (known == TopicTree::kNone) return size_ - own_ < max_topics_ && after <= max_bytes_;
  const Block& block = *blocks_[known];
  return after - block.topic_size - block.payload_size - block.properties_size <= max_bytes_;
}

void Retained::count(Id id, bool present) {
  const Block& block = *blocks_[id];
  const std::size_t bytes = std::size_t{block.topic_size} + block.payload_size + block.properties_size;
  size_ += present ? 1U : SIZE_MAX;
  bytes_ += present ? bytes : SIZE_MAX - bytes + 1;
  payload_bytes_ += present ? block.payload_size : SIZE_MAX - block.payload_size + 1;
}

void Retained::remove(Id id) {
  if (blocks_[id]->expires != Time::max()) expiring_.erase({blocks_[id]->expires, id});
  count(id, false);
  if (blocks_[id]->row != 0) --rows_;
  blocks_[id].reset();
  while (id != TopicTree::kNone) id = tree_.unpin(id);
}

void Retained::drop_expired(Time now, std::vector<RetainedRow>& rows) {
  while (!expiring_.empty() && expiring_.begin()->first <= now) {
    const Id id = expiring_.begin()->second;
    if (blocks_[id]->row != 0) rows.push_back(blocks_[id]->row);
    remove(id);
  }
}

RetainedRow Retained::row_of(std::string_view topic) const {
  const auto path = tree_.split(topic);
  const Id id = path.empty() ? TopicTree::kNone : tree_.find(path);
  return id == TopicTree::kNone || blocks_[id] == nullptr ? 0 : blocks_[id]->row;
}

void Retained::set_row(std::string_view topic, RetainedRow row) {
  RetainedRow& known = blocks_[tree_.find(tree_.split(topic))]->row;
  rows_ += (row != 0 ? 1U : 0U) - (known != 0 ? 1U : 0U);
  known = row;
}

void Retained::all(std::vector<Id>& out) const {
  if (size_ > 0) find_below(TopicTree::kRoot, out);
}

std::size_t Retained::find(std::string_view filter, std::vector<Id>& out) const {
  const auto path = tree_.split(filter);
  if (path.empty() || size_ == 0) return 0;
  std::size_t looked_at = 0;
  std::vector<Id> frontier{TopicTree::kRoot};
  std::vector<Id> next;
  for (std::size_t depth = 0; depth < path.size(); ++depth) {
    const auto level = path[depth].text;
    // Wildcards at the first level leave out what begins with `$` [MQTT-4.7.2-1].
    const auto hidden = [&](Id child) { return depth == 0 && tree_.text(child).starts_with('$'); };
    next.clear();
    for (const Id node : frontier) {
      ++looked_at;
      if (level == "#") {
        if (node != TopicTree::kRoot && blocks_[node] != nullptr) out.push_back(node);
        for (Id child = tree_.first_child(node); child != TopicTree::kNone; child = tree_.next_sibling(child)) {
          if (!hidden(child)) looked_at += find_below(child, out);
        }
      } else if (level == "+") {
        for (Id child = tree_.first_child(node); child != TopicTree::kNone; child = tree_.next_sibling(child)) {
          ++looked_at;
          if (!hidden(child)) next.push_back(child);
        }
      } else if (const Id child = tree_.child(node, path[depth]); child != TopicTree::kNone) {
        next.push_back(child);
      }
    }
    frontier.swap(next);
    if (level == "#") return looked_at;
  }
  for (const Id node : frontier) {
    if (blocks_[node] != nullptr) out.push_back(node);
  }
  return looked_at;
}

/// `top` and all below it, walking along the links: as deep as a topic may be, without a stack.
std::size_t Retained::find_below(Id top, std::vector<Id>& out) const {
  Id node = top;
  for (std::size_t looked_at = 1;; ++looked_at) {
    if (blocks_[node] != nullptr) out.push_back(node);
    Id next = tree_.first_child(node);
    while (next == TopicTree::kNone) {
      if (node == top) return looked_at;
      next = tree_.next_sibling(node);
      if (next == TopicTree::kNone) node = tree_.parent(node);
    }
    node = next;
  }
}

PublicationPtr Retained::get(Id id, Time now) const {
  const BlockPtr& block = blocks_[id];
  if (block == nullptr || block->expires <= now) return nullptr;
  auto publication = std::make_shared<Publication>();
  const char* at = block->bytes();
  publication->topic = tree_.path(id);
  publication->payload.assign(at, block->payload_size);
  publication->properties.assign(at + block->payload_size, block->properties_size);
  publication->origin.assign(at + block->payload_size + block->properties_size, block->origin_size);
  publication->qos = block->qos;
  publication->retain = true;
  publication->published = block->published;
  if (block->expires != Time::max()) publication->expires = block->expires;
  return publication;
}

}  // namespace ferrule::mqtt
