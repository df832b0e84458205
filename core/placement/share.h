#pragma once
// Whose turn it is: priorities that rise with waiting, and shares of the cluster.
//
// Priorities.  A priority at which tasks wait and none was started for a time counts as one higher
// for each `step` of it.  It is the priority that ages, for all jobs together, and not the task or
// the job: so between tasks of one priority the shares alone decide, however long a queue is.
//
// Shares.  Dominant resource fairness with weights.  A job's share is that of the resource of which
// it holds most, as a part of what the cluster has; its *standing* is its share by its weight, and
// the job with the lowest standing is next.  So a job that needs many GPUs and one that needs many
// cores each get the same part of what they need most.
// Source: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011.
//
// A job that waits is *behind* another if even with one task of the other's in its favour it would
// stand lower, by an eighth; only then the other lets go of places that it has.  So shares come to
// within an eighth and one task of what is fair, and places do not go to and fro for less.
//
// Pure functions, integers only.

#include "core/base/units.h"
#include "core/cluster/resources.h"

#include <cstdint>

namespace alnilam::placement {

// What `priority` counts as after `waited` without a start; at least itself.
std::int64_t effectivePriority(std::int32_t priority, Duration waited, Duration step);

using Share = std::uint64_t;

inline constexpr Share kWholeShare = Share{1} << 30;

// The largest part that `held` is of `total`, over all resources; of what `total` has not, none.
// At most kWholeShare for what `total` covers.
Share dominantShare(const ResourceSet& held, const ResourceSet& total);

// A share by its weight (1 to JobShare::kMaxWeight).
Share standing(Share share, std::uint32_t weight);

inline constexpr Share kSlackParts = 8;

// Whether the job that stands at `waiting` has a right to a place of the one at `taking`, of which
// one task counts `task`.
constexpr bool isBehind(Share waiting, Share taking, Share task) {
  Share slack = taking / kSlackParts;
  return waiting + (slack > task ? slack : task) < taking;
}

}  // namespace alnilam::placement
