#pragma once
// `clustering`, as published ("GpuClustering"): like goes to like, where a task's shape is "share"
// or its number of GPUs.
//
// Source: README of the trace `openb` (tests/fixtures/openb).

#include "core/placement/policy/policy.h"

namespace alnilam::placement {

inline Choice clustering(const Question& question, const Terms&) {
  const NodeState& state = question.state;
  if (question.request.devices == 0) return {0, -1};
  std::int64_t free = state.freeDeviceParts() / 10;
  std::int64_t base = 25 * (8000 - free) / 8000;
  bool same = false, other = false;
  for (std::uint32_t shape = 0; shape < kShapes; ++shape) {
    if (state.shapes[shape] == 0) continue;
    (shape == shapeOf(question.request) ? same : other) = true;
  }
  std::int64_t bonus = same ? (other ? 50 : 75) : (other ? 0 : 25);
  return {base + bonus, defaultDevice(question)};
}

}  // namespace alnilam::placement
