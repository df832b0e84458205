#pragma once
// One device of this process: its primary context, what is kept ready in it, and who uses it.
//
// The primary context is retained once and shared with the user's CUDA runtime code.  Streams,
// pinned staging blocks, the memory pool and compiled modules are made on demand and kept, because
// making any of them costs more than a small task.  All of that dies together when a kernel leaves
// a sticky error behind, so it is one object, a Life.  Slots use it through their Pipelines
// (pipeline.h):
//
//     alive -- a call returns a sticky error --> dead -- the last Pipeline detached --> gone
//       ^                                                                               |
//       +------------------------------ the next task begins ---------------------------+
//
// Results that tasks have left on the device (residents.h) are of a Life, too, and so are the pages
// of host memory that it has pinned (pinned_arena.h).  Tasks on other devices may be copying them:
// such guests are waited for as Pipelines are.
//
// The pool keeps what is freed, since mapping memory again costs more than a small task.  A device
// that nobody has used for a second gives that back, so that other processes can have it.
//
// When a Life dies, all that was under way in it ends at once (`bury`), without its host functions,
// which a failed context calls no more.  The driver does not say whose kernel it was.  If one task
// alone was on the device, it was that one's, and it fails.  Otherwise nobody is charged: all of
// them are undone and run again, each alone on the device, and whoever fails alone is charged.  So
// innocents lose time and nothing else, and one bad task ends after at most two runs.  A device
// that is gone (Severity::device) fails all: there is nothing here to run them again on.
//
// Threading: any thread.  Lives are buried by the thread of the completions, and by no other.
// Lifetime: the Device outlives its Pipelines; the Driver outlives the Device.
// Errors: DeviceError and OutOfDeviceMemory; nothing is thrown by leaving.

#include "core/base/ids.h"
#include "core/cluster/device_memory_use.h"
#include "core/cluster/topology.h"
#include "gpu/device/completions.h"
#include "gpu/device/kernel_table.h"
#include "gpu/device/residents.h"
#include "gpu/device/sm_parts.h"
#include "gpu/driver/handle.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace alnilam::gpu {

class Passage;
class PinnedArena;
class Pipeline;

// Pinned host memory of at least `size()` bytes.
class Staging {
 public:
  Staging() = default;
  Staging(HostMemory memory, std::size_t size) : memory_(std::move(memory)), size_(size) {}
  std::byte* data() const { return static_cast<std::byte*>(memory_.get()); }
  std::size_t size() const { return size_; }

 private:
  HostMemory memory_;
  std::size_t size_ = 0;
};

// What lives and dies with one retained context.
class Life {
 public:
  // `mostResident`: bytes of results that are kept on the device.
  // `arena`: what it may pin of; outlives it.
  static DriverResult<std::unique_ptr<Life>> begin(const Driver& driver, CUdevice device,
                                                   Bytes mostResident, PinnedArena& arena);
  ~Life();
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // Never that of another in this process.
  std::uint64_t serial() const { return serial_; }
  CUcontext context() const { return context_.get(); }
  CUmemoryPool pool() const { return pool_.get(); }  // null where the device has no pools

  KernelTable& kernels() { return kernels_; }
  Residents& residents() { return residents_; }

  // Copies from there to here need not go through the host from now on, where the devices can do
  // that; they arrive either way.  This context must be current, and `other` in use.
  void reach(const Life& other);

  // At least `bytes`, at most kMaxStaging.  The context must be current.
  DriverResult<Staging> takeStaging(std::size_t bytes);
  void giveStaging(Staging block);  // no copy may use it any more

  static constexpr std::size_t kMinStaging = 64 << 10;
  static constexpr std::size_t kMaxStaging = 16 << 20;
  static constexpr std::size_t kMaxKept = 128 << 20;  // of staging, idle

 private:
  friend class Device;
  Life(const Driver& driver, PrimaryContext context, Bytes mostResident, PinnedArena& arena);
  int priorityOf(const Pipeline& pipeline) const;  // of its streams

  const Driver& driver_;
  const std::uint64_t serial_;
  PinnedArena& arena_;
  PrimaryContext context_;
  int leastPriority_ = 0, greatestPriority_ = 0;  // of its streams, in the driver's numbers
  MemoryPool pool_;
  KernelTable kernels_;
  Residents residents_;
  std::mutex mutex_;  // of what follows
  std::vector<Staging> staging_;
  std::size_t kept_ = 0;
  std::set<std::uint64_t> reached_;  // serials

  // Guarded by the Device's mutex.
  SmParts parts_;
  std::map<int, std::vector<Stream>> idle_;  // by priority; of the primary context
  std::vector<Event> events_;
  std::optional<DriverError> wrong_;  // what it died of
  std::size_t unfinished_ = 0;        // tasks that were on it when it was first buried
  std::size_t guests_ = 0;            // results of it in use by tasks of other devices
};

class Device {
 public:
  // `ordinal` as the driver counts, `index` as the node does.
  Device(const Driver& driver, int ordinal, std::uint32_t index, Gpu gpu, PinnedArena& arena);
  ~Device();

  const Driver& driver() const { return driver_; }
  PinnedArena& arena() const { return arena_; }
  int ordinal() const { return ordinal_; }
  std::uint32_t index() const { return index_; }
  const Gpu& gpu() const { return gpu_; }
  const std::string& label() const { return label_; }
  // "GPU 1 (NVIDIA H100)", for messages.
  std::string title() const;

  // Nobody gets this Life any more, and what is under way in it ends.  Call it for errors of
  // severity `context` and `device`; the first one counts.
  void condemn(Life& life, const DriverError& error);

  // Of a task on another device that takes a result from this one: in use by it, and the Life stays
  // until `leaveGuest`; null if there is none of that name.
  struct Guest {
    Life* life = nullptr;
    Residents::Resident* resident = nullptr;
  };
  Guest visit(ObjectId object);
  void leaveGuest(const Guest& guest);
  // Of one that copies what this Life has pinned: likewise, without a resident.
  Guest visit(std::uint64_t life);
  // Nobody finds this result here any more.
  void forget(ObjectId object);
  // Whether this device may copy from `other` without the host.
  bool canCopyFrom(const Device& other) const;

  // How often the context was made anew after an error.
  std::uint64_t rebuilds() const;
  // Of its pool; none while it has none.
  std::optional<DeviceMemoryUse> memoryUse();

  // Throws what `error` is at the public API: OutOfDeviceMemory or DeviceError (DeviceLostError),
  // with the device's title and, if not empty, `what` the call was for.
  [[noreturn]] void raise(const DriverError& error, const std::string& what) const;
  std::string describe(const DriverError& error, const std::string& what) const;

 private:
  friend class Pipeline;
  using Lock = std::unique_lock<std::mutex>;

  // For pipeline.h, which says what they promise.
  void enter(Pipeline& pipeline, Passage& passage);
  void withdraw(Pipeline& pipeline, Passage& passage);
  // The ticket for the passage's host function; null if there is no use in launching one.
  Completions::Ticket* handOver(Pipeline& pipeline, Passage& passage);
  void handedOver(Pipeline& pipeline);
  void openIntake(Pipeline& pipeline);
  void detach(Pipeline& pipeline);
  void left(Pipeline& pipeline);
  void drain(Pipeline& pipeline);

  void attach(Pipeline& pipeline, Passage& passage, Lock& lock);
  bool isVacant() const { return attached_.empty() && life_->guests_ == 0; }
  std::optional<DriverError> settleIn(Pipeline& pipeline, Life& life);
  DriverResult<Event> eventFor(Pipeline& pipeline, Life& life);
  void letGo(Pipeline& pipeline);             // the mutex is held
  void leave(Passage& passage, bool undone);  // likewise
  // Called by the completions' thread.
  std::size_t settle(std::vector<Completions::Passed>& passed);
  void bury();
  Completions::Next look();
  Completions::Next trim();                   // the mutex is held

  const Driver& driver_;
  PinnedArena& arena_;
  const int ordinal_;
  const std::uint32_t index_;
  const Gpu gpu_;
  const std::string label_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // a task or a pipeline left
  std::unique_ptr<Life> life_;
  std::uint64_t rebuilds_ = 0;
  std::vector<Pipeline*> attached_;  // to life_
  DeviceMemoryUse use_;              // as last asked for; high-water marks of all Lives
  std::uint64_t begun_ = 0;          // tasks, so far
  std::uint64_t begunAtLook_ = 0;    // by the last look that found nothing under way

  // Who is on the device: any number of tasks, or one of those that are to be alone.
  std::size_t inside_ = 0;
  std::size_t waitingAlone_ = 0;
  bool alone_ = false;
  std::set<TaskId> suspects_;  // were on a Life that died, and have not ended since

  // Of lost passages too, whose host functions may come late or never.
  std::deque<Completions::Ticket> tickets_;
  std::vector<Completions::Ticket*> freeTickets_;
  Completions completions_;  // last: its thread uses all of the above
};

}  // namespace alnilam::gpu
