#pragma once
// One attempt of a task, from bytes to TaskDone: calls the function, catches what it throws.
//
// A host task is over when its function returns, and `invoke` does it all.  A task on devices is
// not (device_host.h): whoever runs it makes a TaskRun, lets it call, and asks it for the TaskDone
// when the devices are through.
//
// Threading: reentrant.  Errors: none escape; whatever goes wrong is in the TaskDone.

#include "core/api/registry.h"
#include "core/engine/device_host.h"
#include "core/engine/worker_pool.h"

#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace alnilam {

struct Invocation {
  const std::string& node;      // for failures
  const std::string& function;  // its name
  const TaskFunction* target;   // null: the program has no such function
  ResultStore* store;           // null: results are held whatever their size
};

// Runs `task`, which has no devices; `ran` of the answer is left to the caller.
TaskDone invoke(const Invocation& invocation, const RunTask& task);

// The parts of it.
class TaskRun {
 public:
  // Both outlive the attempt.
  TaskRun(const Invocation& invocation, const RunTask& task)
      : invocation_(invocation), task_(task), sink_(task.id, invocation.store) {}

  // What speaks against calling the function at all: it is not there, or wants a device and has
  // none.
  std::optional<TaskDone> refusal(bool onDevices);

  // Calls the function.  Throws what it throws.
  void call(gpu::Context* gpu);

  // After the call, and before the devices may write to it: what there is of the result.  A small
  // one is copied, a large one will be complete when the result is.
  Blob begunResult() const { return sink_.begun(); }

  // At most one of these, once; after `succeed` the result has been moved out.
  TaskDone succeed();
  TaskDone fail(std::exception_ptr thrown);
  TaskDone fail(FailureKind kind, std::string type, std::string_view message);
  // Nothing comes of it, and it will be run again: gives up the place of its result.
  void abandon();

 private:
  class Sink final : public ResultSink {
   public:
    Sink(TaskId task, ResultStore* store) : task_(task), store_(store) {}
    std::span<std::byte> room(Bytes size) override;
    bool isStored() const { return stored_; }
    void giveTo(TaskDone& done);
    Blob begun() const { return stored_ ? inPlace() : held_; }
    void abandon();

   private:
    Blob inPlace() const;

    TaskId task_;
    ResultStore* store_;
    Blob held_;
    std::span<std::byte> stay_;  // of a stored one
    Bytes size_ = 0;
    bool asked_ = false;
    bool stored_ = false;
  };

  TaskDone begun() const;

  const Invocation& invocation_;
  const RunTask& task_;
  Sink sink_;
};

}  // namespace alnilam
