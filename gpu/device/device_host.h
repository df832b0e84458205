#pragma once
// The GPUs of this process, ready for slots: what daemons, executors and the embedded engine open.
//
//   auto gpus = gpu::openGpus({.emulate = "2x4GiB"});        // or {} for the machine's own
//   auto topology = gpu::discover(
//       source, gpu::survey(gpus.value()->driver(), "", gpus.value()->offered(), visible));
//   engine.use(*gpus.value());                               // it is the engine's DeviceHost
//
// DeviceGrant.gpu counts offered(), which is the order of Topology::gpus.  An executor opens the
// node's devices by their UUIDs (`order`), so that both mean the same one by a number even where
// the driver shows them in different orders, or no longer shows one of them.
//
// A machine without a driver or without a device is no error: offered() is empty then, and
// why() says in words what is missing.
//
// Threading: open() and the slots from any threads; one slot belongs to one thread at a time.
// Lifetime: the host outlives its slots.
// Errors: openGpus refuses; slots throw (context.h).

#include "core/base/error.h"
#include "core/engine/device_host.h"
#include "gpu/device/pinned_arena.h"
#include "gpu/discovery/offered.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace alnilam::gpu {

class Device;

struct OpenOptions {
  std::string emulate;                 // "2x4GiB" (gpu/emulator/config.h); empty: real devices
  std::optional<std::string> visible;  // the value of CUDA_VISIBLE_DEVICES; nullopt: not set
  std::string emulatorPath;            // where the emulator's library is; empty: look for it
  std::optional<std::vector<std::string>> order;  // UUIDs that offered() shall have, in this order
};

class GpuHost final : public DeviceHost {
 public:
  // `loaded` is the driver of all devices, nullptr if there is none, and `why` says so then.
  GpuHost(std::unique_ptr<Loaded> loaded, std::vector<OfferedGpu> offered, std::string why);
  ~GpuHost() override;

  const std::vector<OfferedGpu>& offered() const { return offered_; }
  // "CUDA driver 13.0", "emulated CUDA driver 13.0"; empty without one.
  std::string title() const { return loaded_ ? loaded_->title() : std::string(); }
  const std::string& why() const { return why_; }
  const Loaded* driver() const { return loaded_.get(); }  // null: there is none

  // Throws DeviceError for a device that is not offered.
  std::unique_ptr<SlotDevices> open(const SlotGrant& grant) override;

  void forget(ObjectId object) override;
  void useArena(std::span<std::byte> arena) override;
  std::vector<DeviceMemoryUse> memoryUse() override;

  Device& device(std::size_t index) { return *devices_[index]; }

 private:
  std::unique_ptr<Loaded> loaded_;
  std::vector<OfferedGpu> offered_;
  std::string why_;
  PinnedArena arena_;
  std::vector<std::unique_ptr<Device>> devices_;  // as offered_; they use loaded_
};

// Refuses (invalid) an emulation that does not parse and a driver that is broken; (unavailable) an
// emulator that is not where it should be and devices that do not answer.
Result<std::unique_ptr<GpuHost>> openGpus(const OpenOptions& options);

}  // namespace alnilam::gpu
