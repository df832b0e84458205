#pragma once
// `default`: what is used where nothing else is asked for.
//
// The best node is the one whose outlook (core/placement/outlook.h) suffers least: where least of
// the devices will be stranded by the tasks that typically come, and where least room is taken from
// classes for which room is scarce; among equals the least loaded.  The mix is learned from the
// tasks as they arrive: nothing is known in advance, and no constant belongs to a trace.
//
// Measured on the four lists of the trace `openb` (means of seeds 52-61, allocation % at 100% and
// at 130% arrived; `alnilam-sim table` prints them):
//
//               default          cpu250           gpushare100      gpuspec33
//   fgd         95.26 / 95.42    93.04 / 93.29    86.60 / 86.84    87.69 / 94.59
//   default     95.94 / 96.02    95.22 / 95.54    87.90 / 88.21    90.66 / 95.74
//
// Scoring all states for requests that come once, and not only a few of them (placer.h), gains
// 0.05 to 0.1 (0.4 at 100% of gpuspec33) and costs a millisecond a decision on a thousand nodes.
//
// What was tried on the way (one to three seeds each, differences to fgd at 100% / 130%, the lists
// in the order above):
//
//   exact gradient, no rounding        -3.2/-3.2   -4.4/-4.3   -3.3/-3.1   -0.7/-0.6
//   same + best fit 0.05               -0.0/-0.1   +1.8/+1.8   -0.3/-0.3   -1.1/+0.1
//   gradient in steps of 40 milli      -0.3/-0.3   +1.0/+1.0   -0.1/-0.1   +0.6/+0.3
//   `stranded` alone                   +0.7/+0.7   -1.0/+2.1   +1.3/+1.4   -0.6/+1.2
//   stranded + 0.3 gradient            +0.6/+0.5   +2.0/+2.4   +0.9/+0.9   -0.5/+1.3
//   same, gradient by devices asked    +0.7/+0.6   +0.8/+1.6   +1.1/+1.1   -1.0/+1.3
//   `worth` alone                      -0.7/-0.7   -0.1/+0.0   -0.4/-0.4   +5.2/+0.3
//   stranded + 0.1 worth, mix known    +0.7/+0.6   +2.3/+2.3   +0.9/+1.6   +5.3/+1.3
//   same, mix learned                  +0.9/+0.8   +2.7/+2.6   +1.4/+1.6   +4.2/+1.4
//
// So: looking ahead on one node is what gains at the end, and by itself it gives away the empty
// nodes that tasks of eight devices need and the rare models, which shows at 100%; the price of
// scarce room mends that.  Weights of `worth` from 0.1 to 0.2, 4 to 16 streams of 32 or 64 tasks
// and re-learning at steps of 10% to 50% differ by a few tenths in the mean.  What did not help: a
// best-fit term on top (0.02: -0.1), weighing a gradient by the square of the devices asked (loses
// up to 6 points on gpuspec33), packing by the free share of a node instead of by amounts (loses 8
// there), and weighing scarcity once in 1,200 placements (loses 1 there).
//
// On a cluster without devices the outlook is silent and the least loaded node is taken.

#include "core/placement/outlook.h"
#include "core/placement/policy/policy.h"

namespace alnilam::placement {

// Among equally good nodes the least loaded one, in steps of a 256th.
inline constexpr std::int64_t kLoadSteps = 256;

inline Choice byOutlook(const Question& question, const Terms& terms) {
  const Outlook& outlook = *terms.outlook;
  std::int64_t before = outlook.potential(question.state);
  std::int64_t load = dominantLoad(question.kind, question.state) / (kFullShare / kLoadSteps);
  auto gain = [&](std::int32_t device) {
    NodeState state = question.state;
    take(state, question.request, device);
    return (before - outlook.potential(state)) * (kLoadSteps + 1) - load;
  };
  if (!question.request.isShare()) return {gain(-1), -1};
  Choice best;
  for (std::uint32_t i = 0; i < question.state.deviceCount; ++i) {
    if (!deviceFits(question.state, question.request, i)) continue;
    Choice choice{gain(static_cast<std::int32_t>(i)), static_cast<std::int32_t>(i)};
    if (best.device < 0 || choice.score > best.score) best = choice;
  }
  return best;
}

}  // namespace alnilam::placement
