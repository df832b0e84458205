// How many no-op tasks a second one node brain carries on one core: assigned by a head, sent to an
// executor that answers at once, reported.  In batches of 100, as the wires bring them.
//
// Prints one JSON object a line; the limit is a memcpy of the same task structs.

#include "core/node/node_brain.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

using namespace alnilam;
using namespace alnilam::node;

namespace {

constexpr std::uint32_t kBatch = 100;
constexpr std::uint32_t kTasks = 4'000'000;
constexpr JobId kJob{1};

double seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

double tasksPerSecond() {
  NodeBrain::Config config;
  config.topology.domains.push_back({0, 0, 64_GiB});
  for (std::uint32_t i = 0; i < 2; ++i) config.topology.cores.push_back({i, 0});
  config.total = config.topology.total();
  NodeBrain brain(std::move(config));
  NodeOrders start;
  start.jobs.push_back({kJob, "program", {}});
  TaskClass noop;
  noop.function = "noop";
  noop.needs.cpus = Amount::whole(1);
  start.classes.push_back({kJob, 0, noop});
  brain.step({}, FromHead{std::move(start)});

  std::byte argument[16] = {};
  std::uint32_t next = 1, finished = 0;
  bool up = false;
  Instant now{};
  std::vector<Output> outputs;
  std::vector<RunTask> running;
  auto settle = [&] {
    outputs.clear();
    brain.settle(now, outputs);
    for (Output& output : outputs) {
      if (auto* to = std::get_if<ToExecutor>(&output)) {
        for (RunTask& task : to->orders.run) running.push_back(std::move(task));
      } else if (auto* said = std::get_if<ToHead>(&output)) {
        finished += static_cast<std::uint32_t>(said->report.done.size());
      }
    }
  };
  auto since = std::chrono::steady_clock::now();
  while (finished < kTasks) {
    now += std::chrono::microseconds(10);
    if (next <= kTasks) {
      NodeOrders orders;
      orders.assign.reserve(kBatch);
      for (std::uint32_t i = 0; i < kBatch; ++i, ++next) {
        orders.assign.push_back({ObjectId::make(kJob, next), {1}, 0, Blob::copyOf(argument), {}});
      }
      brain.step(now, FromHead{std::move(orders)});
      settle();
    }
    if (!up) {
      up = true;
      brain.step(now, ExecutorUp{{1}});
      settle();
    }
    ExecutorReport report;
    report.done.reserve(running.size());
    for (RunTask& task : running) {
      TaskDone done;
      done.id = task.id;
      done.attempt = task.attempt;
      done.held = task.arguments;
      done.ran = std::chrono::nanoseconds(100);
      report.done.push_back(std::move(done));
    }
    running.clear();
    brain.step(now, FromExecutor{{1}, std::move(report)});
    settle();
  }
  return kTasks / seconds(since);
}

double copiesPerSecond() {
  std::vector<std::byte> from(kBatch * sizeof(Assignment)), to(from.size());
  std::uint64_t sum = 0;
  auto since = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < kTasks / kBatch; ++i) {
    from[i % from.size()] = static_cast<std::byte>(i);
    std::memcpy(to.data(), from.data(), from.size());
    sum += static_cast<std::uint64_t>(to[i % to.size()]);
  }
  return sum == 0 ? 0 : kTasks / seconds(since);
}

}  // namespace

int main() {
  double limit = copiesPerSecond();
  double value = tasksPerSecond();
  std::printf(
      "{\"name\": \"node_brain\", \"value\": %.0f, \"unit\": \"tasks/s\", \"limit\": %.0f, "
      "\"limitName\": \"memcpy of the assignments\", \"ratio\": %.4f, \"emulated\": false}\n",
      value, limit, value / limit);
}
