#include "core/api/options.h"

#include "core/api/errors.h"

#include <algorithm>

namespace alnilam {

namespace {

constexpr Bytes kMostMemory = 1024_TiB;  // no machine has it; a negative number made unsigned does
constexpr std::size_t kMaxName = 64;

Amount amount(double units, const std::string& what) {
  Result<Amount> amount = Amount::from(units, what);
  if (!amount) throwRefusal(amount.error());
  return amount.value();
}

Bytes memory(Bytes bytes, const char* what) {
  if (bytes > kMostMemory) {
    throw InvalidError(std::string(what) + ": " + std::to_string(bytes) +
                       " bytes is more than any machine has (was it negative?)");
  }
  return bytes;
}

std::string seconds(Duration time) {
  return std::to_string(std::chrono::duration<double>(time).count()) + " s";
}

Duration time(Duration wanted, const char* what) {
  if (wanted < Duration{} || wanted > TaskClass::kMaxTime) {
    throw InvalidError(std::string(what) + ": " + seconds(wanted) +
                       " is negative or more than a century");
  }
  return wanted;
}

using NamedUnits = std::vector<std::pair<std::string, double>>;

// Sorted by name, with those of nothing.
std::vector<NamedAmount> named(const NamedUnits& resources) {
  std::vector<NamedAmount> named;
  for (const auto& [name, units] : resources) {
    if (name.empty() || name.size() > kMaxName) {
      throw InvalidError("a named resource needs a name of 1 to 64 bytes, not \"" +
                         name.substr(0, kMaxName) + "\"");
    }
    named.push_back({name, amount(units, name)});
  }
  std::sort(named.begin(), named.end());
  for (std::size_t i = 1; i < named.size(); ++i) {
    if (named[i].name == named[i - 1].name) {
      throw InvalidError("the resource " + named[i].name + " is named twice");
    }
  }
  return named;
}

Placing placing(const Options& options) {
  Placing made;
  if (!options.placement.empty()) {
    if (auto parsed = parsePolicy(options.placement, made); !parsed) {
      throw InvalidError("placement: " + parsed.error().why);
    }
  }
  for (const std::string& text : options.labels) {
    Result<LabelRule> rule = LabelRule::parse(text);
    if (!rule) throw InvalidError("labels: " + rule.error().why);
    made.rules.push_back(std::move(rule).value());
  }
  if (!options.nodes.empty()) {
    if (options.nodes.size() > LabelRule::kMaxValues) {
      throw InvalidError("nodes: " + std::to_string(options.nodes.size()) + " names, at most " +
                         std::to_string(LabelRule::kMaxValues) + " are allowed; label them");
    }
    made.rules.push_back({std::string(kNodeKey), options.nodes, false});
  }
  made.apart = options.apart;
  if (std::string flaw = made.flaw(); !flaw.empty()) throw InvalidError("placement: " + flaw);
  return made;
}

}  // namespace

TaskClass taskClass(std::string function, const Options& options) {
  TaskClass made;
  made.function = std::move(function);
  made.needs.gpus = amount(options.gpus, "gpus");
  made.needs.cpus = amount(options.cpus.value_or(options.gpus > 0 ? 0 : 1), "cpus");
  made.needs.memory = memory(options.memory, "memory");
  made.needs.gpuMemory = memory(options.gpuMemory, "gpuMemory");
  made.needs.named = named(options.resources);
  std::erase_if(made.needs.named, [](const NamedAmount& one) { return one.amount.parts == 0; });
  bool whole = made.needs.gpus.parts % Amount::kPerUnit == 0;
  if (made.needs.gpus > Amount::whole(1) && !whole) {
    throw InvalidError("gpus: " + show(made.needs.gpus) + " is above 1 and not whole; a task gets "
                       "a part of one GPU, or whole ones");
  }
  if (made.needs.gpuMemory > 0 && made.needs.gpus.parts == 0) {
    throw InvalidError("gpuMemory: " + showBytes(made.needs.gpuMemory) +
                       " asked for without a GPU; give .gpus as well");
  }
  if (options.retries > TaskClass::kMaxRetries) {
    throw InvalidError("retries: " + std::to_string(options.retries) + " is above 100");
  }
  made.delay = time(options.delay, "delay");
  made.deadline = time(options.deadline, "deadline");
  if (made.deadline > Duration{} && made.deadline <= made.delay) {
    throw InvalidError("deadline: " + seconds(made.deadline) + " is not after the delay, " +
                       seconds(made.delay));
  }
  made.preemptible = options.preemptible;
  made.placing = placing(options);
  made.priority = TaskClass::clampPriority(options.priority);
  made.retries = options.retries;
  made.retryExceptions = options.retryExceptions;
  return made;
}

JobShare jobShare(const JobOptions& options) {
  JobShare made;
  made.weight = options.weight;
  Quota& quota = made.quota;
  if (options.maxCpus) quota.cpus = amount(*options.maxCpus, "maxCpus");
  if (options.maxGpus) quota.gpus = amount(*options.maxGpus, "maxGpus");
  if (options.maxMemory) quota.memory = memory(*options.maxMemory, "maxMemory");
  if (options.maxGpuMemory) quota.gpuMemory = memory(*options.maxGpuMemory, "maxGpuMemory");
  quota.named = named(options.maxResources);
  if (auto checked = made.check(); !checked) throwRefusal(checked.error());
  return made;
}

}  // namespace alnilam
