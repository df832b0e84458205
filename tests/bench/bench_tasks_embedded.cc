// tasks_embedded: no-op tasks a second of the embedded engine; the limit is oneTBB's task_group.

#include "tests/bench/figure.h"

#include <alnilam/alnilam.h>
#include <oneapi/tbb/task_group.h>

#include <algorithm>
#include <atomic>

namespace {

using namespace alnilam;

int noop(int value) { return value; }
ALNILAM_TASK(noop);

double tasksPerSecond(const Cluster& cluster, int tasks) {
  std::vector<Ref<int>> refs;
  refs.reserve(static_cast<std::size_t>(tasks));
  double start = bench::now();
  for (int i = 0; i < tasks; ++i) refs.push_back(cluster.submit(noop, i));
  cluster.get(refs);
  return tasks / (bench::now() - start);
}

// The same loop: results are kept, one for each task.
double tbbTasksPerSecond(int tasks) {
  std::vector<int> results(static_cast<std::size_t>(tasks));
  oneapi::tbb::task_group group;
  double start = bench::now();
  for (int i = 0; i < tasks; ++i) {
    group.run([&results, i] { results[static_cast<std::size_t>(i)] = i; });
  }
  group.wait();
  return tasks / (bench::now() - start);
}

}  // namespace

int main(int argc, char** argv) {
  Cluster cluster = connect(argc, argv);
  constexpr int kTasks = 1'000'000;
  tasksPerSecond(cluster, 100'000);
  double rate = 0, limit = 0;
  for (int round = 0; round < 3; ++round) {
    rate = std::max(rate, tasksPerSecond(cluster, kTasks));
    limit = std::max(limit, tbbTasksPerSecond(kTasks));
  }
  bench::print("tasks_embedded", rate, "tasks/s", limit, "oneTBB task_group");
}
