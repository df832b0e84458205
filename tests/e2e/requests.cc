// Requests that cannot be right, that nothing can meet, that are taken back, that take too long.

#include "tests/e2e/scenario.h"

#include <chrono>
#include <cmath>
#include <limits>

using namespace std::chrono_literals;
using alnilam::Cluster;
using alnilam::InvalidError;
using alnilam::Options;
using alnilam::Ref;

namespace e2e {

int twice(int number) { return 2 * number; }
int thrice(int number) { return 3 * number; }  // never registered

int twiceBehindGate(const std::string& gate, int number) {
  passGate(gate);
  return 2 * number;
}

ALNILAM_TASK(twice);
ALNILAM_TASK(twiceBehindGate);

namespace {

void unknownFunction(Cluster& cluster, const Arguments&) {
  InvalidError error = thrown<InvalidError>("submit of an unregistered function",
                                            [&] { cluster.submit(thrice, 1); });

  checkContains(error.what(), "ALNILAM_TASK");
  checkEqual(cluster.get(cluster.submit(twice, 21)), 42, "what is submitted next");
}

void badRequests(Cluster& cluster, const Arguments&) {
  struct Case {
    Options options;
    const char* names;  // what the error must name
  };
  const Case cases[] = {
      {{.cpus = -1}, "-1"},
      {{.cpus = std::nan("")}, "nan"},
      {{.cpus = 1e308}, "1e+308"},
      {{.cpus = std::numeric_limits<double>::infinity()}, "inf"},
      {{.cpus = std::ldexp(1.0, 63)}, "9223372036854775808"},
      {{.cpus = 1e-9}, "1e-09"},
      {{.gpus = -0.5}, "-0.5"},
      {{.gpus = std::nan("")}, "gpus"},
      {{.gpus = 1.5}, "1.5"},
      {{.gpuMemory = 1 << 20}, "gpuMemory"},
      {{.gpus = 1, .gpuMemory = std::uint64_t{1} << 63}, "9223372036854775808"},
      {{.memory = static_cast<alnilam::Bytes>(-1)}, "18446744073709551615"},
      {{.memory = std::uint64_t{1} << 63}, "9223372036854775808"},
      {{.retries = 101}, "101"},
      {{.resources = {{"", 1.0}}}, "named resource"},
      {{.resources = {{"license", -2.0}}}, "license"},
      {{.resources = {{std::string(65, 'x'), 1.0}}}, "xxx"},
      {{.resources = {{"license", 1.0}, {"license", 2.0}}}, "twice"},
  };
  for (const Case& bad : cases) {
    InvalidError error = thrown<InvalidError>(
        bad.names, [&] { cluster.submit(bad.options, twice, 1); });
    checkContains(error.what(), bad.names);
    check(std::string(error.what()).find('\n') == std::string::npos, "one line");
  }
  checkEqual(cluster.get(cluster.submit(twice, 21)), 42, "what is submitted next");
}

// Asks what no node has; others are not held up by it.
void infeasible(Cluster& cluster, const Arguments&) {
  struct Case {
    Options options;
    const char* resource;
  };
  const Case cases[] = {
      {{.cpus = 0, .gpus = 64}, "gpus"},
      {{.cpus = 1'000'000}, "cpus"},
      {{.memory = std::uint64_t{1} << 49}, "memory"},
      {{.resources = {{"license", 3.0}}}, "license"},
  };
  for (const Case& greedy : cases) {
    std::vector<Ref<int>> others;
    for (int i = 0; i < 50; ++i) others.push_back(cluster.submit(twice, i));
    auto error = thrown<alnilam::InfeasibleError>(greedy.resource, [&] {
      cluster.get(cluster.submit(greedy.options, twice, 1), 20s);
    });
    checkContains(error.what(), greedy.resource);
    checkContains(error.what(), "largest");
    check(error.failure().kind == alnilam::FailureKind::infeasible, "its kind is infeasible");
    std::vector<int> values = cluster.get(others, 30s);
    for (int i = 0; i < 50; ++i) checkEqual(values[static_cast<std::size_t>(i)], 2 * i, "others");
  }
}

void emptyRefs(Cluster& cluster, const Arguments&) {
  Ref<int> none;
  thrown<InvalidError>("get of an empty Ref", [&] { cluster.get(none); });
  thrown<InvalidError>("submit of an empty Ref", [&] { cluster.submit(twice, none); });
  thrown<InvalidError>("cancel of an empty Ref", [&] { cluster.cancel(none); });
  Ref<int> one = cluster.submit(twice, 1);
  thrown<InvalidError>("wait for more than there are",
                       [&] { cluster.wait(std::vector<Ref<int>>{one}, 2); });
}

void timeouts(Cluster& cluster, const Arguments&) {
  Gate gate;
  Ref<int> slow = cluster.submit({.cpus = 0.5}, twiceBehindGate, gate.path(), 4);
  Ref<int> quick = cluster.submit({.cpus = 0.5}, twice, 4);

  thrown<alnilam::TimeoutError>("get with a timeout", [&] { cluster.get(slow, 30ms); });
  thrown<alnilam::TimeoutError>("get of several with a timeout", [&] {
    cluster.get(std::vector<Ref<int>>{quick, slow}, 30ms);
  });
  thrown<alnilam::TimeoutError>("get with no time", [&] { cluster.get(slow, 0ms); });

  auto first = cluster.wait(std::vector<Ref<int>>{slow, quick}, 1);
  checkEqual(first.ready.size(), 1u, "what is ready first");
  check(first.ready.front() == quick, "the quick one is ready first");
  check(first.pending.size() == 1 && first.pending.front() == slow, "the slow one is pending");
  auto late = cluster.wait(std::vector<Ref<int>>{slow, quick}, 2, 30ms);
  checkEqual(late.ready.size(), 1u, "what is ready in time");
  checkEqual(cluster.wait(std::vector<Ref<int>>{}, 0).ready.size(), 0u, "of nothing");

  gate.open();
  checkEqual(cluster.wait(std::vector<Ref<int>>{slow, quick}, 2).ready.size(), 2u, "both");
  checkEqual(cluster.get(slow), 8, "the slow one, in the end");
}

void cancels(Cluster& cluster, const Arguments&) {
  Gate gate;
  Ref<int> held = cluster.submit({.cpus = 0.5}, twiceBehindGate, gate.path(), 4);
  Ref<int> waiting = cluster.submit({.cpus = 0.5}, twice, held);
  Ref<int> behind = cluster.submit({.cpus = 0.5}, twice, waiting);

  cluster.cancel(waiting);
  cluster.cancel(waiting);
  thrown<alnilam::CancelledError>("cancelled before its start", [&] { cluster.get(waiting, 20s); });
  thrown<alnilam::CancelledError>("behind a cancelled one", [&] { cluster.get(behind, 20s); });
  thrown<alnilam::CancelledError>("submitted behind a cancelled one", [&] {
    cluster.get(cluster.submit(twice, waiting), 20s);
  });
  cluster.cancel(waiting);
  gate.open();
  checkEqual(cluster.get(held, 20s), 8, "the one before it");
  cluster.cancel(held);
  checkEqual(cluster.get(held, 20s), 8, "cancelled after its end");
  checkEqual(cluster.get(cluster.submit(twice, held), 20s), 16, "what reads it");

  // Before submit can have been answered, many at once.
  std::vector<Ref<int>> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back(cluster.submit(twice, i));
    if (i % 2 == 0) cluster.cancel(many.back());
  }
  for (int i = 0; i < 1000; ++i) {
    try {
      checkEqual(cluster.get(many[static_cast<std::size_t>(i)], 20s), 2 * i, "one of many");
    } catch (const alnilam::CancelledError&) {
      check(i % 2 == 0, "what was not cancelled has a value");
    }
  }
}

void delays(Cluster& cluster, const Arguments&) {
  auto since = std::chrono::steady_clock::now();
  checkEqual(cluster.get(cluster.submit({.delay = 200ms}, twice, 1), 20s), 2, "a delayed task");
  check(std::chrono::steady_clock::now() - since >= 200ms, "it waited");
  checkEqual(cluster.get(cluster.submit({.priority = 1'000'000, .deadline = 20s}, twice, 2), 20s),
             4, "a task that is in time");

  Gate gate;
  auto first = cluster.submit(twiceBehindGate, gate.path(), 1);
  auto late = cluster.submit({.delay = 1ms, .deadline = 100ms}, twice, first);
  auto error = thrown<alnilam::DeadlineError>("get of what did not start in time",
                                              [&] { cluster.get(late, 20s); });
  checkContains(error.what(), "100 ms after its submission");
  gate.open();
  checkEqual(cluster.get(first, 20s), 2, "what it waited for");
}

// Where a task could have run but for the quota that the environment says (cpu=1).
void quota(Cluster& cluster, const Arguments&) {
  Gate gate;
  auto first = cluster.submit(twiceBehindGate, gate.path(), 1);
  auto second = cluster.submit(twice, 2);
  check(cluster.wait(std::vector{second}, 1, 300ms).ready.empty(), "the second waits");
  checkContains(cluster.explain(second), "quota, cpu=1");
  auto error = thrown<alnilam::InfeasibleError>("what exceeds the quota", [&] {
    cluster.get(cluster.submit({.cpus = 2}, twice, 3), 20s);
  });
  checkContains(error.what(), "the job's quota is cpu=1");
  gate.open();
  checkEqual(cluster.get(second, 20s), 4, "the second");
}

}  // namespace

void addRequestScenarios(Scenarios& scenarios) {
  scenarios["unknown_function"] = unknownFunction;
  scenarios["bad_requests"] = badRequests;
  scenarios["infeasible"] = infeasible;
  scenarios["empty_refs"] = emptyRefs;
  scenarios["timeouts"] = timeouts;
  scenarios["cancels"] = cancels;
  scenarios["delays"] = delays;
  scenarios["quota"] = quota;
}

}  // namespace e2e
