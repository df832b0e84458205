#pragma once
// Inside one node: which cores and which devices a slot gets.
//
// Pure functions over flat state.  A NodeRoom is what is left of a node, kept twice: as sums
// (`free`, what the head counts as well) and piece by piece (each core, each device), because a sum
// that covers a request may lie in pieces that do not.  `take` answers for one slot, `give` undoes
// it exactly; both only add and subtract integers.
//
// Rules:
//   cpus     whole ones get whole cores, of one NUMA domain if it has them; what remains below one
//            shares a core, the fullest that has room, so that others stay whole.  0: no core.
//   gpus     whole ones get idle devices: the set whose narrowest link is widest, then with the
//            most bandwidth in all, then in the fewest domains.  What remains below one shares a
//            device, the fullest on which share and memory fit.
//   memory   gpuMemory is split evenly over the slot's devices, and each must have its part.
//   beside   cores come from the domains of the slot's devices, in turn, while those last.
//
// A node may offer fewer cores or devices than its topology has (the sums say so); if it offers
// more cpus than cores, each core is shared by as many as that takes.  A device that is out of
// service is not given out; what slots hold of it is theirs until they give it back.
//
// Complexity: O(cores + devices) a call; whole devices O(2^n * n) for at most 12 idle ones, above
// that a greedy choice from each start, O(n^3).

#include "core/cluster/device_grant.h"
#include "core/cluster/topology.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace alnilam::placement {

struct NodeRoom {
  ResourceSet free;
  std::vector<std::int64_t> cores;      // free parts (Amount::kPerUnit a core) of each core
  std::vector<std::int64_t> devices;    // free parts of each device
  std::vector<Bytes> deviceMemory;      // free bytes of each device
  std::int64_t coreParts = Amount::kPerUnit;  // of an idle core; more if cpus are oversubscribed
  std::uint64_t outOfService = 0;       // a bit for each device

  bool operator==(const NodeRoom&) const = default;
};

// What a slot was given; with the needs it was taken for, all that `give` has to know.
struct Taken {
  std::vector<std::uint32_t> cores;  // whole ones first, then the shared one
  std::vector<DeviceGrant> devices;  // likewise
};

NodeRoom emptyRoom(const Topology& topology, const ResourceSet& total);

// Takes `needs` out of `room`; leaves it alone and returns none if they do not fit now.
std::optional<Taken> take(const Topology& topology, NodeRoom& room, const ResourceSet& needs);

// Gives back what `take` returned for the same needs.
void give(NodeRoom& room, const ResourceSet& needs, const Taken& taken);

// The `count` devices of `candidates` (ascending) that are linked best; fewer candidates are a bug.
std::vector<std::uint32_t> bestLinked(const Topology& topology,
                                      const std::vector<std::uint32_t>& candidates,
                                      std::size_t count);

}  // namespace alnilam::placement
