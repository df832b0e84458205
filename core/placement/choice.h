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
// Tasks of other sizes wait as well, and will take up ways: that counts as backlog in the level
// (`shares` tells how much).  Which size a free way takes, `bestFor` says: one that a GPU does
// twenty times as fast shall not take a core that another, which has no use for a GPU, could have.
//
// Ways of one place that run on the same, both on its cores or both on its devices, are *rivals*: a
// slot that one has could be the other's, so one that finds all taken counts those of its rivals,
// with the work that is there, as its own.  Otherwise whoever came first would keep them as long as
// any tasks wait.  Of rivals that ask for the same only the faster is taken.
//
// Ways that have not run this size of inputs are taken only if no way has, and then, at each place,
// the one that other sizes let expect least of, or where nothing is known at all, the first variant
// in the program's list.  The others get trials: a few runs, one at a time, and none where the
// nearest smaller size showed that one to be hopeless (`isHopeless`), unless it took less for that
// than the others take now: what starts slowly may win with more to do.
//
// Pure functions; integers only, so equal inputs give equal choices everywhere.

#include "core/base/units.h"
#include "core/cluster/resources.h"
#include "core/placement/cost.h"
#include "core/placement/feasibility.h"

#include <algorithm>
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

// Adds to a backlog, which stays below kNever.
constexpr void addTo(Duration& backlog, Duration work) {
  backlog += std::min(work, kNever - Duration(1) - backlog);
}

// Whether ways that ask for this, at one place, are rivals.
inline bool areRivals(const ResourceSet& one, const ResourceSet& other) {
  return takesDevices(one) == takesDevices(other);
}

// When one more task, of `run`, would end here, if its data can be here after `transfer`; kNever
// for a way without slots or with an unknown run.
Duration endOn(const Way& way, Duration run, Duration transfer = {});

// When the last of `tasks` ends if each goes where it ends first; runs[i] is of ways[i].  kNever if
// no way has a slot.  O(ways).
Duration level(std::span<const Way> ways, std::span<const Duration> runs, std::uint64_t tasks);

// How many of `tasks` each way has ended by their level, appended to `out`; a few too many
// together, since the last of them end at one time.  O(ways).
void shares(std::span<const Way> ways, std::span<const Duration> runs, std::uint64_t tasks,
            std::vector<std::uint64_t>& out);

// Whether someone who began to wait `waited` ago goes on, though a free way would take `run`.
constexpr bool isPatient(Duration waited, Duration run) { return waited < run; }

// Whether `slow` took more than kHopeless times as long as `fast`; false unless both ran.
bool isHopeless(const Estimate& slow, const Estimate& fast);

// Whether one more run of `candidate` is worth it only to learn how long it takes: there may be a
// trial, and neither what it ran itself, after its warm-up, nor the nearest smaller size shows it
// hopeless beside the fastest of `others`, as said above.
bool isWorthATrial(const CostTable& costs, CostTable::Series candidate,
                   std::span<const CostTable::Series> others, std::uint8_t sizeClass);

// ---- Inside a node.

struct NodeWay {
  bool feasible = false;
  bool free = false;  // would begin one more at once: a slot is idle, or can be opened
  Way way;
  Duration run = kNever;  // expected; kNever: did not run here yet
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

// Tasks of one size that wait, as a way with room for one of them sees them.
struct Offer {
  std::uint64_t tasks = 0;
  Duration run = kNever;          // on this way
  Duration alternative = kNever;  // on the fastest of the others
  Duration level{};               // when the last of them ends
};

// Which of `offers` the way had better take: of those it ends by their level, the one whose tasks
// take longest elsewhere for what they take here, so that a GPU goes to those that gain most by it
// and cores to those that lose least.  Ties go to the first.
// Source: the idea of HeteroPrio, Agullo et al., 2016.
std::optional<std::size_t> bestFor(const Way& way, std::span<const Offer> offers);

}  // namespace alnilam::placement
