#pragma once
// `dotprod`, as published: the smaller the product of what is free and what is asked, the better.
//
// Source: README of the trace `openb` (tests/fixtures/openb); 128 vCPU and 8 GPUs are its largest
// nodes.

#include "core/placement/policy/published.h"

namespace alnilam::placement {

inline Choice dotprod(const Question& question, const Terms&) {
  Published has = publishedAmounts(question);
  double cpu = has.cpuFree * has.cpuAsked / kLargestCpu / kLargestCpu;
  double gpu = has.gpuFree * has.gpuAsked / kLargestGpu / kLargestGpu;
  return {static_cast<std::int64_t>(100 * (1 - (cpu + gpu) / 2)), defaultDevice(question)};
}

}  // namespace alnilam::placement
