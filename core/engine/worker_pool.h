#pragma once
// The threads that run tasks: carries out Orders, gathers an ExecutorReport.
//
// Each open slot has a worker thread, bound to the slot's cores (and devices) while it lasts; idle
// threads are kept for the next slot.  A worker draws tasks from its lane's queue.  If the lane's
// tasks prove to be short it draws a few at a time, so that queue and report cost one lock for many
// tasks: at most kMostDrawn, and no more than its share of what queues.  What it has drawn and not
// begun is taken from it by a worker that finds nothing else, and by who cancels (hoard.h); what it
// has done and not reported is collected after a millisecond (outbox.h).
//
// A slot with devices is through with a task before its devices are (device_feed.h): it has up to
// kMostOnDevices tasks of short duration on them at once, and one of a long one.  A slot that has
// as many as it may is woken when half of them are over, and gives in as many at once: waking it
// for each costs more than a short task.  A task that takes what one of those is making is given to
// the same slot behind it (waiting_room.h).
//
// The pool serves both wirings: in the embedded engine the control thread gives the orders, in an
// executor the event loop does.  It never blocks them: `order` only queues.
//
// What a function throws becomes a Failure; the worker goes on.  What a function does to the
// process (a crash, exit) is somebody else's to notice; `currentTask` tells a signal handler whose
// thread it is on.
//
// Threading: order, report and the destructor from one thread, the owner's.  `onReport` is called
//   by workers, when a report begins to gather: not again until `report` has taken it.
// Lifetime: the destructor waits for the tasks that run.

#include "core/api/task_call.h"
#include "core/engine/device_host.h"
#include "core/node/orders.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace alnilam {

// Where results larger than the inline limit go.
class ResultStore {
 public:
  virtual ~ResultStore() = default;
  // `size` bytes, aligned to 64, to be the object `task` once its attempt is reported as stored;
  // given up by `abandon` if the attempt fails after all.  Called by worker threads; may block.
  // Refuses (overloaded) when there is no room.
  virtual Result<std::span<std::byte>> allocate(TaskId task, Bytes size) = 0;
  virtual void abandon(TaskId task) = 0;
};

class WorkerPool {
 public:
  struct Config {
    // The thread of a slot is bound to these: Topology::cores[i].osCpu for the core index i.
    // Empty: threads are not bound.
    std::vector<std::uint32_t> osCpus;
    std::string node;                // for failures
    DeviceHost* devices = nullptr;   // null: tasks with devices fail
    ResultStore* store = nullptr;    // null: every result is held, of any size
    std::function<void()> onReport;  // a report begins to gather
    std::function<void()> onThread;  // first thing on each new thread
  };

  explicit WorkerPool(Config config);
  ~WorkerPool();

  void order(Orders orders);

  // Moves out what has gathered; may be empty.
  ExecutorReport report();

  // The task that runs on the calling thread, or none.  Async-signal-safe.
  static TaskId currentTask();

  static constexpr std::size_t kMostDrawn = 32;
  static constexpr std::size_t kMostOnDevices = 32;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace alnilam
