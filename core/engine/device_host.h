#pragma once
// What the workers need to know of GPUs: how to give a task to a slot's devices, and how to hear of
// its end.
//
// A device works behind the thread that gives it work.  So a task's function is called between
// begin and finish, and returns when everything is enqueued; the device's part of it is over later,
// which its DeviceTask is told on another thread.  Meanwhile the slot's thread goes on to the next
// task: a slot's tasks follow each other on the device in the order in which they began.
//
//   gpu::Context* gpu = slot.begin(id, task, inputs);  // may wait for room
//   ... the function enqueues ...
//   slot.finish();                           // from here on `task` is the device's
//   ... on some thread: task.ended(end) ...  // once
//
// A result that a device made stays there, under its task's id, for tasks that take it as an input:
// as long as there is room, or until `forget`.  So a task may begin while what it takes is yet to
// be made: the device has been given the work that makes it, and does the one after the other
// without the host in between.  Whether what is made on that ground counts is for the caller to
// settle, once it knows how the earlier task ended.
//
// core/ cannot include gpu/, so whoever wires a process together hands in a DeviceHost
// (gpu/device/device_host.h has the real one) or none, and then tasks with devices fail.
//
// Threading: a slot belongs to one thread.  `ended` comes on a thread of the devices, or on the
//   slot's inside finish; it must not wait for the device.

#include "core/api/errors.h"
#include "core/cluster/device_memory_use.h"
#include "core/node/orders.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace alnilam {

namespace gpu {
class Context;
}

// How a task's stay on its devices ended.
struct DeviceEnd {
  enum class How : std::uint8_t {
    over,    // everything that it enqueued was done, and its result lies where it was to
    failed,  // something of it failed on the device: `why` says what
    undone,  // the device's context failed under it, for all that is known by another's fault: it
             // is to be run again, and nobody may see anything of this run
  };
  How how = How::over;
  FailureKind kind = FailureKind::device;  // unless `over`, of the failure
  std::string why;                         // likewise, its message
  Duration ran{};          // from the beginning of its own work to the end, without the wait for
                           // the slot's earlier tasks
  // Of the device that it failed on: not ok if this is the task that the failure is charged to.
  DeviceHealth health = DeviceHealth::ok;
  std::uint32_t sickGpu = TaskDone::kNoGpu;
};

// A device is gone.
class DeviceLostError : public DeviceError {
 public:
  DeviceLostError(const std::string& what, std::uint32_t gpu) : DeviceError(what), gpu_(gpu) {}
  std::uint32_t gpu() const { return gpu_; }

 private:
  std::uint32_t gpu_;
};

// Lives on a thread that tells of several ends one after the other.  Whoever would wake somebody
// for each of them owes it until the last, or until it might be gone by then (`pay`).
class EndsTogether {
 public:
  EndsTogether() { current() = this; }
  ~EndsTogether() {
    current() = nullptr;
    payAll();
  }
  EndsTogether(const EndsTogether&) = delete;
  EndsTogether& operator=(const EndsTogether&) = delete;

  // `call` is made later, once, or at once if this thread tells of one end only.
  static void owe(const std::function<void()>& call) {
    EndsTogether* here = current();
    if (!here) return call();
    if (here->owed_ && here->owed_ != &call) here->payAll();
    here->owed_ = &call;
  }
  static void pay() {
    if (current()) current()->payAll();
  }

 private:
  static EndsTogether*& current() {
    thread_local EndsTogether* here = nullptr;
    return here;
  }
  void payAll() {
    if (auto* call = std::exchange(owed_, nullptr)) (*call)();
  }

  const std::function<void()>* owed_ = nullptr;
};

class DeviceTask {
 public:
  virtual ~DeviceTask() = default;
  // Once.  The last that the devices do with this object.
  virtual void ended(const DeviceEnd& end) = 0;
};

// An input of a task, as its function is given it.
struct DeviceInput {
  ObjectId object;
  std::span<const std::byte> bytes;
  bool coming = false;  // of the bytes only an array's header is there; the rest is on a device
};

// One slot's devices.  Destroyed when none of its tasks is on them.
class SlotDevices {
 public:
  virtual ~SlotDevices() = default;

  // Makes the context current on this thread and starts a task's stay on the device.  Null if an
  // input that is coming is on no device from which this one can take it: the task can begin once
  // the bytes are there.  Throws DeviceError (DeviceLostError if that is why) or OutOfDeviceMemory.
  // Either way `task` is not told anything then.
  virtual gpu::Context* begin(TaskId id, DeviceTask& task,
                              std::span<const DeviceInput> inputs) = 0;

  // The function of the task that began last has returned, or thrown.  Frees what it allocated, in
  // the order of its work.  Answers whether its result is on a device now, for others to take.
  virtual bool finish() = 0;
};

class DeviceHost {
 public:
  virtual ~DeviceHost() = default;
  // Throws DeviceError, for instance if the device does not exist.
  virtual std::unique_ptr<SlotDevices> open(const SlotGrant& grant) = 0;
  // Nobody will take this result any more: it is void, or has been released.
  virtual void forget(ObjectId object) = 0;
  // Before the first slot is opened: the memory that inputs and large results lie in, which stays
  // mapped and in place.  Devices may copy from it and to it without a stop between.
  virtual void useArena(std::span<std::byte>) {}
  // Of the devices that this process has used.
  virtual std::vector<DeviceMemoryUse> memoryUse() { return {}; }
};

}  // namespace alnilam
