#pragma once
// What placement knows of a node, as plain numbers: what it is (a kind) and what is left of it.
//
// A cluster has few kinds of nodes and, at any time, fewer states than nodes: every idle node of a
// kind is in the same one.  Policies score states, not nodes, and node_index.h keeps the nodes of a
// state together.  Devices are kept in the node's order, because a task of whole devices takes the
// idle ones of lowest index here; which devices it gets in truth is slots.h's choice on the node,
// by their links, and of no account among nodes.
//
// Everything is an integer: processors and shares of a device in parts (Amount::kPerUnit a whole),
// memory in bytes.
//
// Complexity: O(devices) a function.  Nothing allocates, except making a kind.

#include "core/cluster/topology.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace alnilam::placement {

inline constexpr std::size_t kMaxDevices = Topology::kMaxGpus;
inline constexpr std::int32_t kWhole = Amount::kPerUnit;  // parts of an idle device

// What a node is made of, whatever runs on it.
struct NodeKind {
  std::int64_t cpu = 0;             // parts
  Bytes memory = 0;
  std::vector<Bytes> deviceMemory;  // of each device; at most kMaxDevices
  std::string model;                // of its devices, empty without any
  std::vector<std::string> labels;  // "zone=a", sorted

  auto operator<=>(const NodeKind&) const = default;

  // Of a node that offers `total` of `topology`.  A node with devices of several models has their
  // names joined by "+", so it is no candidate for a task that names one of them.
  static NodeKind of(const Topology& topology, const ResourceSet& total,
                     std::vector<std::string> labels);
};

// What one task asks of one node.
struct Request {
  std::int64_t cpu = 0;        // parts
  Bytes memory = 0;
  std::uint32_t devices = 0;   // how many, each of which gives `share`
  std::int32_t share = 0;      // parts of each; kWhole where `devices` > 1
  Bytes deviceMemory = 0;      // of each
  std::uint32_t constraint = 0;  // which kinds may run it (constraints.h); 0: all

  constexpr bool isShare() const { return devices == 1 && share < kWhole; }
  constexpr std::int64_t deviceParts() const { return std::int64_t{devices} * share; }
  auto operator<=>(const Request&) const = default;

  // None if no node ever gives it: neither a share of one device nor whole devices.  Named
  // resources are not part of it; whoever has them filters nodes by them.
  static std::optional<Request> of(const ResourceSet& needs);
};

// The shapes by which tasks with devices differ: a share, then one whole device, two, and so on.
inline constexpr std::uint32_t kShapes = 16;
constexpr std::uint32_t shapeOf(const Request& request) {
  return request.isShare() ? 0 : std::min(request.devices, kShapes - 1);
}

struct NodeState {
  std::uint32_t kind = 0;
  std::uint32_t deviceCount = 0;
  std::int64_t cpu = 0;  // free parts
  Bytes memory = 0;      // free
  // How many tasks of each shape run here.
  std::array<std::uint32_t, kShapes> shapes{};
  std::array<std::int32_t, kMaxDevices> devices;  // free parts of each; [deviceCount] are valid
  std::array<Bytes, kMaxDevices> deviceMemory;    // free bytes of each

  NodeState() = default;
  NodeState(const NodeState& other) { *this = other; }
  NodeState& operator=(const NodeState& other) {
    kind = other.kind;
    deviceCount = other.deviceCount;
    cpu = other.cpu;
    memory = other.memory;
    shapes = other.shapes;
    std::copy_n(other.devices.begin(), deviceCount, devices.begin());
    std::copy_n(other.deviceMemory.begin(), deviceCount, deviceMemory.begin());
    return *this;
  }
  bool operator==(const NodeState& other) const;

  static NodeState idle(std::uint32_t kind, const NodeKind& of);

  std::int64_t freeDeviceParts() const {
    std::int64_t sum = 0;
    for (std::uint32_t i = 0; i < deviceCount; ++i) sum += devices[i];
    return sum;
  }
};

// Whether device `i` could serve `request` now.
inline bool deviceFits(const NodeState& state, const Request& request, std::uint32_t i) {
  return state.devices[i] >= request.share && state.deviceMemory[i] >= request.deviceMemory;
}

// Whether the amounts are there; constraints are not looked at.
inline bool fits(const NodeState& state, const Request& request) {
  if (state.cpu < request.cpu || state.memory < request.memory) return false;
  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i < state.deviceCount && found < request.devices; ++i) {
    found += deviceFits(state, request, i);
  }
  return found == request.devices;
}

// The fitting device with least left, the first on ties; -1 if none fits.
inline std::int32_t fullestFitting(const NodeState& state, const Request& request) {
  std::int32_t best = -1;
  for (std::uint32_t i = 0; i < state.deviceCount; ++i) {
    if (!deviceFits(state, request, i)) continue;
    if (best < 0 || state.devices[i] < state.devices[static_cast<std::uint32_t>(best)]) {
      best = static_cast<std::int32_t>(i);
    }
  }
  return best;
}

// The share in use of whichever resource is used most, of kFullShare; what a kind has none of
// counts as unused.
inline constexpr std::int64_t kFullShare = 1 << 20;
std::int64_t dominantLoad(const NodeKind& kind, const NodeState& state);

// `used` of `total`, in kFullShare; 0 of nothing.
inline std::int64_t shareOf(std::uint64_t used, std::uint64_t total) {
  if (total == 0) return 0;
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::int64_t>(static_cast<Wide>(used) * kFullShare / total);
}

// `fraction` / 2^64 of `n`, rounded down: a draw from n things, given 64 random bits.
inline std::uint64_t scaled(std::uint64_t fraction, std::uint64_t n) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(fraction) * n) >> 64);
}

// Which devices a task was given, one bit each.
using DeviceSet = std::uint64_t;

// Takes a request that fits out of `state`: a share from `device`, which must fit, whole devices
// from the idle ones of lowest index.
DeviceSet take(NodeState& state, const Request& request, std::int32_t device);

// Gives back what `take` answered for the same request.
void give(NodeState& state, const Request& request, DeviceSet devices);

}  // namespace alnilam::placement
