// Many tasks: trees of them, a run of them that is disturbed, and ones that nobody waits for.

#include "tests/e2e/scenario.h"

#include <chrono>

using namespace std::chrono_literals;
using alnilam::Cluster;
using alnilam::Ref;

namespace e2e {

std::uint64_t mix(std::uint64_t left, std::uint64_t right) {
  std::uint64_t mixed = (left ^ (right * 0x9e3779b97f4a7c15u)) + 0x632be59bd9b4e019u;
  return (mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9u;
}

std::uint64_t mixAll(const std::vector<std::uint64_t>& values) {
  std::uint64_t mixed = 0;
  for (std::uint64_t value : values) mixed = mix(mixed, value);
  return mixed;
}

// Real work of some milliseconds.
std::uint64_t grind(std::uint64_t seed) {
  std::uint64_t mixed = seed;
  for (std::uint64_t i = 0; i < 3'000'000; ++i) mixed = mix(mixed, i);
  return mixed;
}

std::uint64_t mixBehindGate(const std::string& gate, std::uint64_t seed) {
  passGate(gate);
  return mix(seed, seed);
}

ALNILAM_TASK(mix);
ALNILAM_TASK(mixAll);
ALNILAM_TASK(grind);
ALNILAM_TASK(mixBehindGate);

namespace {

// Binary trees whose inner nodes are tasks, and one that takes in all their roots.
std::uint64_t trees(Cluster& cluster, std::uint32_t count, std::uint32_t leaves) {
  std::vector<Ref<std::uint64_t>> roots;
  for (std::uint32_t tree = 0; tree < count; ++tree) {
    std::vector<Ref<std::uint64_t>> level;
    for (std::uint64_t leaf = 0; leaf < leaves; ++leaf) {
      level.push_back(cluster.submit(mix, std::uint64_t{tree}, leaf));
    }
    for (; level.size() > 1; level.resize(level.size() / 2)) {
      for (std::size_t i = 0; i < level.size() / 2; ++i) {
        level[i] = cluster.submit(mix, level[2 * i], level[2 * i + 1]);
      }
    }
    roots.push_back(level.front());
  }
  return cluster.get(cluster.submit(mixAll, roots), 55s);
}

std::uint64_t treesHere(std::uint32_t count, std::uint32_t leaves) {
  std::vector<std::uint64_t> roots;
  for (std::uint32_t tree = 0; tree < count; ++tree) {
    std::vector<std::uint64_t> level;
    for (std::uint64_t leaf = 0; leaf < leaves; ++leaf) level.push_back(mix(tree, leaf));
    for (; level.size() > 1; level.resize(level.size() / 2)) {
      for (std::size_t i = 0; i < level.size() / 2; ++i) {
        level[i] = mix(level[2 * i], level[2 * i + 1]);
      }
    }
    roots.push_back(level.front());
  }
  return mixAll(roots);
}

// 20,000 tasks and more.
void forest(Cluster& cluster, const Arguments&) {
  checkEqual(trees(cluster, 79, 128), treesHere(79, 128), "the trees' mix");
}

// A chain, each link of which waits for the one before it.
void chain(Cluster& cluster, const Arguments&) {
  constexpr std::uint64_t kLinks = 3000;
  Ref<std::uint64_t> last = cluster.submit(mix, std::uint64_t{1}, std::uint64_t{1});
  std::uint64_t wanted = mix(1, 1);
  for (std::uint64_t i = 0; i < kLinks; ++i) {
    last = cluster.submit(mix, last, i);
    wanted = mix(wanted, i);
  }
  checkEqual(cluster.get(last, 50s), wanted, "the end of the chain");
}

// run N: N tasks of real work; says "running" when the first is done, and goes on whatever happens.
void run(Cluster& cluster, const Arguments& arguments) {
  std::uint64_t count = std::stoull(arguments.at(0));
  std::vector<Ref<std::uint64_t>> values;
  for (std::uint64_t i = 0; i < count; ++i) values.push_back(cluster.submit(grind, i));
  cluster.wait(values, 1);
  tell("running");
  Ref<std::uint64_t> all = cluster.submit(mixAll, values);
  std::vector<std::uint64_t> wanted;
  for (std::uint64_t i = 0; i < count; ++i) wanted.push_back(grind(i));
  check(cluster.get(values, 50s) == wanted, "every value");
  checkEqual(cluster.get(all, 50s), mixAll(wanted), "what a task made of them");
}

// pending N GATE: N tasks at a gate that somebody else holds; waits for them.
void pending(Cluster& cluster, const Arguments& arguments) {
  std::uint64_t count = std::stoull(arguments.at(0));
  std::vector<Ref<std::uint64_t>> values;
  for (std::uint64_t i = 0; i < count; ++i) {
    values.push_back(cluster.submit(mixBehindGate, arguments.at(1), i));
  }
  tell("submitted");
  std::vector<std::uint64_t> got = cluster.get(values);
  for (std::uint64_t i = 0; i < count; ++i) checkEqual(got[i], mix(i, i), "a value");
}

// The least that shows a cluster to work.
void hello(Cluster& cluster, const Arguments&) {
  checkEqual(cluster.get(cluster.submit(mix, std::uint64_t{1}, std::uint64_t{2}), 40s), mix(1, 2),
             "a task's value");
}

}  // namespace

void addGraphScenarios(Scenarios& scenarios) {
  scenarios["forest"] = forest;
  scenarios["chain"] = chain;
  scenarios["run"] = run;
  scenarios["pending"] = pending;
  scenarios["hello"] = hello;
}

}  // namespace e2e
