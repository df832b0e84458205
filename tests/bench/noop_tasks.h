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

}  // namespace alnilam::bench
