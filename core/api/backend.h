#pragma once
// What a wiring offers to the typed API: submit, put, get, wait, cancel, on untyped bytes.
//
// Cluster (cluster.h) turns functions and arguments into bytes and back and knows nothing of where
// they go.  core/engine's Session implements this for both wirings.
//
// Threading: every method may be called from any thread.
// Errors: refusals are returned; failures of tasks come as Values.

#include "core/base/error.h"
#include "core/graph/task.h"
#include "core/graph/value.h"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace alnilam {

// How often one variant of a task ran.
struct VariantRuns {
  std::string function;  // the name of all its variants
  std::string kind;      // "cpu", "cuda"
  std::string variant;   // the name of the function that ran
  std::uint64_t tasks = 0;

  bool operator==(const VariantRuns&) const = default;
};

// What one device of one node has done for this job so far.
struct UsageRow {
  std::string node;      // its name
  std::string device;    // "cpu", or the GPU's label ("H100 [emulated]") with its index
  std::uint64_t tasks = 0;
  Duration busy{};       // the sum of the tasks' run times
  Bytes moved = 0;       // bytes that came to the node from others, on the row of its cpu
  std::string lanes;     // how they came: "posix+cma"; empty if none did
  std::vector<VariantRuns> variants{};  // of the tasks that have several, what finished here
};

class Backend {
 public:
  virtual ~Backend() = default;

  // The index of a class equal to `wanted` in this job, defining it if it is new.  Cheap enough to
  // call for every submit.  Refuses (invalid) what no cluster could accept: a priority out of
  // range.
  virtual Result<ClassIndex> classFor(const TaskClass& wanted) = 0;

  // Takes one reference to the result; give it back by `release`.  Holds each input until the task
  // has ended.  Returns as soon as the task is queued to be sent.  Refuses (infeasible) a class
  // that was already answered so, (overloaded) past kMaxTasks.
  virtual Result<TaskId> submit(ClassIndex taskClass, Blob arguments,
                                std::vector<ObjectId> inputs) = 0;

  // `fill` writes `size` bytes to where the object lives (aligned to 64); it is called exactly
  // once, before put returns.  Takes one reference.  Refuses (overloaded) when the store is full.
  virtual Result<ObjectId> put(Bytes size,
                               const std::function<void(std::span<std::byte>)>& fill) = 0;

  // Waits until the object is no longer pending, at most `timeout`; then brings its bytes here.
  // state is held or failed; pending after a timeout.  Throws nothing; a lost connection is a
  // refusal (unavailable).
  virtual Result<Value> get(ObjectId object, std::optional<Duration> timeout) = 0;

  // Waits until `count` of `objects` are no longer pending or `timeout` has passed; tells which
  // are.
  virtual Result<std::vector<bool>> wait(std::span<const ObjectId> objects, std::size_t count,
                                         std::optional<Duration> timeout) = 0;

  // Announces that these will be asked for, so that `get` of many waits once.
  virtual void want(std::span<const ObjectId> objects) = 0;

  // What ran where, a row for each device that ran something.
  virtual Result<std::vector<UsageRow>> usage() = 0;

  // Why the task is where it is, for each node in words.
  virtual Result<std::string> explain(TaskId task) = 0;

  virtual void cancel(TaskId task) = 0;
  virtual void retain(ObjectId object) = 0;
  virtual void release(ObjectId object) = 0;
};

}  // namespace alnilam
