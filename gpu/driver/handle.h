#pragma once
// Owners for the driver's handles: one class, one resource, one cleanup.
//
// Threading: a handle may be moved between threads, but the context it was made in must be current
//   on the thread that destroys it (CurrentContext below makes it so for a scope).
// Lifetime: the Driver must outlive every handle made with it; the context must outlive the handle.
// Errors: creation returns them.  Destruction can't, and a failed destroy means that the context is
//   already dead, so it's dropped: the next call on that context reports it.

#include "gpu/driver/error.h"

#include <cstddef>
#include <utility>

namespace alnilam::gpu {

template <typename Raw, auto destroy>
class Handle {
 public:
  Handle() = default;  // owns nothing
  Handle(const Driver& driver, Raw raw) : driver_(&driver), raw_(raw) {}
  Handle(Handle&& other) noexcept
      : driver_(other.driver_), raw_(std::exchange(other.raw_, Raw{})) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(driver_, other.driver_);
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Handle() {
    if (raw_ != Raw{}) static_cast<void>((driver_->*destroy)(raw_));
  }

  Raw get() const { return raw_; }
  explicit operator bool() const { return raw_ != Raw{}; }

 private:
  const Driver* driver_ = nullptr;
  Raw raw_{};
};

using Stream = Handle<CUstream, &Driver::streamDestroy>;
using Event = Handle<CUevent, &Driver::eventDestroy>;
using Module = Handle<CUmodule, &Driver::moduleUnload>;
using DeviceMemory = Handle<CUdeviceptr, &Driver::memFree>;
using HostMemory = Handle<void*, &Driver::memFreeHost>;
using MemoryPool = Handle<CUmemoryPool, &Driver::memPoolDestroy>;

// One retained reference to a device's primary context, which CUDA runtime code of the user shares.
class PrimaryContext {
 public:
  static DriverResult<PrimaryContext> retain(const Driver& driver, CUdevice device);

  PrimaryContext(PrimaryContext&& other) noexcept;
  PrimaryContext& operator=(PrimaryContext&& other) noexcept;
  ~PrimaryContext();

  CUcontext get() const { return context_; }
  CUdevice device() const { return device_; }

 private:
  PrimaryContext(const Driver& driver, CUdevice device, CUcontext context)
      : driver_(&driver), device_(device), context_(context) {}

  const Driver* driver_;
  CUdevice device_;
  CUcontext context_;  // null after a move
};

// Makes `context` current on this thread for a scope, and what was current before afterwards.
class CurrentContext {
 public:
  CurrentContext(const Driver& driver, CUcontext context)
      : driver_(driver), code_(driver.ctxPushCurrent(context)) {}
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;
  ~CurrentContext();

  std::optional<DriverError> error() const { return check(code_, "cuCtxPushCurrent"); }

 private:
  const Driver& driver_;
  CUresult code_;
};

// Each works on the current context.  `flags` and priorities are the driver's; a lower priority
// number is more urgent.
DriverResult<Stream> createStream(const Driver& driver, unsigned flags = CU_STREAM_NON_BLOCKING,
                                  int priority = 0);
DriverResult<Event> createEvent(const Driver& driver, unsigned flags = CU_EVENT_DISABLE_TIMING);
DriverResult<DeviceMemory> allocateDevice(const Driver& driver, std::size_t bytes);
DriverResult<HostMemory> allocateHost(const Driver& driver, std::size_t bytes,
                                      unsigned flags = kMemHostAllocPortable);

// Compiles PTX text (ended by a zero byte).  Where that fails, `log` gets what the driver's
// compiler says about it.
DriverResult<Module> loadModule(const Driver& driver, const char* ptx, std::string& log);
DriverResult<CUfunction> findFunction(const Driver& driver, const Module& module, const char* name);

}  // namespace alnilam::gpu
