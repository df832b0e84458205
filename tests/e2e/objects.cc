// Values of every size: put, passed, returned, viewed, pulled from node to node.

#include "tests/e2e/scenario.h"

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <numeric>

using namespace std::chrono_literals;
using alnilam::Cluster;
using alnilam::Ref;
using alnilam::View;

namespace e2e {

using Bytes = std::vector<std::uint8_t>;

Bytes make(std::size_t size, std::uint32_t seed) { return pattern(size, seed); }

// Goes on only when `gate` is open: whoever holds a node meanwhile forces others elsewhere.
Bytes makeBehindGate(const std::string& gate, std::size_t size, std::uint32_t seed) {
  passGate(gate);
  return pattern(size, seed);
}

int isPattern(const Bytes& bytes, std::size_t size, std::uint32_t seed) {
  return bytes == pattern(size, seed) ? 1 : 0;
}

int isPatternInPlace(View<const std::uint8_t> bytes, std::size_t size, std::uint32_t seed) {
  Bytes wanted = pattern(size, seed);
  return std::equal(bytes.begin(), bytes.end(), wanted.begin(), wanted.end()) ? 1 : 0;
}

Bytes join(const Bytes& left, const Bytes& right) {
  Bytes both = left;
  both.insert(both.end(), right.begin(), right.end());
  return both;
}

std::uint64_t sum(View<const std::uint32_t> numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
}

std::vector<std::uint32_t> count(std::uint32_t n) {
  std::vector<std::uint32_t> numbers(n);
  std::iota(numbers.begin(), numbers.end(), 0u);
  return numbers;
}

ALNILAM_TASK(make);
ALNILAM_TASK(makeBehindGate);
ALNILAM_TASK(isPattern);
ALNILAM_TASK(isPatternInPlace);
ALNILAM_TASK(join);
ALNILAM_TASK(sum);
ALNILAM_TASK(count);

namespace {

// Whether `place` lies in memory that this process shares with others.
bool isSharedMemory(const void* place) {
  std::ifstream maps("/proc/self/maps");
  auto wanted = reinterpret_cast<std::uintptr_t>(place);
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0, to = 0;
    char flags[5] = {};
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, flags) == 3 &&
        from <= wanted && wanted < to) {
      return flags[3] == 's';
    }
  }
  return false;
}

constexpr std::size_t kSizes[] = {0,       1,         64,        65'500,    65'535,
                                  65'536,  65'537,    100'000,   1u << 20,  (64u << 20) + 1};

void sizes(Cluster& cluster, const Arguments&) {
  std::uint32_t seed = 1;
  for (std::size_t size : kSizes) {
    std::string what = std::to_string(size) + " bytes ";
    Bytes wanted = pattern(size, ++seed);

    Ref<Bytes> put = cluster.put(wanted);
    Ref<Bytes> made = cluster.submit(make, size, seed);

    check(cluster.get(made, 30s) == wanted, what + "returned");
    check(cluster.get(put, 30s) == wanted, what + "put");
    checkEqual(cluster.get(cluster.submit(isPattern, put, size, seed), 30s), 1, what + "as put");
    checkEqual(cluster.get(cluster.submit(isPattern, made, size, seed), 30s), 1, what + "as made");
    checkEqual(cluster.get(cluster.submit(isPattern, wanted, size, seed), 30s), 1,
               what + "as an argument");
    checkEqual(cluster.get(cluster.submit(isPatternInPlace, made, size, seed), 30s), 1,
               what + "in place");
  }
}

void views(Cluster& cluster, const Arguments&) {
  constexpr std::uint32_t kCount = 3'000'000;
  Ref<std::vector<std::uint32_t>> numbers = cluster.submit(count, kCount);

  std::uint64_t there = cluster.get(cluster.submit(sum, numbers), 30s);
  View<const std::uint32_t> first = cluster.view(numbers, 30s), second = cluster.view(numbers, 30s);

  checkEqual(there, std::uint64_t{kCount} * (kCount - 1) / 2, "the sum made by a task");
  checkEqual(first.size(), std::size_t{kCount}, "the view's size");
  for (std::uint32_t i = 0; i < kCount; i += 1000) checkEqual(first[i], i, "an element");
  bool inPlace = first.data() == second.data() || isSharedMemory(first.data());
  check(inPlace, "a view shows the memory that holds the value");
  numbers = {};  // what is viewed stays
  first = {};
  checkEqual(second[kCount - 1], kCount - 1, "an element after its Ref has gone");
}

// pulls: on nodes of one core each.  While the first maker waits at its gate, holding its node's
// only core, the second can only run on the other node; so their results lie apart.
void pulls(Cluster& cluster, const Arguments&) {
  std::uint32_t seed = 100;
  for (std::size_t size : kSizes) {
    seed += 2;
    Gate gate;
    Ref<Bytes> one = cluster.submit({.cpus = 1}, makeBehindGate, gate.path(), size, seed);
    Ref<Bytes> other = cluster.submit({.cpus = 1}, make, size, seed + 1);
    cluster.wait(std::vector<Ref<Bytes>>{other}, 1, 20s);
    gate.open();
    Ref<Bytes> both = cluster.submit({.cpus = 1}, join, one, other);

    Bytes got = cluster.get(both, 40s), wanted = join(pattern(size, seed), pattern(size, seed + 1));

    check(got == wanted, std::to_string(size) + " bytes from two nodes");
  }
  // A node tells the head of its pulls after it has used what they brought.
  bool moved = false;
  for (int asked = 0; !moved && asked < 10'000; ++asked) {
    for (const alnilam::UsageRow& row : cluster.usage()) {
      moved |= row.moved >= std::size_t{64} << 20 && !row.lanes.empty();
    }
  }
  check(moved, "the lane by which bytes came from node to node is told");
}

// With stores of 64 MiB.
void storeFull(Cluster& cluster, const Arguments&) {
  auto error = thrown<alnilam::TaskError>("a result larger than the store", [&] {
    cluster.get(cluster.submit({.retries = 0}, make, std::size_t{80} << 20, 1), 30s);
  });
  check(error.failure().kind == alnilam::FailureKind::storeFull,
        "its kind: " + std::string(error.what()));
  checkEqual(error.failure().function, std::string("make"), "the function");
  checkContains(error.what(), "67108864 bytes");

  auto refused = thrown<alnilam::StoreFullError>("a value larger than the store", [&] {
    cluster.put(pattern(std::size_t{80} << 20, 1));
  });
  checkContains(refused.what(), "67108864 bytes");

  checkEqual(cluster.get(cluster.submit(isPattern, cluster.submit(make, std::size_t{1} << 20, 5),
                                        std::size_t{1} << 20, 5), 20s),
             1, "what fits is still made");
}

// Ten times the store, one after the other: what nobody refers to is freed.
void storeReuse(Cluster& cluster, const Arguments&) {
  constexpr std::size_t kSize = std::size_t{8} << 20;
  for (std::uint32_t i = 0; i < 80; ++i) {
    Ref<Bytes> made = cluster.submit(make, kSize, i);
    checkEqual(cluster.get(cluster.submit(isPatternInPlace, made, kSize, i), 30s), 1, "a value");
  }
}

// Makes large values on all nodes, says so, and when it hears a line reads them all by tasks and by
// itself.  The driver does something to a node in between.
void largeValues(Cluster& cluster, const Arguments&) {
  constexpr std::uint32_t kValues = 24;
  constexpr std::size_t kSize = std::size_t{1} << 20;
  std::vector<Ref<Bytes>> values;
  for (std::uint32_t i = 0; i < kValues; ++i) values.push_back(cluster.submit(make, kSize, i));
  cluster.wait(values, kValues);
  tell("made");
  hear();

  std::vector<Ref<int>> checks;
  for (std::uint32_t i = 0; i < kValues; ++i) {
    checks.push_back(cluster.submit(isPattern, values[i], kSize, i));
  }
  for (Ref<int>& one : checks) checkEqual(cluster.get(one, 40s), 1, "a value read by a task");
  for (std::uint32_t i = 0; i < kValues; ++i) {
    check(cluster.get(values[i], 40s) == pattern(kSize, i), "a value read by the program");
  }
}

}  // namespace

void addObjectScenarios(Scenarios& scenarios) {
  scenarios["sizes"] = sizes;
  scenarios["views"] = views;
  scenarios["pulls"] = pulls;
  scenarios["store_full"] = storeFull;
  scenarios["store_reuse"] = storeReuse;
  scenarios["large_values"] = largeValues;
}

}  // namespace e2e
