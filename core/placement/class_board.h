#pragma once
// The scores of all groups for one class of requests, kept while tasks of the class are placed.
//
// A class asks for the same thing again and again, and a placement changes two groups; so the best
// group is kept at the root of a tree of winners, and only groups that changed since the last
// question are scored again.  A decision costs O(changes * log groups), not O(groups).  Whatever
// else a score depends on is the `epoch`: when it differs from the last question's, everything is
// scored again.
//
// Exact: the answer is the one that scoring every group would give (class_board_test.cc).

#include "core/placement/node_index.h"
#include "core/placement/policy/policy.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace alnilam::placement {

class ClassBoard {
 public:
  struct Best {
    NodeIndex::Group group = 0;
    Choice choice;
  };

  // The best group for `request`, or none if nothing fits.  `score(question)` gives a Choice.
  template <typename Score>
  std::optional<Best> best(const NodeIndex& nodes, const Request& request, std::uint64_t epoch,
                           Score&& score) {
    std::optional<std::span<const NodeIndex::Group>> changed = nodes.changedSince(version_);
    bool afresh = leaves_ == 0 || epoch != epoch_ || !changed || nodes.groupSlots() > leaves_;
    if (afresh) {
      leaves_ = 64;
      while (leaves_ < nodes.groupSlots()) leaves_ *= 2;
      entries_.assign(leaves_, {});
      winners_.assign(2 * leaves_, kNobody);
      for (NodeIndex::Group group = 0; group < nodes.groupSlots(); ++group) {
        if (refresh(nodes, request, group, score)) winners_[leaves_ + group] = group;
      }
      for (std::size_t at = leaves_ - 1; at > 0; --at) play(at);
    } else {
      for (NodeIndex::Group group : *changed) {
        bool fits = refresh(nodes, request, group, score);
        winners_[leaves_ + group] = fits ? group : kNobody;
        for (std::size_t at = (leaves_ + group) / 2; at > 0; at /= 2) play(at);
      }
    }
    version_ = nodes.version();
    epoch_ = epoch;
    if (winners_[1] == kNobody) return std::nullopt;
    return Best{winners_[1], entries_[winners_[1]].choice};
  }

 private:
  static constexpr NodeIndex::Group kNobody = std::numeric_limits<NodeIndex::Group>::max();
  struct Entry {
    Choice choice;
    std::uint32_t rank = 0;
  };

  template <typename Score>
  bool refresh(const NodeIndex& nodes, const Request& request, NodeIndex::Group group,
               Score&& score) {
    if (!nodes.fits(group, request)) return false;
    const NodeState& state = nodes.state(group);
    entries_[group] = {score(Question{nodes.kind(state.kind), state, request}),
                       nodes.rankOf(nodes.best(group))};
    return true;
  }

  void play(std::size_t at) {
    NodeIndex::Group a = winners_[2 * at], b = winners_[2 * at + 1];
    if (a == kNobody || b == kNobody) {
      winners_[at] = a == kNobody ? b : a;
      return;
    }
    const Entry& left = entries_[a];
    const Entry& right = entries_[b];
    bool leftWins = left.choice.score != right.choice.score
                        ? left.choice.score > right.choice.score
                        : left.rank < right.rank;
    winners_[at] = leftWins ? a : b;
  }

  std::size_t leaves_ = 0;
  std::uint64_t version_ = 0;
  std::uint64_t epoch_ = 0;
  std::vector<Entry> entries_;              // by group
  std::vector<NodeIndex::Group> winners_;   // a binary heap's layout: 1 is the root
};

}  // namespace alnilam::placement
