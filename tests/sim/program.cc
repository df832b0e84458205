#include "tests/sim/program.h"

#include <algorithm>
#include <string>

namespace alnilam::sim {
namespace {

using namespace std::chrono_literals;

// Source: the finaliser of SplitMix64, Vigna (public domain).
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Makes what the class is the first of two or three variants.
void addVariants(TaskClass& made, Luck& luck) {
  made.variants.push_back({"cpu", made.function, made.needs});
  std::size_t others = 1 + luck.below(2);
  for (std::size_t i = 0; i < others; ++i) {
    Variant variant{"cuda", made.function + "v" + std::to_string(i), {}};
    variant.needs.cpus.parts = static_cast<std::int64_t>(luck.below(3)) * 5'000;
    if (luck.percent(80)) variant.needs.gpus.parts = luck.percent(50) ? 10'000 : 5'000;
    if (luck.percent(20)) variant.needs.gpuMemory = 1_GiB;
    made.variants.push_back(std::move(variant));
  }
}

// What every simulated cluster has at least one node for (World::topologyOf).
TaskClass randomClass(Luck& luck, std::size_t number) {
  TaskClass made;
  made.function = "f" + std::to_string(number);
  constexpr std::int64_t kCpus[] = {0, 2'500, 5'000, 10'000, 10'000, 10'000, 15'000, 20'000};
  constexpr std::int64_t kGpus[] = {2'500, 5'000, 10'000};
  made.needs.cpus.parts = kCpus[luck.below(std::size(kCpus))];
  if (luck.percent(25)) {
    made.needs.gpus.parts = kGpus[luck.below(std::size(kGpus))];
    made.needs.gpuMemory = luck.below(3) * 1_GiB;
  }
  if (luck.percent(30)) made.needs.memory = (1 + luck.below(8)) * 1_GiB;
  made.priority = static_cast<std::int32_t>(luck.below(3)) - 1;
  made.retries = TaskClass::kMaxRetries;
  made.preemptible = luck.percent(30);
  if (luck.percent(15)) made.delay = luck.between(1ms, 60ms);
  if (luck.percent(35)) addVariants(made, luck);
  if (!made.hasVariants() && luck.percent(40)) {
    made.placing.policy = static_cast<PlacementPolicy>(1 + luck.below(4));
    if (made.placing.policy == PlacementPolicy::affinity) made.placing.affinity = made.function;
  }
  if (luck.percent(10)) made.placing.apart = "replica";
  return made;
}

}  // namespace

Program Program::random(Luck& luck) {
  Program program;
  std::size_t classes = 1 + luck.below(5);
  for (std::size_t i = 0; i < classes; ++i) program.classes.push_back(randomClass(luck, i));
  // The last class forgives nothing; those who always crash are of it, and so are some innocents.
  program.classes.push_back(randomClass(luck, classes));
  program.classes.back().retries = static_cast<std::uint32_t>(luck.below(3));

  std::size_t count = 1 + luck.below(luck.percent(20) ? 200 : 60);
  bool shortTasks = luck.percent(40);
  bool unruly = luck.percent(60);
  bool chains = luck.percent(40);  // most tasks read the one before them
  std::uint64_t cancels = luck.percent(20) ? 30 : 2;  // in a hundred tasks
  for (std::uint32_t index = 1; index <= count; ++index) {
    SimTask task;
    task.index = index;
    task.taskClass = static_cast<ClassIndex>(luck.below(classes + 1));
    task.put = luck.percent(8);
    task.stored = luck.percent(40);
    task.runs = shortTasks ? luck.between(1us, 300us) : luck.between(50us, 200ms);
    if (!task.put) {
      std::uint64_t inputs = luck.percent(70) ? luck.below(4) : 0;
      for (std::uint64_t i = 0; i < inputs && index > 1; ++i) {
        std::uint64_t back = 1 + luck.below(std::min<std::uint64_t>(index - 1, 12));
        if (chains && luck.percent(70)) back = std::min<std::uint64_t>(index - 1, 1 + i);
        task.inputs.push_back(index - static_cast<std::uint32_t>(back));
      }
      if (unruly) {
        task.throws = luck.percent(2);
        task.exits = luck.percent(30);
        if (luck.percent(3)) task.crashes = 1 + static_cast<std::uint32_t>(luck.below(2));
        if (luck.percent(1)) {
          task.crashes = kAlways;
          task.taskClass = static_cast<ClassIndex>(classes);
        }
        task.cancelled = luck.percent(cancels);
      }
    }

    bool forgives = program.classes[task.taskClass].retries == TaskClass::kMaxRetries;
    std::uint64_t value = mix(index);
    for (std::uint32_t input : task.inputs) {
      const SimTask& one = program.at(input);
      value = mix(value ^ one.value);
      task.mayHaveValue = task.mayHaveValue && one.mayHaveValue;
      task.mayEnd.insert(one.mayEnd.begin(), one.mayEnd.end());
    }
    task.value = value;
    if (task.put && task.stored) task.mayEnd.insert(FailureKind::objectLost);
    if (task.throws) {
      task.mayHaveValue = false;
      task.mayEnd.insert(FailureKind::exception);
    }
    if (task.crashes > 0 && !forgives) {
      task.mayEnd.insert(task.exits ? FailureKind::exited : FailureKind::crashed);
    }
    if (task.crashes == kAlways) task.mayHaveValue = false;
    if (!task.put && !forgives) {
      task.mayEnd.insert(FailureKind::nodeLost);
      task.mayEnd.insert(FailureKind::device);  // lost under it, twice
      task.mayEnd.insert(FailureKind::objectLost);
    }
    if (task.cancelled) task.mayEnd.insert(FailureKind::cancelled);
    program.tasks.push_back(std::move(task));
  }
  return program;
}

}  // namespace alnilam::sim
