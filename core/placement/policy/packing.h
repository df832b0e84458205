#pragma once
// `packing`, as published ("GpuPacking"): shares go onto GPUs that are shared already, then onto
// idle GPUs of nodes in use, and idle nodes are opened last.
//
// Source: README of the trace `openb` (tests/fixtures/openb).

#include "core/placement/policy/policy.h"

#include <algorithm>
#include <array>

namespace alnilam::placement {

inline Choice packing(const Question& question, const Terms&) {
  const NodeState& state = question.state;
  const Request& request = question.request;
  if (request.devices == 0) return {0, -1};
  Choice choice{0, defaultDevice(question)};
  std::array<std::int32_t, kMaxDevices> left;
  std::copy_n(state.devices.begin(), state.deviceCount, left.begin());
  std::sort(left.begin(), left.begin() + state.deviceCount);
  std::int64_t idle = std::count(left.begin(), left.begin() + state.deviceCount, kWhole);
  if (idle == static_cast<std::int64_t>(state.deviceCount)) {
    choice.score = std::max<std::int64_t>(33 - idle, idle);
    return choice;
  }
  std::int64_t opened = 0, percentLeft = 0;
  std::uint32_t needed = request.devices;
  for (std::uint32_t i = 0; i < state.deviceCount && needed > 0; ++i) {
    if (left[i] < request.share) continue;
    --needed;
    if (left[i] == kWhole) ++opened;
    else percentLeft += left[i] / (kWhole / 100);
  }
  if (opened > 0) choice.score = std::max<std::int64_t>(50 - opened, 33);
  else choice.score = std::max<std::int64_t>(100 - percentLeft / 10, 50);
  return choice;
}

}  // namespace alnilam::placement
