// The embedded engine through the typed API: both brains, workers and session in one process.

#include "core/engine/local_cluster.h"

#include "core/api/cluster.h"
#include "core/api/task.h"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace alnilam {
namespace engine_test {

int add(int a, int b) { return a + b; }
std::vector<int> upTo(int n) {
  std::vector<int> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 0);
  return values;
}
long sum(View<const int> values) {
  return std::accumulate(values.begin(), values.end(), 0L);
}
int fail(const std::string& why) { throw std::out_of_range(why); }
long total(const std::vector<int>& values) {
  return std::accumulate(values.begin(), values.end(), 0L);
}

ALNILAM_TASK(add);
ALNILAM_TASK(upTo);
ALNILAM_TASK(sum);
ALNILAM_TASK(fail);
ALNILAM_TASK(total);

// Two cores, wherever the test runs.
Topology twoCores() {
  Topology topology;
  topology.hostname = "here";
  topology.domains.push_back({0, 0, 8_GiB});
  topology.cores = {{0, 0}, {1, 0}};
  return topology;
}

struct LocalClusterTest : testing::Test {
  LocalCluster::Config config{.topology = twoCores(), .devices = nullptr, .bindThreads = false};
  std::shared_ptr<LocalCluster> engine = std::make_shared<LocalCluster>(config);
  Cluster cluster{std::shared_ptr<Backend>(engine, &engine->backend())};
};

TEST_F(LocalClusterTest, ATaskRunsAfterThoseItReads) {
  Ref<int> three = cluster.submit(add, 1, 2);
  EXPECT_EQ(cluster.get(cluster.submit(add, three, three)), 6);
}

TEST_F(LocalClusterTest, AThousandTasksComeTogether) {
  std::vector<Ref<int>> parts;
  for (int i = 0; i < 1000; ++i) parts.push_back(cluster.submit(add, i, 1));
  EXPECT_EQ(cluster.get(cluster.submit(total, parts)), 500'500);
}

TEST_F(LocalClusterTest, ALargeResultIsReadInPlace) {
  Ref<std::vector<int>> values = cluster.submit(upTo, 100'000);
  EXPECT_EQ(cluster.get(cluster.submit(sum, values)), 4'999'950'000L);
  View<const int> first = cluster.view(values), second = cluster.view(values);
  EXPECT_EQ(first.data(), second.data()) << "both look at the bytes that the task wrote";
}

TEST_F(LocalClusterTest, AFailureReachesThoseWhoDependOnIt) {
  Ref<int> failed = cluster.submit(fail, "no such thing");
  Ref<int> dependent = cluster.submit(add, failed, 1);
  try {
    cluster.get(dependent);
    FAIL() << "a dependent of a failed task has no value";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.failure().kind, FailureKind::exception);
    EXPECT_EQ(error.failure().function, "fail");
    EXPECT_EQ(error.failure().type, "std::out_of_range");
    EXPECT_EQ(error.failure().message, "no such thing");
  }
}

TEST_F(LocalClusterTest, WhatFitsNowhereIsInfeasibleAndHoldsNobodyUp) {
  Ref<int> never = cluster.submit({.cpus = 3}, add, 1, 2);
  EXPECT_EQ(cluster.get(cluster.submit(add, 1, 2)), 3);
  EXPECT_THROW(cluster.get(never), InfeasibleError);
}

TEST_F(LocalClusterTest, PutsAreReadByTasks) {
  Ref<std::vector<int>> values = cluster.put(upTo(1000));
  EXPECT_EQ(cluster.get(cluster.submit(sum, values)), 499'500L);
}

TEST_F(LocalClusterTest, ManyThreadsMaySubmitAtOnce) {
  std::vector<long> sums(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < sums.size(); ++t) {
    threads.emplace_back([this, t, &sums] {
      for (int i = 0; i < 250; ++i) sums[t] += cluster.get(cluster.submit(add, i, 0));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sums, std::vector<long>(4, 31'125));
}

TEST_F(LocalClusterTest, UsageCountsWhatRan) {
  cluster.get(cluster.submit(add, 1, 2));
  std::vector<UsageRow> rows = cluster.usage();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].node, "here");
  EXPECT_EQ(rows[0].device, "cpu");
  EXPECT_EQ(rows[0].tasks, 1u);
}

TEST_F(LocalClusterTest, WhereATaskIsCanBeAsked) {
  Ref<int> three = cluster.submit(add, 1, 2);
  std::string before = cluster.explain(three);
  EXPECT_NE(before.find("(add)"), std::string::npos) << before;
  cluster.get(three);
  EXPECT_NE(cluster.explain(three).find("finished at node here"), std::string::npos);
}

TEST_F(LocalClusterTest, AnEngineThatGoesLeavesWhatIsQueued) {
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 10'000; ++i) refs.push_back(cluster.submit(add, i, 1));
  refs.clear();  // and the engine with the fixture, tasks or not
}

}  // namespace engine_test
}  // namespace alnilam
