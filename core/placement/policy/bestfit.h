#pragma once
// `bestfit`, as published: the node of which least is left afterwards, cpu and gpu counting alike.
//
// There scores are stretched so that the best feasible node has 100 and the worst 0; this changes
// no choice, since only the best reaches 100.
//
// Source: README of the trace `openb` (tests/fixtures/openb).

#include "core/placement/policy/published.h"

namespace alnilam::placement {

inline Choice bestfit(const Question& question, const Terms&) {
  Published has = publishedAmounts(question);
  double left = 0.5 * (has.cpuFree - has.cpuAsked) / kLargestCpu;
  double score = 100 * (1 - left - 0.5 * (has.gpuFree - has.gpuAsked) / kLargestGpu);
  return {static_cast<std::int64_t>(score), defaultDevice(question)};
}

}  // namespace alnilam::placement
