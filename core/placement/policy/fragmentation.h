#pragma once
// `fragmentation`: the placement after which the typical tasks lose least of the node's devices.
//
// The measure is the one of `fgd` (core/placement/fragmentation.h), but exact instead of in steps,
// with the mix learned from the tasks that came and among equals the device with least left.
// Exact gradients scatter tasks over near-equal nodes (README of the trace `openb`: a point worse),
// so a part of what is left free on the node is added, as published for best fit: 1/20 of a device
// for a whole node's.

#include "core/placement/fragmentation.h"
#include "core/placement/policy/published.h"

namespace alnilam::placement {

inline Choice fragmentation(const Question& question, const Terms& terms) {
  const Fragmentation& measure = *terms.fragmentation;
  auto total = static_cast<std::int64_t>(measure.total());
  std::int64_t before = measure.of(question.state);
  auto after = [&](std::int32_t device) {
    NodeState state = question.state;
    take(state, question.request, device);
    double left = inMilli(state.cpu) / kLargestCpu + inMilli(state.freeDeviceParts()) / kLargestGpu;
    auto packed = static_cast<std::int64_t>(left * kWhole / 20 * 64);
    return (before - measure.of(state)) * 64 / total - packed;
  };
  if (!question.request.isShare()) return {after(-1), -1};
  Choice best;
  for (std::uint32_t i = 0; i < question.state.deviceCount; ++i) {
    if (!deviceFits(question.state, question.request, i)) continue;
    Choice choice{after(static_cast<std::int32_t>(i)), static_cast<std::int32_t>(i)};
    if (best.device < 0 || choice.score > best.score) best = choice;
  }
  return best;
}

}  // namespace alnilam::placement
