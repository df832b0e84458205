#pragma once
// What the workers need to know of GPUs: nothing but how to get one ready for a task.
//
// core/ cannot include gpu/, so whoever wires a process together hands in a DeviceHost
// (gpu/device/device_host.h has the real one) or none, and then tasks with devices fail.

#include "core/node/orders.h"

#include <memory>
#include <string>

namespace alnilam {

namespace gpu {
class Context;
}

// One slot's devices: made when the slot opens, used by its worker's thread for each task in turn.
class SlotDevices {
 public:
  virtual ~SlotDevices() = default;

  // Makes the context current on this thread and starts a task's life on the device.  Throws
  // DeviceError.
  virtual gpu::Context& begin() = 0;

  // Waits for everything that the task enqueued, frees what it allocated.  Throws DeviceError or
  // OutOfDeviceMemory if something of it failed; the slot can be used again in any case.
  virtual void finish() = 0;
};

class DeviceHost {
 public:
  virtual ~DeviceHost() = default;
  // Throws DeviceError, for instance if the device does not exist.
  virtual std::unique_ptr<SlotDevices> open(const SlotGrant& grant) = 0;
};

}  // namespace alnilam
