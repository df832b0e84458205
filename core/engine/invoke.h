#pragma once
// One attempt of a task, from bytes to TaskDone: calls the function, catches what it throws.
//
// Threading: reentrant.  Errors: none escape; whatever goes wrong is in the TaskDone.

#include "core/api/registry.h"
#include "core/engine/device_host.h"
#include "core/engine/worker_pool.h"

namespace alnilam {

struct Invocation {
  const std::string& node;      // for failures
  const std::string& function;  // its name
  const TaskFunction* target;   // null: the program has no such function
  SlotDevices* devices;         // null: none
  const std::string& noDevices;  // why the slot's devices could not be opened; empty if they were
  ResultStore* store;           // null: results are held whatever their size
};

// Runs `task`; `ran` and `gpu` of the answer are left to the caller.
TaskDone invoke(const Invocation& invocation, const RunTask& task);

}  // namespace alnilam
