#pragma once
// The kernels that one context has loaded, and their launches.
//
// An image is loaded at its kernels' first launch: its machine code if the device takes it, else
// its PTX, which is made from source first where the program has only that (kernel_image.h).  A
// kernel is held to the program's signature once for each signature, by the driver's word or, where
// the driver is too old to say, by the PTX.  Launches are held to the device's limits here, because
// a driver answers to all of them with one and the same CUDA_ERROR_INVALID_VALUE.
//
// Threading: any thread; the context must be current on it.
// Lifetime: of the context.  What find() returns stays for that long.
// Errors: LaunchFault.

#include "gpu/device/kernel.h"
#include "gpu/driver/handle.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace alnilam::gpu {

// Why a kernel was not launched.
struct LaunchFault {
  std::optional<DriverError> error;  // the failed call; none if the program is at fault
  std::string why;                   // names the kernel
};

// What every launch on a device must keep to; 0 where the driver did not say.
struct LaunchLimits {
  unsigned grid[3] = {}, block[3] = {};  // of x, y and z
  unsigned threads = 0;                  // a block
  unsigned sharedBytes = 0;              // a block, without asking for more
  unsigned mostSharedBytes = 0;          // a block, asked for
};

struct LoadedKernel {
  const void* image;  // KernelImage::identity()
  const char* entry;
  const std::size_t* sizes;  // the signature that it was held to
  CUfunction function;
  unsigned threads;      // a block may have; 0: not known
  unsigned sharedBytes;  // that it declares itself
  // What was asked for beyond the usual, for all launches since.
  std::atomic<unsigned>* dynamicBytes;

  bool is(const Launch& launch) const {
    return image == launch.image.identity() && entry == launch.entry &&
           sizes == launch.sizes.data();
  }
};

class KernelTable {
 public:
  KernelTable(const Driver& driver, CUdevice device);

  // Different for every table that a process has had.
  std::uint64_t generation() const { return generation_; }

  // The kernel of a launch, loaded and checked; null with `fault` filled.
  const LoadedKernel* find(const Launch& launch, LaunchFault& fault);

  // `kernel` is what find gave for this launch.  Enqueues it.
  std::optional<LaunchFault> launch(const LoadedKernel& kernel, const Launch& launch,
                                    CUstream stream);

  // Unloads everything; the context is current.
  void clear();

 private:
  struct Function {
    CUfunction function = nullptr;
    std::atomic<unsigned> dynamicBytes{0};
  };

  std::optional<LaunchFault> load(const Launch& launch, Module& module) const;
  std::optional<LaunchFault> checkSignature(const Launch& launch, CUfunction function) const;
  std::optional<LaunchFault> checkShape(const LoadedKernel& kernel, const Launch& launch) const;
  std::optional<LaunchFault> askForShared(const LoadedKernel& kernel, const Launch& launch);

  const Driver& driver_;
  const std::uint64_t generation_;
  LaunchLimits limits_;
  std::mutex mutex_;  // of what follows
  std::map<const void*, Module> modules_;  // by the image's identity
  std::map<std::pair<const void*, std::string>, Function> functions_;
  std::vector<std::unique_ptr<LoadedKernel>> kernels_;
};

}  // namespace alnilam::gpu
