#include "gpu/emulator/engine.h"

#include <algorithm>

namespace alnilam::gpu::emulator {

// The step that begins at `when`, made by cutting the one that holds it.
std::size_t Engine::stepAt(Time when) {
  auto after = std::upper_bound(steps_.begin(), steps_.end(), when,
                                [](Time t, const Step& step) { return t < step.from; });
  auto index = static_cast<std::size_t>(after - steps_.begin());
  Step holds = *std::prev(after);
  if (holds.from == when) return index - 1;
  steps_.insert(after, Step{when, holds.used});
  return index;
}

Engine::Time Engine::reserve(Time earliest, Time length, std::uint32_t amount) {
  std::lock_guard lock(mutex_);
  amount = std::min(amount, capacity_);
  Time start = std::max(earliest, steps_.front().from);
  auto step = std::upper_bound(steps_.begin(), steps_.end(), start,
                               [](Time t, const Step& s) { return t < s.from; });
  for (--step; step != steps_.end() && step->from < start + length; ++step) {
    if (step->used + amount > capacity_) start = std::next(step)->from;  // never the last one
  }
  if (length > Time{0}) {
    std::size_t first = stepAt(start), end = stepAt(start + length);
    for (std::size_t i = first; i < end; ++i) steps_[i].used += amount;
    while (steps_.size() > kMostSteps) steps_.pop_front();
  }
  return start;
}

}  // namespace alnilam::gpu::emulator
