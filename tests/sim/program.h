#pragma once
// A random program: a graph of tasks whose every value is known beforehand.
//
// The value of a task is a hash of its number and its inputs' values, so that a wrong, stale or
// mixed-up input shows in the result.  Some tasks throw, some crash their executor a few times or
// always, some are cancelled, some read a value that was put into one node's store and dies with
// it.  From that follows what each task may end as (`mayEnd`); the checker accepts nothing else.

#include "core/graph/failure.h"
#include "core/graph/task.h"
#include "tests/sim/random.h"

#include <cstdint>
#include <set>
#include <vector>

namespace alnilam::sim {

constexpr std::uint32_t kAlways = 1'000'000;

struct SimTask {
  std::uint32_t index = 0;  // in the job, from 1
  ClassIndex taskClass = 0;
  std::vector<std::uint32_t> inputs;
  bool put = false;          // a value of the program's, not a task
  bool stored = false;       // its value lies in a store
  bool throws = false;
  std::uint32_t crashes = 0; // attempts that end their executor
  bool exits = false;        // by exit() rather than a signal
  bool cancelled = false;    // at some time the client asks for that
  Duration runs{};

  std::uint64_t value = 0;           // if it has one
  bool mayHaveValue = true;
  std::set<FailureKind> mayEnd;      // failures that are right, its inputs' included
};

struct Program {
  std::vector<TaskClass> classes;
  std::vector<SimTask> tasks;  // tasks[i] has index i + 1; inputs come before

  static Program random(Luck& luck);
  const SimTask& at(std::uint32_t index) const { return tasks[index - 1]; }
};

}  // namespace alnilam::sim
