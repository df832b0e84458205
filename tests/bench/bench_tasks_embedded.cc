// tasks_embedded: no-op tasks a second of the embedded engine; the limit is oneTBB's task_group.
// chain_embedded: a link of 10,000 no-op tasks of which each reads the one before; the limit is a
// call by pointer and a hop through a locked queue.

#include "tests/bench/noop_tasks.h"

#include <oneapi/tbb/task_group.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>

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

// A link with nothing behind it: what the last one returned is queued, drawn, and passed to a call.
double secondsPerHop(int hops) {
  struct Call {
    int (*function)(int);
    int value;
  };
  std::mutex mutex;
  std::deque<Call> queue;
  double start = bench::now();
  int value = 0;
  for (int i = 0; i < hops; ++i) {
    {
      std::lock_guard lock(mutex);
      queue.push_back({&bench::noop, value + 1});
    }
    std::lock_guard lock(mutex);
    Call call = queue.front();
    queue.pop_front();
    value = call.function(call.value);
  }
  double took = bench::now() - start;
  return value == hops ? took / hops : 0;
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
  bench::print("chain_embedded", bench::secondsPerLink(cluster, 10'000) * 1e6, "us/link",
               secondsPerHop(1'000'000) * 1e6,
               "a call by pointer and a hop through a locked queue");
}
