#pragma once
// A cluster's nodes, its tasks and orders of their arrival, read from the files of a trace.
//
// Nodes and pods are CSV with a header line that names the columns (those that are needed may stand
// in any order, others are passed over); arrivals are lines "seed: indices | ranks".  The formats
// are those of the trace `openb`; tests/fixtures/openb has a small cut of it and their description.
//
// Errors: whatever does not read as what its column is, is refused with file, line and column, the
// value, and what would be accepted.

#include "core/base/error.h"
#include "core/placement/node_index.h"

#include <cstdint>
#include <string>
#include <vector>

namespace alnilam::sim {

struct TraceNode {
  std::string name;
  std::int64_t cpuMilli = 0, memoryMib = 0;
  std::uint32_t gpus = 0;
  std::string model;
};

struct TracePod {
  std::string name;
  std::int64_t cpuMilli = 0, memoryMib = 0;
  std::uint32_t gpus = 0;
  std::int64_t gpuMilli = 0;  // of each
  std::string models;         // "V100M16|V100M32": any of them; empty: any at all

  auto operator<=>(const TracePod&) const = default;
};

struct Arrivals {
  std::uint64_t seed = 0;
  std::vector<std::uint32_t> pods;   // indices into the pods
  std::vector<std::uint32_t> ranks;  // of the nodes, all different
};

// Sorted by name.
Result<std::vector<TraceNode>> readNodes(const std::string& path);
Result<std::vector<TracePod>> readPods(const std::string& path);

// Of the seeds from `first` to `last` that the file has; refuses if it lacks one of them.
Result<std::vector<Arrivals>> readArrivals(const std::string& path, std::uint64_t first,
                                           std::uint64_t last, std::size_t nodes,
                                           std::size_t pods);

}  // namespace alnilam::sim
