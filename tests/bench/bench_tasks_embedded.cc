// tasks_embedded: no-op tasks a second of the embedded engine; the limit is oneTBB's task_group.

#include "tests/bench/noop_tasks.h"

#include <oneapi/tbb/task_group.h>

#include <algorithm>
#include <atomic>

namespace {

using namespace alnilam;

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
  bench::tasksPerSecond(cluster, 100'000);
  double rate = 0, limit = 0;
  for (int round = 0; round < 3; ++round) {
    rate = std::max(rate, bench::tasksPerSecond(cluster, kTasks));
    limit = std::max(limit, tbbTasksPerSecond(kTasks));
  }
  bench::print("tasks_embedded", rate, "tasks/s", limit, "oneTBB task_group");
}
