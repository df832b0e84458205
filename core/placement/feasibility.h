#pragma once
// Whether a node could ever run a task, and how many of its kind at once.
//
// Sums decide for most resources.  GPUs need more: a share is of one device, so two devices with
// half of each left cannot run a task that wants a whole one; and device memory is one device's,
// not the node's.  So a task takes either a share of one device (gpus <= 1) or whole devices, and
// its gpuMemory is divided evenly over them.  Memory without a GPU means one device, any share.
//
// Pure functions over flat tables: the head asks them once for a node and a class, not for a task.

#include "core/cluster/topology.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace alnilam::placement {

// What capacity needs to know of a node.
struct NodeShape {
  ResourceSet total;
  std::vector<Bytes> deviceMemory;  // of each GPU

  static NodeShape of(const Topology& topology, const ResourceSet& total);
};

inline bool takesDevices(const ResourceSet& need) {
  return need.gpus.parts > 0 || need.gpuMemory > 0;
}

// No class runs more often than this at a time on one node, whatever it asks: a bound for tasks
// that ask for nothing, or next to it.
inline constexpr std::uint64_t kMaxAtOnce = 4096;

// How many tasks that need `need` an empty node runs at once; 0 if it never runs one.
std::uint64_t capacity(const NodeShape& shape, const ResourceSet& need);

// Why none of `shapes` could ever run it ("asks for gpus=4, the largest node has 2"), or nothing
// if one could.  Without any shape there is nothing to say: nothing.
std::optional<std::string> whyNever(std::span<const NodeShape* const> shapes,
                                    const ResourceSet& need);

}  // namespace alnilam::placement
