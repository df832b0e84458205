#pragma once
// One slot's tasks on their way through its devices.
//
// The slot's worker gives a task in, which calls its function; the devices are through with it
// later, and then its TaskDone is made and reported by the thread that hears of it.  So several of
// a slot's tasks are on the devices at once, one behind the other, and a device goes from one to
// the next without waiting for a host.  How many may be is for whoever draws the tasks to say; this
// counts them.
//
// What a device did not do through no fault of the task's (DeviceEnd::undone) is given back, to be
// run again; so is a task whose inputs turn out not to be on a device any more.  A result that is
// on the devices is told of as soon as it is enqueued, for tasks that may follow it there.
//
// Threading: run() and drain() on the slot's thread; the rest from any.
// Lifetime: as long as the slot is open; drain() first.

#include "core/engine/invoke.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace alnilam {

class DeviceFeed {
 public:
  // All may be called by any thread, and by run() before it returns; `enqueued` by that alone.
  struct Ends {
    std::function<void(RunTask, TaskDone)> done;
    std::function<void(RunTask)> again;
    // After either: there is one less on the devices, so many, which usually take that long.
    std::function<void(std::size_t inside, std::optional<Duration> usual)> moved;
    // The result of an awaited task will be in these bytes; an array's header is there.  The task
    // may have ended meanwhile.
    std::function<void(TaskId, Blob)> enqueued;
  };

  // `devices` is null where they could not be opened: every task fails then, with `why`.
  DeviceFeed(const Invocation& invocation, std::unique_ptr<SlotDevices> devices, std::string why,
             std::uint32_t gpu, Ends ends);
  ~DeviceFeed();

  // Calls the task's function, and returns when that has enqueued its work.
  void run(RunTask task);

  std::size_t inside() const;  // tasks that were given in and have not ended
  // How long a task of this slot usually is on the devices; nothing before the first has ended.
  std::optional<Duration> usual() const;

  void drain();  // returns when nothing is inside

 private:
  class Stay;
  void hear(std::unique_ptr<Stay> stay, const DeviceEnd& end);
  void report(RunTask task, TaskDone done, const DeviceEnd& end);
  void leave();

  const Invocation& invocation_;
  std::unique_ptr<SlotDevices> devices_;
  const std::string why_;
  const std::uint32_t gpu_;
  const Ends ends_;
  std::vector<DeviceInput> inputs_;  // of the task that begins
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::size_t inside_ = 0;
  std::optional<Duration> usual_;
};

}  // namespace alnilam
