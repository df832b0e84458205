// Where tasks go: by labels of nodes, by name, by a key, apart from each other; and where they go
// instead if nothing moves there or everything fails.

#include "tests/e2e/scenario.h"

#include <map>

using alnilam::Cluster;
using alnilam::InfeasibleError;
using alnilam::Options;
using alnilam::Ref;

namespace e2e {

int plusOne(int number) { return number + 1; }

int plusOneBehindGate(const std::string& gate, int number) {
  passGate(gate);
  return number + 1;
}

// Of one class, some wait at a gate and most do not.
int plusOneOrWait(const std::string& gate, int number) {
  if (!gate.empty()) passGate(gate);
  return number + 1;
}

ALNILAM_TASK(plusOne);
ALNILAM_TASK(plusOneBehindGate);
ALNILAM_TASK(plusOneOrWait);

namespace {

// Tasks of this program so far, by node.
std::map<std::string, std::uint64_t> tasksByNode(Cluster& cluster) {
  std::map<std::string, std::uint64_t> tasks;
  for (const alnilam::UsageRow& row : cluster.usage()) tasks[row.node] += row.tasks;
  return tasks;
}

// Runs `count` tasks that ask for `options`, one after the other, and answers where they ran.
std::map<std::string, std::uint64_t> placesOf(Cluster& cluster, const Options& options, int count) {
  auto before = tasksByNode(cluster);
  for (int i = 0; i < count; ++i) {
    checkEqual(cluster.get(cluster.submit(options, plusOne, i)), i + 1, "a result");
  }
  auto places = tasksByNode(cluster);
  for (auto& [node, tasks] : before) {
    if ((places[node] -= tasks) == 0) places.erase(node);
  }
  return places;
}

// On nodes node1 (zone=a), node2 (zone=b) and node3.
void placing(Cluster& cluster, const Arguments&) {
  using Places = std::map<std::string, std::uint64_t>;
  checkEqual(placesOf(cluster, {.labels = {"zone=b"}}, 5), Places{{"node2", 5}}, "zone=b");
  checkEqual(placesOf(cluster, {.labels = {"zone notin (a, b)"}}, 5), Places{{"node3", 5}},
             "no zone");
  checkEqual(placesOf(cluster, {.nodes = {"node1"}}, 5), Places{{"node1", 5}}, "by name");
  for (const char* key : {"affinity(x)", "affinity(y)", "affinity(z)"}) {
    checkEqual(placesOf(cluster, {.placement = key}, 10).size(), 1u, key);
  }
  auto nowhere = thrown<InfeasibleError>("a zone that is not", [&] {
    cluster.get(cluster.submit({.labels = {"zone=c"}}, plusOne, 1));
  });
  checkContains(nowhere.what(), "zone in (c)");
  checkContains(nowhere.what(), "zone=a, zone=b, none");

  Gate gate;
  std::vector<Ref<int>> apart;
  for (int i = 0; i < 4; ++i) {
    apart.push_back(cluster.submit({.cpus = 0.1, .apart = "replica"}, plusOneBehindGate,
                                   gate.path(), i));
  }
  const std::string kWhy = "node3: a task is there from which this one is to be apart (replica)";
  // Until the head has placed those that it can; each look is a question to it.
  for (int look = 0; look < 10'000; ++look) {
    if (cluster.explain(apart[3]).find(kWhy) != std::string::npos) break;
  }
  checkContains(cluster.explain(apart[3]), kWhy);
  gate.open();
  for (int i = 0; i < 4; ++i) {
    checkEqual(cluster.get(apart[static_cast<std::size_t>(i)]), i + 1, "one that is apart");
  }
}

// On two nodes of one core: tasks that have a node to themselves, short ones behind one that waits
// for them all to end.
void fetched(Cluster& cluster, const Arguments&) {
  const Options whole{.cpus = 1};
  std::vector<Ref<int>> first;
  for (int i = 0; i < 200; ++i) {
    first.push_back(cluster.submit(whole, plusOneOrWait, std::string(), i));
  }
  cluster.get(first);  // now they are known to be short, and are sent ahead by the dozen
  Gate gate;
  Ref<int> waits = cluster.submit(whole, plusOneOrWait, gate.path(), 0);
  std::vector<Ref<int>> behind;
  for (int i = 0; i < 500; ++i) {
    behind.push_back(cluster.submit(whole, plusOneOrWait, std::string(), i));
  }
  for (int i = 0; i < 500; ++i) {
    const Ref<int>& one = behind[static_cast<std::size_t>(i)];
    auto waited = cluster.wait(std::vector{one}, 1, std::chrono::seconds(20));
    check(!waited.ready.empty(), "it ends though another does not: " + cluster.explain(one));
    checkEqual(cluster.get(one), i + 1, "one that was behind it");
  }
  gate.open();
  checkEqual(cluster.get(waits), 1, "the long one");
}

}  // namespace

void addPlacingScenarios(Scenarios& scenarios) {
  scenarios["placing"] = placing;
  scenarios["fetched"] = fetched;
}

}  // namespace e2e
