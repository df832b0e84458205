#pragma once
// What a program submits: classes of tasks, and tasks.
//
// Tasks that ask the same (function, needs, priority, retries) form a class.  The program draws the
// class's index, tells the head about it once, and from then on a task is its class, its arguments
// and its inputs.  Every queue is per class, so that a decision about one serves a million.
//
// A task may have several implementations, its variants (core/api/variants.h): of a class that has,
// each attempt runs one, and which is decided when it is placed and started.

#include "core/base/blob.h"
#include "core/base/ids.h"
#include "core/base/units.h"
#include "core/cluster/resources.h"
#include "core/graph/placing.h"

#include <cstdint>
#include <string>
#include <vector>

namespace alnilam {

// One of several implementations of a task.
struct Variant {
  std::string kind;      // "cpu", "cuda"
  std::string function;  // the name it was registered under
  ResourceSet needs;     // while one runs

  bool operator==(const Variant&) const = default;
};

struct TaskClass {
  std::string function;       // the name it was registered under; with variants, the name of all
  ResourceSet needs;          // while one runs; with variants, the needs of the first
  std::int32_t priority = 0;  // higher goes first; -1000 to 1000, others count as the nearest
  std::uint32_t retries = 3;  // attempts after the first, for crashes and lost nodes; at most 100
  bool retryExceptions = false;  // also when the function throws
  std::vector<Variant> variants{};  // in the program's order, its first choice first; none: one way
  Duration delay{};     // after its submission, before which no task starts
  Duration deadline{};  // after its submission, by which a task must have started; 0: none
  bool preemptible = false;  // what has not begun makes way for higher priorities
  Placing placing{};

  bool operator==(const TaskClass&) const = default;

  // A class without variants has one way to run, number 0.
  bool hasVariants() const { return !variants.empty(); }
  std::size_t ways() const { return hasVariants() ? variants.size() : 1; }
  const ResourceSet& needsOf(std::size_t way) const {
    return hasVariants() ? variants[way].needs : needs;
  }
  const std::string& functionOf(std::size_t way) const {
    return hasVariants() ? variants[way].function : function;
  }

  static constexpr std::int32_t kMaxPriority = 1000;
  static constexpr std::int32_t clampPriority(std::int64_t priority) {
    if (priority > kMaxPriority) return kMaxPriority;
    return priority < -kMaxPriority ? -kMaxPriority : static_cast<std::int32_t>(priority);
  }
  static constexpr std::uint32_t kMaxRetries = 100;
  static constexpr std::size_t kMaxVariants = 8;
  static constexpr Duration kMaxTime = std::chrono::hours(24 * 366 * 100);  // a delay, a deadline
  static constexpr std::size_t kMaxKind = 16;  // bytes, of a variant's kind
};

// Bounds that a submission is held to by whoever receives it from outside.
inline constexpr std::size_t kMaxInputs = 1'000'000;   // of one task
inline constexpr std::size_t kMaxFunctionName = 1024;  // bytes
inline constexpr std::size_t kMaxClasses = 65'536;     // of one job
inline constexpr std::uint32_t kMaxTasks = 0xfffffff0;  // of one job

struct TaskSpec {
  TaskId id;  // also the id of its result
  ClassIndex taskClass = 0;
  Blob arguments;                // see core/api/task_call.h; at most kInlineLimit and a little
  std::vector<ObjectId> inputs;  // objects it reads, in the order in which arguments name them
};

}  // namespace alnilam
