#pragma once
// The task functions of this program, by name and by address.
//
// ALNILAM_TASK(f) at namespace scope adds f before main.  A node runs a task by the name, in the
// same program, so names need no agreement between programs.  This is the one process-wide table of
// the house: it is filled before main, by static initialisers in one thread, and only read after.

#include "core/api/task_call.h"

#include <string>
#include <string_view>
#include <vector>

namespace alnilam {

struct TaskFunction {
  std::string name;           // as written in ALNILAM_TASK
  const void* address = nullptr;
  Thunk thunk = nullptr;
  bool wantsGpu = false;      // its first parameter is gpu::Context&
  // For each of its parameters (without that one), whether it looks at the bytes of its inputs on
  // the device alone, so that nothing of them but an array's header need be in host memory.
  std::vector<bool> onDevice = {};
};

// For each of a call's `inputs` inputs, whether all parameters that it goes to are on the device;
// of one that goes to none, it is false.  So it is for all if the bytes are not `of`'s arguments.
std::vector<bool> inputsOnDevice(const TaskFunction& of, std::span<const std::byte> arguments,
                                 std::size_t inputs);

// Adds; registering the same address or name twice with different content is a bug.
void registerTask(TaskFunction function);

// Null if there is none.
const TaskFunction* findTask(std::string_view name);
const TaskFunction* findTask(const void* address);
inline const TaskFunction* findTask(const char* name) { return findTask(std::string_view(name)); }

std::vector<std::string> registeredTasks();  // sorted

}  // namespace alnilam
