#pragma once
// A trace against a policy: the experiment that published policies were measured by.
//
// Pods are offered once, in the order of their arrival; no time passes, none leaves, none is
// retried.  Allocation is the share of the cluster's devices in use, read when what has arrived
// asks for 100% and for 130% of them: the mean over the pods at which that rounds to the percent,
// as in the published curves (and at the end, should the arrivals end before).  Fragmentation is
// what the typical classes of the whole list cannot use at the first reading
// (core/placement/fragmentation.h), for every policy by the same measure.  `fgd` is given these
// classes, as published; `default` and `fragmentation` learn from what has arrived.
//
// Deterministic, except for the rate of decisions, which is measured by the caller's clock.

#include "core/placement/placer.h"
#include "daemons/sim/trace.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace alnilam::sim {

struct ReplayResult {
  std::uint64_t seed = 0;
  std::string policy;
  double allocation100 = 0, allocation130 = 0, fragmentation100 = 0;  // percent
  std::uint64_t failed = 0;
  std::uint64_t pods = 0;
  double seconds = 0;  // spent on decisions

  double decisionsPerSecond() const {
    return seconds > 0 ? static_cast<double>(pods) / seconds : 0;
  }
};

// Seconds from some origin; what the rate of decisions is measured by.
using Clock = std::function<double()>;

ReplayResult replay(const std::vector<TraceNode>& nodes, const std::vector<TracePod>& pods,
                    const Arrivals& arrivals, const placement::Policy& policy, const Clock& clock);

}  // namespace alnilam::sim
