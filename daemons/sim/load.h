#pragma once
// A synthetic load against the head brain, in virtual time: how long tasks queue, how evenly jobs
// are served, and what a decision and a waiting task cost.
//
// The head brain is the real one.  Nodes are played by the smallest thing that keeps its promises
// (played_nodes.h): each starts what it was sent in the order in which that came, as far as it has
// room, and reports ends as they happen.  Messages take `latency` each way.  No time passes while
// the brain decides.
//
// All jobs bring the same classes and as many tasks, so what differs between them is the
// scheduler's doing.  Running times are drawn from an exponential distribution around their class's
// mean, by task and seed and not by when or where a task runs: another scheduler sees the same.
//
// Deterministic but for seconds and bytes, which are measured by the caller's probes.

#include "core/base/error.h"
#include "core/base/units.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace alnilam::sim {

struct Load {
  std::uint32_t nodes = 1000;
  std::uint32_t cores = 32;      // of a node
  std::uint32_t gpus = 4;        // of every second node; 0: none anywhere
  std::uint32_t tasks = 100'000;
  std::uint32_t jobs = 4;
  std::uint32_t classes = 8;     // of a job; their needs differ, every fourth takes devices
  std::uint32_t priorities = 1;  // levels, 100 apart; the classes of a job take turns in them
  double meanSeconds = 10;       // of the tasks' running times
  double rate = 0;               // tasks a second that arrive; 0: all at once
  std::uint64_t seed = 1;
  Duration latency = std::chrono::microseconds(100);

  // Names the first value that cannot be and what could.
  Result<bool> check() const;

  static constexpr std::uint32_t kMostNodes = 60'000;
  static constexpr std::uint32_t kMostTasks = 50'000'000;
};

// Seconds from the arrival of a task to its start.
struct Queueing {
  double p50 = 0, p95 = 0, p99 = 0, most = 0;
};

struct LoadResult {
  Queueing queueing;
  std::vector<Queueing> byPriority;  // lowest first
  double makespan = 0;               // seconds from the first arrival to the last end
  double utilization = 0;            // percent of all cores, over the makespan
  // Jain's index over the jobs' core seconds served when half of the tasks have ended: 1 if all are
  // served alike, 1/jobs if only one is.
  double fairness = 0;
  std::uint64_t ended = 0, failed = 0;
  double decisionsPerSecond = 0;  // tasks handed to nodes, by the time spent in the brain
  double bytesPerTask = 0;        // of memory, while all that arrived at first wait
};

struct Probes {
  std::function<double()> seconds;                  // of a clock
  std::function<std::uint64_t()> bytes;             // allocated by this process
  std::function<void(std::uint64_t)> ended;         // told now and then how many tasks have ended
};

LoadResult run(const Load& load, const Probes& probes);

}  // namespace alnilam::sim
