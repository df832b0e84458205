#pragma once
// Tasks of this process that wait for results which other tasks of this process are making.
//
// A node may send a task whose inputs are still coming (orders.h).  It waits here, outside of every
// queue, so that it takes no slot from those that it waits for, whatever the order in which they
// came; when the last of its inputs is made it is released with the bytes in it, and nobody outside
// of the process has had a part in that.
//
// Only tasks that others are announced to wait for (`RunTask::awaited`) are known here by their id,
// from `expect` until `made` or `unmade`; all others cost nothing.  A result is not kept: a task
// that names one which is made already, or never was expected, is returned, and its node has the
// result by then or knows why there is none.  If a task will not be made, those who wait for it are
// returned, and those who wait for them.
//
// Threading: any thread; one mutex.
// Complexity: O(1) expected for each task and each input that is coming.

#include "core/base/rings.h"
#include "core/node/id_table.h"
#include "core/node/orders.h"

#include <mutex>
#include <vector>

namespace alnilam {

class WaitingRoom {
 public:
  // `task`, which must be awaited, is in this process now; before anybody can run it.
  void expect(TaskId task);

  // Takes in a task with inputs that are coming, and expects it if it is awaited.  False: one of
  // those will not be made here any more, and the task is left as it was.
  bool admit(RunTask& task);

  // The result of an expected task; `result` is what an input of that object is from now on.
  // Moves those who wait for nothing else to the end of `released`, in the order of their coming.
  void made(TaskId task, const RunInput& result, std::vector<RunTask>& released);

  // There will be no result of `task`, which may be unknown here.  Ends of those who were waiting
  // for it, at any distance, are appended to `ended`, nearest first.
  void unmade(TaskId task, std::vector<TaskDone>& ended);

  // Takes `task` out if it waits here; then it is for the caller to end it, and `unmade` to be
  // called.
  bool take(TaskId task, RunTask& taken);

  // How many tasks wait.
  std::size_t size() const;

 private:
  struct Entry {
    TaskId id;
    RunTask task;               // if it waits
    std::uint32_t missing = 0;  // 0: it does not wait, but is expected
    std::uint32_t waiters = 0;  // the ring of those who wait for it
    std::uint32_t serial = 0;   // tells it from others that had this place
  };
  struct Waiter {
    std::uint32_t place = 0;
    std::uint32_t serial = 0;
  };

  // All with mutex_ held.
  std::uint32_t enter(TaskId id);
  void leave(std::uint32_t place);

  mutable std::mutex mutex_;
  node::IdTable places_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  Rings<Waiter> waiters_;
  std::uint32_t lastSerial_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace alnilam
