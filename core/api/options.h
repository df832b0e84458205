#pragma once
// What a task needs, as users write it: cluster.submit({.cpus = 2, .memory = 1_GiB}, f, ...).
//
// Amounts are what one run of the task takes while it runs.  `cpus` defaults to one, or to none for
// a task that asks for GPUs: its work is on the device.
//
// Errors: taskClass throws InvalidError, naming the resource and the value, for what no cluster
// could mean: NaN, infinite, negative or absurd amounts, GPU memory without a GPU.

#include "core/base/units.h"
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
  int priority = 0;              // higher goes first; -1000 to 1000
  unsigned retries = 3;          // attempts after the first, for crashes, lost nodes and devices;
                                 // up to 100
  bool retryExceptions = false;  // also when the function throws
  std::vector<std::pair<std::string, double>> resources{};  // named ones: {{"license", 1}}

  bool operator==(const Options&) const = default;
};

inline const Options kDefaultOptions{};

// The class of tasks of `function` that ask for `options`.
TaskClass taskClass(std::string function, const Options& options);

}  // namespace alnilam
