#include "gpu/driver/error.h"

namespace alnilam::gpu {

Severity severityOf(CUresult code) {
  switch (code) {
    case CUDA_ERROR_OUT_OF_MEMORY:
    case CUDA_ERROR_NOT_READY:
    case CUDA_ERROR_TIMEOUT:
    case CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES:
      return Severity::retry;
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_CONTAINED:
      return Severity::context;
    case CUDA_ERROR_DEVICE_UNAVAILABLE:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_EXTERNAL_DEVICE:
    case CUDA_ERROR_UNKNOWN:
      return Severity::device;
    case CUDA_ERROR_DEINITIALIZED:
    case CUDA_ERROR_STUB_LIBRARY:
    case CUDA_ERROR_NO_DEVICE:
    case CUDA_ERROR_SYSTEM_NOT_READY:
    case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
    case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
      return Severity::driver;
    default:
      return Severity::call;
  }
}

std::string describe(const Driver& driver, const DriverError& error) {
  const char* name = nullptr;
  const char* words = nullptr;
  if (driver.getErrorName) static_cast<void>(driver.getErrorName(error.code, &name));
  if (driver.getErrorString) static_cast<void>(driver.getErrorString(error.code, &words));
  std::string text = error.call;
  text += ": ";
  text += name ? name : "unknown error";
  text += " (" + std::to_string(error.code) + ")";
  if (words) text += std::string(": ") + words;
  return text;
}

}  // namespace alnilam::gpu
