#pragma once
// `fgd`, as published: fragmentation gradient descent.  The placement that adds least to what the
// typical tasks could not use (fragmentation.h), in steps of a hundredth of a sigmoid; the steps
// are part of the policy, since they make near-equal nodes equal and so fill one after the other.
//
// Source: "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
// Descent", USENIX ATC 2023; README of the trace `openb` (tests/fixtures/openb).

#include "core/placement/fragmentation.h"
#include "core/placement/policy/policy.h"

#include <cmath>

namespace alnilam::placement {

inline std::int64_t fgdScore(double added) {  // in whole devices
  return static_cast<std::int64_t>(100 / (1 + std::exp(added)));
}

inline Choice fgd(const Question& question, const Terms& terms) {
  const Fragmentation& fragmentation = *terms.fragmentation;
  double unit = static_cast<double>(fragmentation.total()) * kWhole;
  std::int64_t before = fragmentation.of(question.state);
  auto after = [&](std::int32_t device) {
    NodeState state = question.state;
    take(state, question.request, device);
    return fgdScore(static_cast<double>(fragmentation.of(state) - before) / unit);
  };
  if (!question.request.isShare()) return {after(-1), -1};
  Choice best{-1, -1};
  for (std::uint32_t i = 0; i < question.state.deviceCount; ++i) {
    if (!deviceFits(question.state, question.request, i)) continue;
    std::int64_t score = after(static_cast<std::int32_t>(i));
    if (score > best.score) best = {score, static_cast<std::int32_t>(i)};
  }
  return best;
}

}  // namespace alnilam::placement
