// Which files of the store are committed after the others of a group.
#pragma once

namespace ferrule::mqtt {

/// A StoreFile that is this too refers to what the others hold: it is committed after them.
class CommitsLast {
 public:
  virtual ~CommitsLast() = default;
};

}  // namespace ferrule::mqtt
