#pragma once
// All nodes of a cluster, kept by what is left of them.
//
// Nodes in the same state (same kind, same free amounts, the same shapes of tasks on board) form a
// group: a policy gives them one score, and among them the one of the smallest rank is taken.  A
// decision therefore looks at groups, of which a cluster of like machines has few.  Two more ways
// keep it from looking at all of those:
//
//   changes   every group whose score or best node may have changed is noted, so that whoever has
//             scored a class's groups before (class_board.h) scores only those again;
//   orders    groups in order of how full they are, and of how loaded, each with the maxima of what
//             is below (capacity_tree.h): pack and spread find theirs without scoring at all.
//
// Ranks are the caller's: the order among equals, smallest first, no two alike.  A replay takes
// them from its trace, the head from node ids.
//
// Invariants: every row is in exactly one group; a group without rows is dead and its number is
// used again; no two live groups are in the same state.
//
// Complexity: take and give O(devices + log groups) expected, plus the move of one row between two
// sorted lists.  Threading: none.

#include "core/placement/capacity_tree.h"
#include "core/placement/node_state.h"
#include "core/placement/policy/labels.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace alnilam::placement {

class NodeIndex {
 public:
  using Row = std::uint32_t;
  using Group = std::uint32_t;

  // What equal parts of each resource count for in `fullness`: the largest kind's amounts weigh the
  // same.  Set by the kinds that are there.
  struct Weights {
    std::int64_t cpu = 1, device = 1;
    Bytes memory = 1;
  };

  // Interns a kind, at most kMaxKinds of them.
  std::uint32_t addKind(const NodeKind& kind);
  const NodeKind& kind(std::uint32_t id) const { return kinds_[id]; }
  std::size_t kindCount() const { return kinds_.size(); }

  // Interns a set of rules; 0 is the empty set.  Whoever takes rules from outside bounds them.
  std::uint32_t addConstraint(std::span<const LabelRule> rules);
  bool allows(std::uint32_t constraint, std::uint32_t kind) const {
    return constraint == 0 || allowed_[constraint][kind] != 0;
  }
  std::span<const LabelRule> rules(std::uint32_t constraint) const { return rules_[constraint]; }
  // The bits kind % 64 of all kinds that it allows.
  std::uint64_t allowedBits(std::uint32_t constraint) const { return allowedBits_[constraint]; }

  // A new idle node; rows are numbered from 0 and used again after `remove`.
  Row add(std::uint32_t kind, std::uint32_t rank);
  void remove(Row row);
  std::size_t rowCount() const { return rowCount_; }  // present ones

  Group groupOf(Row row) const { return rows_[row].group; }
  std::uint32_t rankOf(Row row) const { return rows_[row].rank; }
  const NodeState& stateOf(Row row) const { return groups_[rows_[row].group].state; }

  DeviceSet take(Row row, const Request& request, std::int32_t device);
  void give(Row row, const Request& request, DeviceSet devices);

  // Group numbers run below this; dead ones among them have no rows.
  std::size_t groupSlots() const { return groups_.size(); }
  std::size_t liveGroups() const { return liveGroups_; }
  std::span<const Row> rowsOf(Group group) const { return groups_[group].rows; }
  const NodeState& state(Group group) const { return groups_[group].state; }
  // Of smallest rank; the group must be live.
  Row best(Group group) const { return groups_[group].rows.back(); }
  bool fits(Group group, const Request& request) const {
    const Cell& cell = groups_[group];
    return !cell.rows.empty() && allows(request.constraint, cell.state.kind) &&
           placement::fits(cell.state, request);
  }

  // Counts changes; changes since a version are those noted from it on.
  std::uint64_t version() const { return dropped_ + changes_.size(); }
  // Groups that changed since `version`, some perhaps twice; none if that is too long ago to know.
  std::optional<std::span<const Group>> changedSince(std::uint64_t version) const;

  // How much is free, weighed over the resources; less is fuller.
  std::int64_t freeness(const NodeState& state) const;

  // The live groups that fit, fullest first (`packed`) or least loaded first, until `visit(group)`
  // answers true; among equals by the rank of their best node.
  template <typename Visit>
  void search(bool packed, const Request& request, Visit&& visit) const {
    const CapacityTree& tree = packed ? byFreeness_ : byLoad_;
    tree.search(request, allowedBits(request.constraint),
                [&](Group group) { return fits(group, request) && visit(group); });
  }

  // Whether the invariants hold; for tests.  O(everything).
  bool consistent() const;

  static constexpr std::size_t kMaxKinds = 4096;

 private:
  struct RowCell {
    Group group = 0;
    std::uint32_t rank = 0;
    bool present = false;
  };
  struct Cell {
    NodeState state;
    std::vector<Row> rows;  // in descending order of rank
    std::uint64_t hash = 0;
  };

  void moveTo(Row row, const NodeState& state);
  void enter(Row row, const NodeState& state);
  void leave(Row row);
  Group groupFor(const NodeState& state);
  void forget(Group group);
  void note(Group group);
  void link(Group group);
  void unlink(Group group);
  void reorder();
  void grow();

  std::vector<NodeKind> kinds_;
  std::vector<std::vector<LabelRule>> rules_ = {{}};
  std::vector<std::vector<std::uint8_t>> allowed_ = {{}};  // by constraint, by kind
  std::vector<std::uint64_t> allowedBits_ = {0};
  Weights weights_;

  std::vector<RowCell> rows_;
  std::vector<Row> freeRows_;
  std::size_t rowCount_ = 0;

  std::vector<Cell> groups_;
  std::vector<Group> freeGroups_;
  std::size_t liveGroups_ = 0;
  std::vector<Group> slots_;  // open addressing by hash of state: group + 1, 0 empty

  std::vector<Group> changes_;
  std::uint64_t dropped_ = 0;

  CapacityTree byFreeness_, byLoad_;
};

}  // namespace alnilam::placement
