#pragma once
// The units in which the published policies compute: thousandths of a processor and of a GPU.
//
// Their scores are floating-point values cut to integers, and where a value falls on an integer the
// way of computing decides the cut; so they are computed here as they were there.

#include "core/placement/policy/policy.h"

namespace alnilam::placement {

inline constexpr double kLargestCpu = 128'000, kLargestGpu = 8'000;

struct Published {
  double cpuFree, cpuAsked, gpuFree, gpuAsked;
};

constexpr double inMilli(std::int64_t parts) { return static_cast<double>(parts) / 10; }

inline Published publishedAmounts(const Question& question) {
  return {inMilli(question.state.cpu), inMilli(question.request.cpu),
          inMilli(question.state.freeDeviceParts()), inMilli(question.request.deviceParts())};
}

}  // namespace alnilam::placement
