#pragma once
// One slot on one device: its streams, and the slot's tasks on their way through them.
//
// Tasks follow each other on the compute stream, each enqueued while earlier ones run.  What comes
// before a task's own work, copies of its inputs, is on the intake stream, which nothing holds up;
// what comes after it (the copy of its result to the host, and the host function that tells of its
// end) is on the tail stream.  Events order the three for each task: so a device copies one task's
// inputs and another's result while it computes a third, and the next task begins without waiting
// for a copy or for a host.
//
//     intake    [in 1] [in 2]          [in 3]
//     compute          [task 1      ] [task 2        ] [task 3 ...
//     tail                           [home 1] [end 1]  [home 2] [end 2]
//
// Each task has an event of its own on compute, for others that wait for its work: the tail, and
// tasks of other slots that take its result (residents.h).
//
// All of them have the priority that goes with the slot's share of the device: of kernels that
// wait for room on it those of larger shares go first.  What runs is not interrupted for that.
// Where the driver can confine it, compute of less than a device runs on as many multiprocessors
// as the share has of it (sm_parts.h).
//
// A Passage is one task's stay here: `enter`, the function, `send`; and later `over`.
//
// Threading: belongs to the slot's thread, except what is said to be the Device's.
// Lifetime: of a slot; destroyed when no passage is under way.

#include "core/base/ids.h"
#include "core/base/units.h"
#include "core/cluster/resources.h"
#include "gpu/device/device.h"

#include <chrono>
#include <deque>
#include <optional>
#include <vector>

namespace alnilam::gpu {

// The priority of a slot's streams, in the driver's numbers: `greatest`, which is the smaller one,
// for a whole device, for less of it in proportion down to `least`.
int streamPriority(Amount share, int least, int greatest);

// One task's stay on one device.
class Passage {
 public:
  using Clock = Completions::Clock;

  explicit Passage(TaskId task) : task_(task) {}
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;

  TaskId task() const { return task_; }

  struct End {
    enum class How { over, failed, undone } how = How::over;  // as DeviceEnd's
    std::optional<DriverError> wrong;                         // unless over
    Clock::duration ran{};
  };
  // Once, by the completions' thread, if the passage was sent.  The Device does not touch it any
  // more; the Life that it was in stays until this returns.
  virtual void over(const End& end) = 0;

 protected:
  ~Passage() = default;

 private:
  friend class Device;
  friend class Pipeline;
  const TaskId task_;
  Completions::Ticket* ticket_ = nullptr;
  Pipeline* pipeline_ = nullptr;
  Event behind_;  // its work on compute; of its Life
  Clock::time_point began_;
};

class Pipeline {
 public:
  // `bound` is the slot's, for each of its tasks; 0: none.  `share` is what it has of the device.
  Pipeline(Device& device, Bytes bound, Amount share)
      : device_(device), bound_(bound), share_(share) {}
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  Device& device() const { return device_; }
  Bytes bound() const { return bound_; }
  Amount share() const { return share_; }

  // Lets a task in, and makes the context current on this thread.  Waits while a dead Life is being
  // left, and for the others to leave if this one or one of them is to be alone.  Throws.
  void enter(Passage& passage);

  // Of one that entered and enqueued nothing: it leaves, without `over`.
  void withdraw(Passage& passage);

  // Between enter and the end of send:
  Life& life() const { return *life_; }
  CUstream compute() const { return compute_.get(); }
  CUstream tail() const { return tail_.get(); }
  // For copies of inputs; null: it cannot be had, and compute does for them.
  CUstream intake();
  // What compute is given from here on comes after what the intake has been given so far.
  void joinIntake();

  // The passage has been given all its work on compute: what the tail is given from here on comes
  // after that, and so does what waits for the event that is returned.
  CUevent turnToTail(Passage& passage);

  // The passage has been given all its work: its end is heard of when the tail has passed.  `over`
  // may be called, and the passage be gone, before this returns.
  void send(Passage& passage);

  // A passage that was sent is over, and has let go of what it used.
  void left();
  // Waits for all that were sent to have left, or for the Life to die.
  void drain();

  // As KernelTable::find, remembered for this slot.
  const LoadedKernel* kernel(const Launch& launch, LaunchFault& fault);

  // Condemns the Life if the error is one that ends it.
  void note(const DriverError& error);

 private:
  friend class Device;

  Device& device_;
  const Bytes bound_;
  const Amount share_;
  Life* life_ = nullptr;  // the rest lives in it
  SmParts::Part* part_ = nullptr;  // where compute_ runs; null: anywhere on the device
  Stream compute_, tail_, intake_;  // the last from the first need on
  Event arrived_;                   // on intake_, over and over
  std::vector<const LoadedKernel*> kernels_;  // that it has launched
  // Guarded by the Device's mutex.
  Passage* inside_ = nullptr;  // entered, not sent
  bool sending_ = false;       // the slot's thread still uses the streams for the last one sent
  std::deque<Passage*> sent_;  // not over, in order
  std::size_t underWay_ = 0;  // sent, and not left
  Passage::Clock::time_point lastEnd_;
};

}  // namespace alnilam::gpu
