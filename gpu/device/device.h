#pragma once
// One device of this process: its primary context and what is kept ready in it.
//
// The primary context is retained once and shared with the user's CUDA runtime code.  Streams,
// pinned staging blocks, the memory pool and compiled modules are made on demand and kept, because
// making any of them costs more than a small task.  All of that dies together when a kernel leaves
// a sticky error behind, so it is one object, a Life.  A task borrows the Life and a stream of it
// for as long as it runs:
//
//     alive -- a call returns a sticky error --> dead -- the last borrower left --> gone
//       ^                                                                             |
//       +------------------------------- the next borrow -----------------------------+
//
// Whoever borrows while the device is dead waits for the borrowers to leave: each of them sees the
// same sticky error at its next call, so none stays for long.  Idle slots hold nothing, so they
// never keep a dead Life.
//
// Threading: any thread.  A Lease belongs to one thread.
// Lifetime: the Device outlives its Leases; the Driver outlives the Device.
// Errors: DeviceError; nothing is thrown by giving back.

#include "core/cluster/topology.h"
#include "gpu/device/kernel_table.h"
#include "gpu/driver/handle.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace alnilam::gpu {

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
  static DriverResult<std::unique_ptr<Life>> begin(const Driver& driver, CUdevice device);
  ~Life();
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  CUcontext context() const { return context_.get(); }
  CUmemoryPool pool() const { return pool_.get(); }  // null where the device has no pools

  KernelTable& kernels() { return kernels_; }

  // At least `bytes`, at most kMaxStaging.  The context must be current.
  DriverResult<Staging> takeStaging(std::size_t bytes);
  void giveStaging(Staging block);  // no copy may use it any more

  static constexpr std::size_t kMinStaging = 64 << 10;
  static constexpr std::size_t kMaxStaging = 16 << 20;
  static constexpr std::size_t kMaxKept = 128 << 20;  // of staging, idle

 private:
  friend class Device;
  Life(const Driver& driver, PrimaryContext context)
      : driver_(driver), context_(std::move(context)), kernels_(driver, context_.device()) {}

  const Driver& driver_;
  PrimaryContext context_;
  MemoryPool pool_;
  KernelTable kernels_;
  std::mutex mutex_;  // of what follows
  std::vector<Staging> staging_;
  std::size_t kept_ = 0;

  // Guarded by the Device's mutex.
  std::vector<Stream> idle_;
  std::size_t borrowers_ = 0;
  bool dead_ = false;
};

class Device;

// One task's hold on a device.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept { *this = std::move(other); }
  Lease& operator=(Lease&& other) noexcept;
  ~Lease();

  Life& life() const { return *life_; }
  CUstream stream() const { return stream_.get(); }
  explicit operator bool() const { return life_ != nullptr; }

 private:
  friend class Device;
  Lease(Device& device, Life& life, Stream stream)
      : device_(&device), life_(&life), stream_(std::move(stream)) {}

  Device* device_ = nullptr;
  Life* life_ = nullptr;
  Stream stream_;
};

class Device {
 public:
  // `ordinal` as the driver counts, `index` as the node does.
  Device(const Driver& driver, int ordinal, std::uint32_t index, Gpu gpu);
  ~Device();

  const Driver& driver() const { return driver_; }
  std::uint32_t index() const { return index_; }
  const Gpu& gpu() const { return gpu_; }
  const std::string& label() const { return label_; }
  // "GPU 1 (NVIDIA H100)", for messages.
  std::string title() const;

  // A stream in the living context, retaining it anew if need be; may wait (see above).  Makes the
  // context current on this thread.
  Lease borrow();

  // Nobody gets this Life any more.  Call it for errors of severity `context` and `device`.
  void condemn(Life& life);

  // How often the context was made anew after an error.
  std::uint64_t rebuilds() const;

  // Throws what `error` is at the public API: OutOfDeviceMemory or DeviceError, with the device's
  // title and, if not empty, `what` the call was for.
  [[noreturn]] void raise(const DriverError& error, const std::string& what) const;

 private:
  friend class Lease;
  void giveBack(Life& life, Stream stream);

  const Driver& driver_;
  const int ordinal_;
  const std::uint32_t index_;
  const Gpu gpu_;
  const std::string label_;
  mutable std::mutex mutex_;
  std::condition_variable left_;  // a borrower left a dead Life
  std::unique_ptr<Life> life_;
  std::uint64_t rebuilds_ = 0;
};

}  // namespace alnilam::gpu
