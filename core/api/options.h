#pragma once
// What a task needs, as users write it: cluster.submit({.cpus = 2, .memory = 1_GiB}, f, ...).
//
// Amounts are what one run of the task takes while it runs.  `cpus` defaults to one, or to none for
// a task that asks for GPUs: its work is on the device.
//
// Tasks of one function with equal options form a class, of which a program has at most 65,536: so
// delays and deadlines should be of a few lengths, and not computed anew for each task.
//
// Errors: taskClass throws InvalidError, naming the resource and the value, for what no cluster
// could mean: NaN, infinite, negative or absurd amounts, GPU memory without a GPU; a placement or a
// rule about labels that is none, and two rules that no node can keep both.

#include "core/base/units.h"
#include "core/graph/job.h"
#include "core/graph/task.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace alnilam {

struct Options {
  std::optional<double> cpus{};  // cores; down to 0.0001; none given: 1, or 0 if gpus > 0
  double gpus = 0;               // 0.25 is a quarter of one device; above 1 whole devices only
  Bytes gpuMemory = 0;           // bytes of device memory, over all its devices
  Bytes memory = 0;              // bytes of host memory
  int priority = 0;              // higher goes first; -1000 to 1000, others count as the nearest
  unsigned retries = 3;          // attempts after the first, for crashes, lost nodes and devices;
                                 // up to 100
  bool retryExceptions = false;  // also when the function throws
  std::vector<std::pair<std::string, double>> resources{};  // named ones: {{"license", 1}}
  Duration delay{};          // after the submission, before which it does not start
  Duration deadline{};       // after the submission: if it has not started by then, it fails with
                             // DeadlineError; of equal priorities the earliest goes first; 0: none
  bool preemptible = false;  // while queued on a node, it makes way for higher priorities

  // Where it would like to run; "" or "default": as the cluster does.
  //   "spread"         where least is going on
  //   "pack"           where most is going on and there is room, so that other nodes stay empty
  //   "locality"       where most bytes of its inputs lie, though that node be busy for a while
  //   "affinity(KEY)"  on the nodes of other tasks with this key, until those have too much to do
  // Tasks with variants go where they end first.
  std::string placement{};
  // Which nodes may run it: {"zone=a", "zone!=a", "disk in (ssd, nvme)", "gpu.model notin (T4)"}.
  // All of them hold; "node" is a node's name, "gpu.model" its devices', the others it was given by
  // alnilam-node --label.
  std::vector<std::string> labels{};
  std::vector<std::string> nodes{};  // names of the only nodes that may run it; empty: any
  std::string apart{};               // no two tasks of this program with this key are on one node

  bool operator==(const Options&) const = default;
};

inline const Options kDefaultOptions{};

// What a program asks of the cluster as a whole: connect(argc, argv, {.weight = 200}).
struct JobOptions {
  // When several programs wait for the same, one with twice the weight gets twice as much.
  unsigned weight = 100;  // 1 to 10,000
  // The most that its tasks hold at a time, though all else be idle.  What is not given is not
  // bounded; 0 allows none of it.  What asks for more than the quota fails with InfeasibleError.
  std::optional<double> maxCpus{};
  std::optional<double> maxGpus{};
  std::optional<Bytes> maxMemory{};
  std::optional<Bytes> maxGpuMemory{};
  std::vector<std::pair<std::string, double>> maxResources{};  // named ones
};

// Throws InvalidError, naming the option and the value.
JobShare jobShare(const JobOptions& options);

// The class of tasks of `function` that ask for `options`.
TaskClass taskClass(std::string function, const Options& options);

}  // namespace alnilam
