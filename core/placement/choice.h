#pragma once
// Which of several ways a task goes: the one that ends it first, as far as is known.
//
// A *way* is a variant of a task at a place that can run it: on a node, for the head; on this
// node's cores or devices, for a node.  A way runs `slots` tasks at a time and has `backlog` of
// work there already, running and queued, so that one more task, whose data can be there after
// `transfer`, ends after
//
//   max(run + transfer, (backlog + run) / slots)
//
// The way that ends a task first is not always free now.  Whether to wait for it or to take a
// slower one that is free depends on how many others wait: nine tasks for one GPU that is ten times
// as fast as a core should all wait for it, a hundred should not.  `level` is the time at which the
// last of all that wait ends if each goes where it ends first; a slower way is worth taking if it
// ends its task by then.
//
// An estimate may be wrong (a device hangs, a neighbour is busy), so nobody waits for a better way
// longer than a free one would have taken: `isPatient`.  Waiting then costs at most as much again
// as not waiting would have (the ski rental rule).
//
// Ways of which nothing is known are taken only if nothing is known of any, and then the first
// variant of the program's list that a place can run; the others get trials: a few runs, one at a
// time, and none where the nearest smaller size showed that one to be hopeless (`isHopeless`).
//
// Pure functions; integers only, so equal inputs give equal choices everywhere.

#include "core/base/units.h"
#include "core/placement/cost.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace alnilam::placement {

// Longer than anything lasts: what is not known, or cannot be.
inline constexpr Duration kNever{INT64_MAX};
// What one is taken to run while nothing is known of any way.
inline constexpr Duration kUnknownRun = std::chrono::milliseconds(1);
// A variant that took so many times as long for smaller inputs is not tried for larger ones.
inline constexpr std::int64_t kHopeless = 10;

struct Way {
  std::uint64_t slots = 0;  // tasks that run at once here: those that do, and what is free
  Duration backlog{};       // the run times of those there, expected, added up
};

// When one more task, of `run`, would end here, if its data can be here after `transfer`; kNever
// for a way without slots or with an unknown run.
Duration endOn(const Way& way, Duration run, Duration transfer = {});

// When the last of `tasks` ends if each goes where it ends first; runs[i] is of ways[i].  kNever if
// no way has a slot.  O(ways).
Duration level(std::span<const Way> ways, std::span<const Duration> runs, std::uint64_t tasks);

// Whether someone who began to wait `waited` ago goes on, though a free way would take `run`.
constexpr bool isPatient(Duration waited, Duration run) { return waited < run; }

// Whether `slow` took more than kHopeless times as long as `fast`; false unless both are known.
bool isHopeless(const Estimate& slow, const Estimate& fast);

// Whether one more run of `candidate` is worth it only to learn how long it takes: there may be a
// trial, and neither what it ran itself, after its warm-up, nor the nearest smaller size shows it
// hopeless beside the fastest of `others`.
bool isWorthATrial(const CostTable& costs, CostTable::Series candidate,
                   std::span<const CostTable::Series> others, std::uint8_t sizeClass);

// ---- Inside a node.

struct NodeWay {
  bool feasible = false;
  bool free = false;  // would begin one more at once: a slot is idle, or can be opened
  Way way;
  Duration run = kNever;  // expected; kNever: unknown
};

struct Pick {
  std::size_t way = 0;
  bool begins = false;  // at once; otherwise it waits for that way
  Duration gaveUpAfter = kNever;  // of one that waits: when it stops waiting, since it came
};

// The way for a task that came `waited` ago and for which the head counted on way `hint`.  The head
// knows how many others wait, the node what is free: if `hint` is free the task begins at once, as
// the fastest that is free; if not, where it ends first.  None only if no way is feasible.
std::optional<Pick> pick(std::span<const NodeWay> ways, std::size_t hint, Duration waited);

// ---- Among nodes.

// The ways that have room, the one first that would end a task of one size first.  Ways get
// fuller while the queue lasts, never emptier.
class Earliest {
 public:
  // All of equal length.  rooms[i] is how many more ways[i] may get, runs[i] kNever if it shall not
  // be taken.  The spans' contents change under it.
  Earliest(std::span<const Way> ways, std::span<const Duration> runs,
           std::span<const std::uint64_t> rooms);

  std::optional<std::size_t> first();

 private:
  struct Entry {
    Duration end;
    std::size_t way;
    bool operator<(const Entry& other) const {  // a heap's top is the largest
      return end != other.end ? end > other.end : way > other.way;
    }
  };
  std::span<const Way> ways_;
  std::span<const Duration> runs_;
  std::span<const std::uint64_t> rooms_;
  std::vector<Entry> heap_;
};

}  // namespace alnilam::placement
