#pragma once
// Places requests on nodes by a policy of a name: the code that the head and alnilam-sim share.
//
// It composes what the other headers give: the index of nodes, the boards of classes, and what
// policies want to know (the typical mix, learned from every request that is observed).  It keeps
// no tasks: whoever calls it remembers what was placed where and gives it back.
//
// A request gets a board of its own when it comes a second time.  One that comes once is scored
// against every group while there are not more than kMostScanned, then against the fullest
// kFullestScored that fit, so that its cost does not grow with the cluster (bench placement_curve:
// 20,000 to 25,000 decisions a second of `default` from 100 to 10,000 nodes); or, by a policy that
// only orders nodes, found by the orders of the index.  At most kMostBoards boards are kept; the
// one used longest ago goes first.
//
// Determinism: equal histories give equal placements.  `random` draws from a generator of its own,
// seeded by the caller.
//
// Threading: none.  Lifetime: `nodes` must outlive it, and may also be changed by others.

#include "core/placement/class_board.h"
#include "core/placement/outlook.h"
#include "core/placement/policy/policy.h"
#include "core/placement/typical_mix.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace alnilam::placement {

// All policies that score states or draw, by name.
std::span<const Policy> policies();
const Policy* findPolicy(std::string_view name);

struct Placement {
  NodeIndex::Row row = 0;
  Choice choice;
};

class Placer {
 public:
  Placer(NodeIndex& nodes, const Policy& policy, std::uint64_t seed);

  // A mix that is known in advance, for policies that look at fragmentation; the mix is then not
  // learned.
  void know(std::vector<WeighedClass> classes);

  // A task arrived: part of the mix, whether it is placed or not.
  void observe(const Request& request, std::uint64_t times = 1);

  // Where `request` goes now; changes nothing.  None if it fits nowhere.
  std::optional<Placement> choose(const Request& request);

  // Chooses and takes.
  struct Placed {
    NodeIndex::Row row = 0;
    DeviceSet devices = 0;
  };
  std::optional<Placed> place(const Request& request);

  const Outlook& outlook() const { return outlook_; }
  const Terms& terms() const { return terms_; }

  static constexpr std::size_t kMostBoards = 1024;
  static constexpr std::size_t kMostScanned = 64;
  static constexpr std::size_t kFullestScored = 4;

 private:
  struct Board {
    ClassBoard board;
    std::uint64_t used = 0;
  };

  void refresh();
  std::optional<Placement> draw(const Request& request);
  std::optional<Placement> first(const Request& request, bool packed);
  std::optional<Placement> scored(const Request& request);
  std::optional<Placement> scanned(const Request& request);
  Board* boardFor(const Request& request);

  NodeIndex& nodes_;
  Policy policy_;
  Terms terms_;
  TypicalMix mix_;
  bool known_ = false;
  Outlook outlook_;
  std::unique_ptr<Fragmentation> fragmentation_;
  std::uint64_t epoch_ = 0;
  std::uint64_t random_;  // where `random` is in its sequence
  std::map<Request, Board> boards_;
  std::map<Request, std::uint64_t> seenOnce_;  // when
  std::uint64_t decisions_ = 0;
};

}  // namespace alnilam::placement
