#pragma once
// The load of the task benches: functions that do nothing, submitted by one thread, got together.

#include "tests/bench/figure.h"

#include <alnilam/alnilam.h>

#include <vector>

namespace alnilam::bench {

inline int noop(int value) { return value; }
ALNILAM_TASK(noop);

inline double tasksPerSecond(const Cluster& cluster, int tasks) {
  std::vector<Ref<int>> refs;
  refs.reserve(static_cast<std::size_t>(tasks));
  double start = now();
  for (int i = 0; i < tasks; ++i) refs.push_back(cluster.submit(noop, i));
  cluster.get(refs);
  return tasks / (now() - start);
}

// Seconds a link of a chain: each task reads the result of the one before; best of a few chains.
inline double secondsPerLink(const Cluster& cluster, int links, int rounds = 5) {
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    double start = now();
    Ref<int> last = cluster.submit(noop, round);
    for (int i = 1; i < links; ++i) last = cluster.submit(noop, last);
    cluster.get(last);
    double took = (now() - start) / links;
    if (best == 0 || took < best) best = took;
  }
  return best;
}

}  // namespace alnilam::bench
