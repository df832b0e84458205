#pragma once
// What of a node's idle devices the typical tasks could not use.
//
// For one class of tasks that is: everything idle, if the class takes no device, may not run on the
// kind, or does not fit; otherwise only the devices that are too full for it.  The classes'
// amounts, weighed by how often each comes, are added up.  Integers throughout: weights are counts,
// so equal states give equal sums whatever the order of the classes.
//
// A class fits by its cpu and devices; memory is left out, as where the measure was published.
// Source: as policy/fgd.h.
//
// Complexity: O(classes * devices) for a state that was not asked before.  States asked before are
// remembered, up to kMostRemembered of them.  Threading: none (a cache is filled by asking).

#include "core/placement/node_index.h"
#include "core/placement/state_cache.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace alnilam::placement {

struct WeighedClass {
  Request request;
  std::uint64_t count = 0;
};

class Fragmentation {
 public:
  // `nodes` must outlive it and says which kinds a class may run on.
  Fragmentation(const NodeIndex& nodes, std::vector<WeighedClass> classes);

  // Parts of devices times `total()`.
  std::int64_t of(const NodeState& state) const;
  std::uint64_t total() const { return total_; }  // the sum of the counts; at least 1

 private:
  std::int64_t compute(const NodeState& state) const;

  const NodeIndex& nodes_;
  std::vector<WeighedClass> classes_;
  std::uint64_t total_ = 0;
  mutable StateCache cache_;
};

}  // namespace alnilam::placement
