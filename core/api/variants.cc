#include "core/api/errors.h"
#include "core/api/variant_set.h"

namespace alnilam {

namespace {

Options optionsFor(const VariantSet::One& one, const Options& options) {
  Options made = options;
  if (made.memory == 0) made.memory = one.needs.memory;
  if (one.kind == VariantKind::cpu) {
    if (!made.cpus) made.cpus = one.needs.cpus;
    made.gpus = 0;
    made.gpuMemory = 0;
  } else {
    made.cpus = one.needs.cpus.value_or(0);
    if (made.gpus == 0) made.gpus = one.needs.gpus.value_or(1);
    if (made.gpuMemory == 0) made.gpuMemory = one.needs.gpuMemory;
  }
  return made;
}

}  // namespace

TaskClass taskClass(const VariantSet& set, const Options& options) {
  TaskClass made;
  for (const VariantSet::One& one : set.variants) {
    TaskClass alone = taskClass(one.function, optionsFor(one, options));
    const char* kind = one.kind == VariantKind::cpu ? "cpu" : "cuda";
    made.variants.push_back({kind, one.function, alone.needs});
    made.priority = alone.priority;
    made.retries = alone.retries;
    made.retryExceptions = alone.retryExceptions;
    made.delay = alone.delay;
    made.deadline = alone.deadline;
    made.preemptible = alone.preemptible;
    made.placing = alone.placing;
  }
  if (made.placing.policy != PlacementPolicy::standard) {
    throw InvalidError("placement: " + options.placement + " is asked for " + set.name +
                       ", which has variants; those go where they end first: leave it out");
  }
  made.function = set.name;
  made.needs = made.variants.front().needs;
  return made;
}

}  // namespace alnilam
