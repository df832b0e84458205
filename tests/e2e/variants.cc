// Tasks with variants: results do not tell which ran, and most run as the faster one.

#include "tests/e2e/scenario.h"

#include <alnilam/alnilam.h>

#include <algorithm>

using alnilam::Cluster;
using alnilam::Ref;
using namespace std::chrono_literals;

namespace e2e {
namespace {

constexpr int kQuick = 1, kSlow = 40;

// Work that takes as long wherever it runs: `units` times some hundred thousand dependent steps.
std::uint32_t work(std::uint32_t seed, int units) {
  std::uint32_t state = seed;
  for (int step = 0; step < units * 200'000; ++step) state = state * 1664525u + 1013904223u;
  return state;
}

// The answer is the same, however long it took.
std::uint32_t answer(std::uint32_t seed, int units) {
  volatile std::uint32_t done = work(seed, units);
  static_cast<void>(done);
  return seed * 3 + 1;
}

}  // namespace

std::uint32_t quickThere(alnilam::gpu::Context&, std::uint32_t seed) {
  return answer(seed, kQuick);
}
std::uint32_t slowThere(alnilam::gpu::Context&, std::uint32_t seed) { return answer(seed, kSlow); }
std::uint32_t quickHere(std::uint32_t seed) { return answer(seed, kQuick); }
std::uint32_t slowHere(std::uint32_t seed) { return answer(seed, kSlow); }

ALNILAM_VARIANTS(fasterThere, cpu(slowHere), cuda(quickThere));
ALNILAM_VARIANTS(fasterHere, cuda(slowThere), cpu(quickHere));
ALNILAM_VARIANTS(fasterSecond, cpu(slowHere), cpu(quickHere));

namespace {

constexpr std::uint32_t kTasks = 400;

// How many tasks of `function` ran as `variant`.
std::uint64_t runsOf(Cluster& cluster, const std::string& function, const std::string& variant) {
  std::uint64_t runs = 0;
  for (const alnilam::UsageRow& row : cluster.usage()) {
    for (const alnilam::VariantRuns& one : row.variants) {
      if (one.function == function && one.variant == variant) runs += one.tasks;
    }
  }
  return runs;
}

// Submits, checks the results, and returns the last one.
template <typename Set>
Ref<std::uint32_t> runMany(Cluster& cluster, const Set& set) {
  std::vector<Ref<std::uint32_t>> refs;
  for (std::uint32_t i = 0; i < kTasks; ++i) refs.push_back(cluster.submit(set, i));
  for (std::uint32_t i = 0; i < kTasks; ++i) {
    checkEqual(cluster.get(refs[i], 50s), i * 3 + 1, "a result");
  }
  return refs.back();
}

void checkMix(Cluster& cluster, const std::string& function, const std::string& quick,
              const std::string& slow) {
  std::uint64_t asQuick = runsOf(cluster, function, quick);
  std::uint64_t asSlow = runsOf(cluster, function, slow);
  checkEqual(asQuick + asSlow, std::uint64_t{kTasks}, "runs of " + function);
  check(asQuick > 0 && asSlow > 0, function + " ran as each of its variants");
  check(asSlow < kTasks / 4, std::to_string(asSlow) + " of " + function + " ran as the slow one");
}

// [hold]: with devices.  Says "ran" and waits for a line, if it is to hold.
void variants(Cluster& cluster, const Arguments& arguments) {
  Ref<std::uint32_t> last = runMany(cluster, fasterThere);
  checkMix(cluster, "fasterThere", "quickThere", "slowHere");
  std::string why = cluster.explain(last);
  checkContains(why, "(fasterThere): finished at node");
  checkContains(why, "cuda (quickThere) on ");
  checkContains(why, "cpu (slowHere): takes ");
  runMany(cluster, fasterHere);
  checkMix(cluster, "fasterHere", "quickHere", "slowThere");
  if (arguments.empty()) return;
  tell("ran");
  hear();
}

// On machines of any kind: both variants are of one kind.
void variantsOfOneKind(Cluster& cluster, const Arguments&) {
  runMany(cluster, fasterSecond);
  checkMix(cluster, "fasterSecond", "quickHere", "slowHere");
}

}  // namespace

void addVariantScenarios(Scenarios& scenarios) {
  scenarios["variants"] = variants;
  scenarios["variants_of_one_kind"] = variantsOfOneKind;
}

}  // namespace e2e
