#pragma once
// Things in order of a key, searchable for the first one that has room: a treap whose every subtree
// knows the most that anything in it has of each resource.
//
// "The fullest node that fits" is the first in ascending order of what is free for which a request
// fits.  Scanning for it costs O(n) in the worst case of a full cluster; here a subtree in which no
// single maximum would do is left out whole.  Maxima of different things can add up to room that
// nothing has by itself, so the search is O(log n) where resources go hand in hand and more where
// they do not; tests/bench prints the curve.
//
// An id is in the tree at most once, and ids are small numbers (they index the arrays).  The shape
// of the tree depends on the ids alone, so equal histories give equal searches.
//
// Complexity: insert and erase O(log n) expected.

#include "core/base/error.h"
#include "core/placement/node_state.h"

#include <cstdint>
#include <tuple>
#include <vector>

namespace alnilam::placement {

// The most that a state, or any of a set of states, has free.
struct Most {
  std::int64_t cpu = -1;
  Bytes memory = 0;
  std::int64_t share = -1;     // parts of one device; -1 without devices
  std::uint32_t idle = 0;      // wholly idle devices
  Bytes deviceMemory = 0;      // of one device
  std::uint64_t kinds = 0;     // bit kind % 64

  static Most of(const NodeState& state) {
    Most most{state.cpu, state.memory, -1, 0, 0, std::uint64_t{1} << (state.kind % 64)};
    for (std::uint32_t i = 0; i < state.deviceCount; ++i) {
      most.share = std::max<std::int64_t>(most.share, state.devices[i]);
      most.idle += state.devices[i] == kWhole;
      most.deviceMemory = std::max(most.deviceMemory, state.deviceMemory[i]);
    }
    return most;
  }
  void join(const Most& other) {
    cpu = std::max(cpu, other.cpu);
    memory = std::max(memory, other.memory);
    share = std::max(share, other.share);
    idle = std::max(idle, other.idle);
    deviceMemory = std::max(deviceMemory, other.deviceMemory);
    kinds |= other.kinds;
  }
  // Never false where one of the set fits a request on a kind whose bit is in `allowed`.
  bool mayFit(const Request& request, std::uint64_t allowed) const {
    if (cpu < request.cpu || memory < request.memory || (kinds & allowed) == 0) return false;
    if (request.devices == 0) return true;
    if (deviceMemory < request.deviceMemory || share < request.share) return false;
    return request.devices == 1 || idle >= request.devices;
  }
};

class CapacityTree {
 public:
  using Id = std::uint32_t;
  struct Key {
    std::int64_t first = 0, second = 0;
    auto operator<=>(const Key&) const = default;
  };

  void insert(Id id, Key key, const Most& has) {
    if (id >= nodes_.size()) nodes_.resize(id + 1);
    Node& node = nodes_[id];
    ALNILAM_ASSERT(!node.present);
    node = {key, has, has, kNone, kNone, true};
    auto [left, right] = split(root_, keyOf(id));
    root_ = merge(merge(left, id), right);
  }

  void erase(Id id) {
    ALNILAM_ASSERT(id < nodes_.size() && nodes_[id].present);
    root_ = erased(root_, id);
    nodes_[id].present = false;
  }

  bool holds(Id id) const { return id < nodes_.size() && nodes_[id].present; }

  // Visits, in ascending order of key, the ids that may have room, until `visit(id)` answers true.
  template <typename Visit>
  bool search(const Request& request, std::uint64_t allowed, Visit&& visit) const {
    return searchFrom(root_, request, allowed, visit);
  }

 private:
  static constexpr Id kNone = ~Id{0};
  struct Node {
    Key key;
    Most own, all;  // of itself, of the subtree
    Id left = kNone, right = kNone;
    bool present = false;
  };

  // A fixed mixing of the id: what would be a random number elsewhere.
  static std::uint64_t weight(Id id) {
    std::uint64_t x = (std::uint64_t{id} + 1) * 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  std::tuple<Key, Id> keyOf(Id id) const { return {nodes_[id].key, id}; }

  Id pulled(Id id) {
    Node& node = nodes_[id];
    node.all = node.own;
    if (node.left != kNone) node.all.join(nodes_[node.left].all);
    if (node.right != kNone) node.all.join(nodes_[node.right].all);
    return id;
  }

  std::pair<Id, Id> split(Id at, const std::tuple<Key, Id>& key) {
    if (at == kNone) return {kNone, kNone};
    if (keyOf(at) < key) {
      auto [left, right] = split(nodes_[at].right, key);
      nodes_[at].right = left;
      return {pulled(at), right};
    }
    auto [left, right] = split(nodes_[at].left, key);
    nodes_[at].left = right;
    return {left, pulled(at)};
  }

  Id merge(Id left, Id right) {
    if (left == kNone) return right;
    if (right == kNone) return left;
    if (weight(left) > weight(right)) {
      nodes_[left].right = merge(nodes_[left].right, right);
      return pulled(left);
    }
    nodes_[right].left = merge(left, nodes_[right].left);
    return pulled(right);
  }

  Id erased(Id at, Id id) {
    ALNILAM_ASSERT(at != kNone);
    if (at == id) return merge(nodes_[at].left, nodes_[at].right);
    Id& child = keyOf(id) < keyOf(at) ? nodes_[at].left : nodes_[at].right;
    child = erased(child, id);
    return pulled(at);
  }

  template <typename Visit>
  bool searchFrom(Id at, const Request& request, std::uint64_t allowed, Visit& visit) const {
    if (at == kNone || !nodes_[at].all.mayFit(request, allowed)) return false;
    const Node& node = nodes_[at];
    if (searchFrom(node.left, request, allowed, visit)) return true;
    if (node.own.mayFit(request, allowed) && visit(at)) return true;
    return searchFrom(node.right, request, allowed, visit);
  }

  std::vector<Node> nodes_;
  Id root_ = kNone;
};

}  // namespace alnilam::placement
