#pragma once
// How many tasks a node is sent ahead of those that run.
//
// A node that has finished a task should find the next one at hand and not wait for the head; and
// it should not hoard tasks that another node could start sooner.  Both are a matter of time: tasks
// are sent ahead until they make up `horizon` of work.  Before a class has shown how long its tasks
// run, a node gets one ahead, which is enough to learn.

#include "core/base/units.h"

#include <algorithm>
#include <cstdint>

namespace alnilam::placement {

// The mean of a class's running times, recent ones counting more (an eighth each).
class RunTime {
 public:
  bool known() const { return known_; }
  Duration mean() const { return mean_; }

  void observe(Duration ran) {
    ran = std::clamp(ran, Duration{0}, Duration{std::chrono::hours(24 * 365)});
    if (!known_) mean_ = ran;
    else mean_ += (ran - mean_) / 8;
    known_ = true;
  }

 private:
  Duration mean_{};
  bool known_ = false;
};

// How many may queue on a node on which `running` tasks of the class run; at most
// `mostPerRunning` for each.
inline std::uint64_t mayQueue(const RunTime& time, std::uint64_t running, Duration horizon,
                              std::uint32_t mostPerRunning) {
  if (running == 0) return 0;
  if (!time.known()) return 1;
  auto mean = std::max<std::int64_t>(time.mean().count(), 1);
  auto each = std::min<std::int64_t>(horizon.count() / mean, mostPerRunning);
  return running * static_cast<std::uint64_t>(std::max<std::int64_t>(each, 0));
}

// How many links of chains may wait on a node for those before them, beyond the next one of each:
// a chain goes as far ahead as makes up `horizon` of work, so that the head keeps up with it
// without a hurry, and so that a node that is wanted for something else is free of it soon.  Before
// the class has shown how long its tasks run, a pipeline of a few stages goes whole.
inline std::uint64_t mayFollow(const RunTime& time, std::uint64_t running, Duration horizon) {
  constexpr std::int64_t kBlind = 8;
  constexpr std::int64_t kMost = 4096;
  std::int64_t each = kBlind;
  if (time.known()) {
    each = std::min(horizon.count() / std::max<std::int64_t>(time.mean().count(), 1), kMost);
  }
  return std::max<std::uint64_t>(running, 1) *
         static_cast<std::uint64_t>(std::max<std::int64_t>(each, 0));
}

}  // namespace alnilam::placement
