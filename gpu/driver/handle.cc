#include "gpu/driver/handle.h"

#include <array>
#include <cstring>

namespace alnilam::gpu {

DriverResult<PrimaryContext> PrimaryContext::retain(const Driver& driver, CUdevice device) {
  CUcontext context = nullptr;
  if (auto error =
          check(driver.devicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain")) {
    return *error;
  }
  return PrimaryContext(driver, device, context);
}

PrimaryContext::PrimaryContext(PrimaryContext&& other) noexcept
    : driver_(other.driver_),
      device_(other.device_),
      context_(std::exchange(other.context_, nullptr)) {}

PrimaryContext& PrimaryContext::operator=(PrimaryContext&& other) noexcept {
  std::swap(driver_, other.driver_);
  std::swap(device_, other.device_);
  std::swap(context_, other.context_);
  return *this;
}

PrimaryContext::~PrimaryContext() {
  if (context_) static_cast<void>(driver_->devicePrimaryCtxRelease(device_));
}

CurrentContext::~CurrentContext() {
  CUcontext popped = nullptr;
  if (code_ == CUDA_SUCCESS) static_cast<void>(driver_.ctxPopCurrent(&popped));
}

DriverResult<Stream> createStream(const Driver& driver, unsigned flags, int priority) {
  CUstream raw = nullptr;
  if (auto error = check(driver.streamCreateWithPriority(&raw, flags, priority),
                         "cuStreamCreateWithPriority")) {
    return *error;
  }
  return Stream(driver, raw);
}

DriverResult<Event> createEvent(const Driver& driver, unsigned flags) {
  CUevent raw = nullptr;
  if (auto error = check(driver.eventCreate(&raw, flags), "cuEventCreate")) return *error;
  return Event(driver, raw);
}

DriverResult<DeviceMemory> allocateDevice(const Driver& driver, std::size_t bytes) {
  CUdeviceptr raw = 0;
  if (auto error = check(driver.memAlloc(&raw, bytes), "cuMemAlloc")) return *error;
  return DeviceMemory(driver, raw);
}

DriverResult<HostMemory> allocateHost(const Driver& driver, std::size_t bytes, unsigned flags) {
  void* raw = nullptr;
  if (auto error = check(driver.memHostAlloc(&raw, bytes, flags), "cuMemHostAlloc")) return *error;
  return HostMemory(driver, raw);
}

DriverResult<Module> loadModule(const Driver& driver, const char* ptx, std::string& log) {
  std::array<char, 8192> said{};
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {said.data(), reinterpret_cast<void*>(said.size())};
  CUmodule raw = nullptr;
  CUresult code = driver.moduleLoadDataEx(&raw, ptx, 2, options, values);
  if (auto error = check(code, "cuModuleLoadDataEx")) {
    log.assign(said.data(), strnlen(said.data(), said.size()));
    return *error;
  }
  return Module(driver, raw);
}

DriverResult<CUfunction> findFunction(const Driver& driver, const Module& module,
                                      const char* name) {
  CUfunction function = nullptr;
  if (auto error =
          check(driver.moduleGetFunction(&function, module.get(), name), "cuModuleGetFunction")) {
    return *error;
  }
  return function;
}

}  // namespace alnilam::gpu
