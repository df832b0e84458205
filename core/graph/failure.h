#pragma once
// Why a task has no result.  Travels as it is from where it happened to `get`, where it becomes a
// typed exception (core/api/errors.h).

#include "core/base/ids.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace alnilam {

enum class FailureKind : std::uint8_t {
  exception = 1,        // the function threw
  crashed = 2,          // a signal ended the executor while the function ran
  exited = 3,           // the function called exit()
  nodeLost = 4,         // the node went, and no retry was left
  infeasible = 5,       // no node could ever run it
  cancelled = 6,
  objectLost = 7,       // an input cannot be had any more
  unknownFunction = 8,  // the program on the node has no such function
  badArguments = 9,     // the arguments do not decode to the function's parameters
  storeFull = 10,       // no room for the result
  executorFailed = 11,  // the program could not be started; the message is the loader's
  outOfDeviceMemory = 12,
  device = 13,          // a CUDA call failed; the message names it
  deadlinePassed = 14,  // it had not started by then
};

// "exception", "crashed", ... as people read it.
const char* name(FailureKind kind);

struct Failure {
  FailureKind kind = FailureKind::exception;
  TaskId task;            // where it happened first
  std::string function;   // of that task
  std::string node;       // its name; empty in the embedded engine
  Attempt attempt;        // the last one
  std::string type;       // of the exception, demangled: "std::runtime_error"; may be empty
  std::string message;    // what(), at most kMaxMessage bytes of valid UTF-8
  std::vector<std::string> chain;  // functions through which it reached the one asked for, nearest
                                   // last; at most kMaxChain

  static constexpr std::size_t kMaxMessage = 16 << 10;
  static constexpr std::size_t kMaxChain = 16;
};

// Shared by a failed task and all that depended on it (a million may); never changed.
using FailurePtr = std::shared_ptr<const Failure>;

// `text` cut to Failure::kMaxMessage at a character's end, with what is not UTF-8 replaced by "?".
std::string cleanMessage(std::string_view text);

}  // namespace alnilam
