#include "mqtt/subscription_tree.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ferrule::mqtt {

// Matches

std::span<const std::uint32_t> Matches::identifiers(const Match& match) {
  if (match.identifier == 0) return {};
  if (match.more == Match::kLast) return {&match.identifier, 1};
  identifiers_.assign(1, match.identifier);
  for (auto i = match.more; i != Match::kLast; i = further_[i].next) identifiers_.push_back(further_[i].identifier);
  return identifiers_;
}

void Matches::clear() {
  matches_.clear();
  further_.clear();
}

// Entries

void SubscriptionTree::Entries::push(const Entry& entry) {
  if (size_ == capacity_) {
    const auto larger = capacity_ * 2;
    auto entries = std::make_unique<Entry[]>(larger);
    std::ranges::copy(all(), entries.get());
    many_ = std::move(entries);
    capacity_ = larger;
  }
  ++size_;
  all().back() = entry;
}

void SubscriptionTree::Entries::remove(std::size_t index) {
  all()[index] = all().back();
  --size_;
  if (many_ == nullptr || size_ > capacity_ / 4) return;
  const auto old = std::exchange(many_, nullptr);
  capacity_ = size_ <= 1 ? 1 : capacity_ / 2;
  if (capacity_ > 1) many_ = std::make_unique<Entry[]>(capacity_);
  std::copy_n(old.get(), size_, all().data());
}

// Subscribing

SubscriptionTree::NodeId SubscriptionTree::node_of(std::string_view filter) {
  TopicTree::Levels levels;
  const auto path = tree_.split(filter, levels);
  assert(!path.empty());
  const NodeId node = tree_.add(path);
  filters_.reach(tree_.end() - 1);
  for (NodeId at = node; at != TopicTree::kRoot; at = tree_.parent(at)) {
    if (tree_.text(at) == "+") filters_[tree_.parent(at)].plus = at;
    if (tree_.text(at) == "#") filters_[tree_.parent(at)].multi = at;
  }
  return node;
}

SubscriptionTree::NodeId SubscriptionTree::find(std::string_view filter) const {
  TopicTree::Levels levels;
  const auto path = tree_.split(filter, levels);
  return path.empty() ? TopicTree::kNone : tree_.find(path);
}

SubscriptionTree::Group* SubscriptionTree::group_at(NodeId node, std::string_view name) {
  auto& groups = filters_[node].groups;
  if (groups == nullptr) return nullptr;
  const auto found = std::ranges::find(*groups, name, &Group::name);
  return found == groups->end() ? nullptr : &*found;
}

SubscriptionTree::Group* SubscriptionTree::group_at(NodeId node, std::uint32_t number) {
  auto& groups = *filters_[node].groups;
  return &*std::ranges::find(groups, number, &Group::number);
}

SubscriptionTree::Entry SubscriptionTree::entry_of(Subscriber& subscriber, SubscriptionOptions options,
                                                   std::uint32_t identifier) {
  Entry entry;
  entry.subscriber = &subscriber;
  entry.identifier = identifier & 0x0FFFFFFF;
  entry.retain_handling = options.retain_handling & 3U;
  entry.no_local = options.no_local ? 1 : 0;
  entry.retain_as_published = options.retain_as_published ? 1 : 0;
  entry.qos = options.qos;
  return entry;
}

SubscriptionTree::Added SubscriptionTree::add(Subscriber& subscriber, std::string_view group, std::string_view filter,
                                              SubscriptionOptions options, std::uint32_t identifier) {
  const NodeId node = node_of(filter);
  tree_.pin(node);
  Group* shared = nullptr;
  if (!group.empty()) {
    shared = group_at(node, group);
    if (shared == nullptr) {
      auto& groups = filters_[node].groups;
      if (groups == nullptr) groups = std::make_unique<std::vector<Group>>();
      shared = &groups->emplace_back();
      shared->name = group;
      shared->number = ++last_group_;
    }
  }
  Entries& entries = shared != nullptr ? shared->members : filters_[node].entries;
  const Subscriber::Place place{node, shared != nullptr ? shared->number : 0};
  const Entry entry = entry_of(subscriber, options, identifier);
  // Whichever is shorter tells whether it is there already: a popular filter has many entries, a busy client many
  // places.
  const bool known = entries.all().size() <= subscriber.places_.size()
                         ? std::ranges::find(entries.all(), &subscriber, &Entry::subscriber) != entries.all().end()
                         : std::ranges::find(subscriber.places_, place) != subscriber.places_.end();
  if (known) {
    *std::ranges::find(entries.all(), &subscriber, &Entry::subscriber) = entry;
    release(node);
    return Added::Replaced;
  }
  entries.push(entry);
  subscriber.places_.push_back(place);
  ++size_;
  if (shared != nullptr) ++shared_;
  return Added::New;
}

bool SubscriptionTree::remove(Subscriber& subscriber, std::string_view group, std::string_view filter) {
  const NodeId node = find(filter);
  if (node == TopicTree::kNone) return false;
  Subscriber::Place place{node, 0};
  if (!group.empty()) {
    const Group* shared = group_at(node, group);
    if (shared == nullptr) return false;
    place.group = shared->number;
  }
  auto& places = subscriber.places_;
  const auto found = std::ranges::find(places, place);
  if (found == places.end()) return false;
  *found = places.back();
  places.pop_back();
  drop(place, subscriber);
  return true;
}

void SubscriptionTree::remove_all(Subscriber& subscriber) {
  for (const auto& place : std::exchange(subscriber.places_, {})) drop(place, subscriber);
}

void SubscriptionTree::drop(const Subscriber::Place& place, const Subscriber& subscriber) {
  Filters& filters = filters_[place.node];
  Group* shared = place.group != 0 ? group_at(place.node, place.group) : nullptr;
  Entries& entries = shared != nullptr ? shared->members : filters.entries;
  const auto found = std::ranges::find(entries.all(), &subscriber, &Entry::subscriber);
  assert(found != entries.all().end());
  entries.remove(static_cast<std::size_t>(found - entries.all().begin()));
  --size_;
  if (shared != nullptr) {
    --shared_;
    if (shared->members.all().empty())
      std::erase_if(*filters.groups, [&](const Group& group) { return &group == shared; });
    if (filters.groups->empty()) filters.groups.reset();
  }
  release(place.node);
}

/// Takes one pin back. A parent must not remember `+` and `#` children that are gone.
void SubscriptionTree::release(NodeId node) {
  while (node != TopicTree::kNone) {
    const NodeId above = tree_.unpin(node);
    if (above == TopicTree::kNone) return;
    if (filters_[above].plus == node) filters_[above].plus = TopicTree::kNone;
    if (filters_[above].multi == node) filters_[above].multi = TopicTree::kNone;
    node = above;
  }
}

// Matching

void SubscriptionTree::match(std::string_view topic, const Subscriber* publisher, Matches& out) {
  out.clear();
  if (size_ == 0) return;
  ++round_;
  TopicTree::Levels levels;
  const auto path = tree_.split(topic, levels);
  if (path.empty()) return;
  const bool dollar = topic.front() == '$';
  frontier_.assign(1, TopicTree::kRoot);
  for (std::size_t depth = 0; depth < path.size() && !frontier_.empty(); ++depth) {
    next_frontier_.clear();
    for (const NodeId node : frontier_) {
      const Filters& filters = filters_[node];
      const bool wildcards = !(dollar && depth == 0);  // [MQTT-4.7.2-1]
      if (wildcards && filters.multi != TopicTree::kNone) collect(filters.multi, publisher, out);
      if (wildcards && filters.plus != TopicTree::kNone) next_frontier_.push_back(filters.plus);
      const NodeId child = tree_.child(node, path[depth]);
      if (child != TopicTree::kNone) next_frontier_.push_back(child);
    }
    frontier_.swap(next_frontier_);
  }
  for (const NodeId node : frontier_) {
    collect(node, publisher, out);
    const NodeId multi = filters_[node].multi;  // `a/#` matches `a` too
    if (multi != TopicTree::kNone) collect(multi, publisher, out);
  }
}

void SubscriptionTree::collect(NodeId node, const Subscriber* publisher, Matches& out) {
  Filters& filters = filters_[node];
  for (const Entry& entry : filters.entries.all()) {
    if (entry.no_local != 0 && entry.subscriber == publisher) continue;  // [MQTT-3.8.3-3]
    merge(entry, out);
  }
  if (filters.groups == nullptr) return;
  for (Group& group : *filters.groups) {
    const Entry* member = next_member(group);
    out.matches_.push_back(
        {member->subscriber, member->qos, member->retain_as_published != 0, member->identifier, Match::kLast});
  }
}

void SubscriptionTree::merge(const Entry& entry, Matches& out) {
  Subscriber& subscriber = *entry.subscriber;
  if (subscriber.round_ != round_) {
    subscriber.round_ = round_;
    subscriber.index_ = static_cast<std::uint32_t>(out.matches_.size());
    out.matches_.push_back({&subscriber, entry.qos, entry.retain_as_published != 0, entry.identifier, Match::kLast});
    return;
  }
  Match& match = out.matches_[subscriber.index_];
  match.qos = std::max(match.qos, entry.qos);  // [MQTT-3.3.4-2]
  match.retain_as_published |= entry.retain_as_published != 0;
  if (entry.identifier == 0) return;
  if (match.identifier == 0) {
    match.identifier = entry.identifier;
    return;
  }
  out.further_.push_back({entry.identifier, match.more});  // [MQTT-3.3.4-4]
  match.more = static_cast<std::uint32_t>(out.further_.size() - 1);
}

/// Round robin over those who are best able to take it.
const SubscriptionTree::Entry* SubscriptionTree::next_member(Group& group) {
  const auto members = std::as_const(group.members).all();
  const auto turn_of = [&](auto&& suits) -> const Entry* {
    for (std::size_t i = 0; i < members.size(); ++i) {
      const std::size_t index = (group.turn + i) % members.size();
      if (!suits(*members[index].subscriber)) continue;
      group.turn = static_cast<std::uint32_t>(index + 1);
      return &members[index];
    }
    return nullptr;
  };
  if (const Entry* ready = turn_of([](const Subscriber& subscriber) { return subscriber.ready_; })) return ready;
  if (const Entry* online = turn_of([](const Subscriber& subscriber) { return subscriber.online_; })) return online;
  return turn_of([](const Subscriber&) { return true; });
}

std::vector<SubscriptionTree::Listed> SubscriptionTree::subscriptions_of(const Subscriber& subscriber) const {
  std::vector<Listed> list;
  for (const auto& place : subscriber.places_) {
    Listed listed;
    listed.filter = tree_.path(place.node);
    const Filters& filters = filters_[place.node];
    const Entries* entries = &filters.entries;
    if (place.group != 0) {
      const Group& group = *std::ranges::find(*filters.groups, place.group, &Group::number);
      listed.group = group.name;
      entries = &group.members;
    }
    const Entry& entry = *std::ranges::find(entries->all(), &subscriber, &Entry::subscriber);
    listed.options = {entry.qos, entry.no_local != 0, entry.retain_as_published != 0,
                      static_cast<std::uint8_t>(entry.retain_handling)};
    listed.identifier = entry.identifier;
    list.push_back(std::move(listed));
  }
  return list;
}

}  // namespace ferrule::mqtt
