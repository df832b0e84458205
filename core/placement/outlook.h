#pragma once
// What a state of a node is worth to the tasks that typically come: the default policy's terms.
//
// Two questions, both about idle devices, both answered from the mix of tasks seen so far:
//
//   stranded   If this node went on alone and typical tasks kept coming, how much of its devices
//              would stay idle for good?  Answered by doing it: kStreams fixed sequences of
//              kStreamLength tasks, drawn from the mix with even spacing, are put on the node, each
//              where it fits (a share on the fullest device), and what is left idle is averaged.
//              This sees what a count of unusable devices does not: a node whose cpus will run out
//              before its devices, shares that will add up to whole devices, memory.
//   worth      How many tasks of each class could this node still take, and how scarce is room for
//              that class in the whole cluster?  A class's weight is its part of the demand for
//              devices over its part of the room, so a place for eight devices, or a device of a
//              rare model that some tasks insist on, gains worth as such places become few.  It
//              is the gradient of the sum of demand * log(room): fairness between classes in
//              proportion to what they ask for.
//
// potential = stranded - kWorth * worth; a placement is as good as it lowers (or least raises) the
// potential of its node.  policy/default.h tells what each term gained and what did not help.
//
// Streams differ by a shift of a golden-ratio sequence: no generator, evenly spaced classes.
//
// Bounds: kMostClasses classes, states remembered as in state_cache.h.  Complexity: a state not
// seen before costs up to kStreams * kStreamLength trial placements, a microsecond or few.
// Threading: none (caches are filled by asking).  Lifetime: `nodes` must outlive it.

#include "core/placement/node_index.h"
#include "core/placement/state_cache.h"
#include "core/placement/typical_mix.h"

#include <array>
#include <cstdint>
#include <vector>

namespace alnilam::placement {

class Outlook {
 public:
  static constexpr std::size_t kStreams = 8;
  static constexpr std::size_t kStreamLength = 64;
  static constexpr std::size_t kMostClasses = 256;  // in the streams
  static constexpr std::size_t kMostWeighed = 256;   // in `worth`
  static constexpr std::int64_t kFine = 64;         // potentials are in 1/kFine parts of a device

  explicit Outlook(const NodeIndex& nodes) : nodes_(nodes) {}

  // Takes the mix as it is now.  Weighs as well.
  void learn(const TypicalMix& mix);
  // Takes the room in the cluster as it is now.
  void weigh();
  // Whether so much was placed since the last weighing that it is out of date.
  bool due() const;

  // Less is better; 0 while nothing is learned.
  std::int64_t potential(const NodeState& state) const;

  // The terms: parts of devices, and parts weighed by scarcity (1 where nothing is scarce).
  std::int64_t stranded(const NodeState& state) const;
  std::int64_t worth(const NodeState& state) const;

  // Grows whenever potentials may have changed.
  std::uint64_t epoch() const { return epoch_; }

 private:
  struct Weighed {
    Request request;
    double demand = 0;        // share of the demand for devices
    std::int64_t weight = 0;  // demand by scarcity, in 1/kWeightUnit
  };
  static constexpr std::int64_t kWeightUnit = std::int64_t{1} << 20;
  static constexpr double kMostScarce = 4096;
  static constexpr std::int64_t kWorthDivisor = 10;  // kWorth = 1/10

  std::int64_t strandedSum(const NodeState& state) const;
  std::int64_t worthFine(const NodeState& state) const;
  std::int64_t fill(const NodeState& state) const;

  const NodeIndex& nodes_;
  std::vector<Request> classes_;
  std::vector<std::uint16_t> streams_;  // kStreams * kStreamLength, indices into classes_
  std::vector<Weighed> weighed_;
  std::uint64_t weighedAt_ = 0;  // version of the nodes
  std::uint64_t epoch_ = 0;
  mutable StateCache strandedCache_, potentialCache_;
};

// What of a node's devices tasks like `request` alone could use, in parts.
std::int64_t usable(const NodeState& state, const Request& request);

}  // namespace alnilam::placement
