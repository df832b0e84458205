#include "gpu/device/kernel_table.h"

#include "core/api/errors.h"
#include "gpu/device/ptx_signature.h"
#include "gpu/device/runtime_compiler.h"

#include <algorithm>

namespace alnilam::gpu {
namespace {

constexpr const char* kAxes[] = {"x", "y", "z"};

std::uint64_t nextGeneration() {
  static std::atomic<std::uint64_t> next{1};
  return next++;
}

std::string nameOf(const Launch& launch) {
  std::string_view file = launch.image.name;
  return "kernel " + std::string(launch.entry) + (file.empty() ? "" : " of ") + std::string(file);
}

LaunchFault mistake(const Launch& launch, const std::string& what) {
  return {std::nullopt, nameOf(launch) + ": " + what};
}

std::string counted(std::size_t n, const std::string& thing) {
  return std::to_string(n) + " " + thing + (n == 1 ? "" : "s");
}

LaunchLimits limitsOf(const Driver& driver, CUdevice device) {
  auto read = [&](CUdevice_attribute attribute) {
    int value = 0;
    CUresult code = driver.deviceGetAttribute(&value, attribute, device);
    return code == CUDA_SUCCESS && value > 0 ? static_cast<unsigned>(value) : 0;
  };
  LaunchLimits limits;
  constexpr CUdevice_attribute kGrid[] = {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X,
                                          CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y,
                                          CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z};
  constexpr CUdevice_attribute kBlock[] = {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X,
                                           CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y,
                                           CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z};
  for (int axis = 0; axis < 3; ++axis) {
    limits.grid[axis] = read(kGrid[axis]);
    limits.block[axis] = read(kBlock[axis]);
  }
  limits.threads = read(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  limits.sharedBytes = read(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  limits.mostSharedBytes = std::max(limits.sharedBytes,
                                    read(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN));
  return limits;
}

// The sizes that the driver tells; nullopt where it does not tell.
std::optional<std::vector<std::size_t>> sizesByDriver(const Driver& driver, CUfunction function) {
  if (!driver.funcGetParamInfo) return std::nullopt;
  constexpr std::size_t kMost = 8192;  // a kernel's parameters have no more bytes than that
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < kMost; ++i) {
    std::size_t offset = 0, size = 0;
    CUresult code = driver.funcGetParamInfo(function, i, &offset, &size);
    if (code == CUDA_ERROR_INVALID_VALUE) return sizes;  // there is no parameter i
    if (code != CUDA_SUCCESS) return std::nullopt;
    sizes.push_back(size);
  }
  return std::nullopt;
}

// The PTX of an image that may have only its source.
Result<std::string_view> ptxOf(const KernelImage& image) {
  if (!image.ptx.empty()) return image.ptx;
  return runtimePtx(image);
}

}  // namespace

KernelTable::KernelTable(const Driver& driver, CUdevice device)
    : driver_(driver), generation_(nextGeneration()), limits_(limitsOf(driver, device)) {}

const LoadedKernel* KernelTable::find(const Launch& launch, LaunchFault& fault) {
  std::lock_guard lock(mutex_);
  for (const auto& kernel : kernels_) {
    if (kernel->is(launch)) return kernel.get();
  }
  auto refuse = [&](LaunchFault why) {
    fault = std::move(why);
    return nullptr;
  };
  const void* image = launch.image.identity();
  auto known = functions_.find({image, launch.entry});
  if (known == functions_.end()) {
    auto module = modules_.find(image);
    if (module == modules_.end()) {
      Module loaded;
      if (auto failed = load(launch, loaded)) return refuse(*failed);
      module = modules_.emplace(image, std::move(loaded)).first;
    }
    auto found = findFunction(driver_, module->second, launch.entry);
    if (!found && found.error().code == CUDA_ERROR_NOT_FOUND) {
      return refuse(mistake(launch, "there is no kernel of this name; is it extern \"C\"?"));
    }
    if (!found) return refuse({found.error(), "looking for " + nameOf(launch)});
    known = functions_.try_emplace({image, launch.entry}).first;
    known->second.function = found.value();
  }
  Function& function = known->second;
  if (auto failed = checkSignature(launch, function.function)) return refuse(*failed);
  auto read = [&](CUfunction_attribute attribute) {
    int value = 0;
    CUresult code = driver_.funcGetAttribute(&value, attribute, function.function);
    return code == CUDA_SUCCESS && value > 0 ? static_cast<unsigned>(value) : 0;
  };
  kernels_.push_back(std::make_unique<LoadedKernel>(LoadedKernel{
      image, launch.entry, launch.sizes.data(), function.function,
      read(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK), read(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES),
      &function.dynamicBytes}));
  return kernels_.back().get();
}

std::optional<LaunchFault> KernelTable::load(const Launch& launch, Module& module) const {
  const KernelImage& image = launch.image;
  if (!image.machineCode.empty()) {
    CUmodule raw = nullptr;
    auto error = check(driver_.moduleLoadData(&raw, image.machineCode.data()), "cuModuleLoadData");
    if (!error) {
      module = Module(driver_, raw);
      return std::nullopt;
    }
    // "Not for this device" and the like: the PTX is.
    if (error->severity() != Severity::call) {
      return LaunchFault{*error, "loading " + nameOf(launch)};
    }
  }
  auto ptx = ptxOf(image);
  if (!ptx) return LaunchFault{std::nullopt, nameOf(launch) + ": " + ptx.error().why};
  std::string log;
  auto loaded = loadModule(driver_, ptx.value().data(), log);
  if (!loaded) {
    return LaunchFault{loaded.error(),
                       "loading " + nameOf(launch) + (log.empty() ? "" : ": " + log)};
  }
  module = std::move(loaded).value();
  return std::nullopt;
}

std::optional<LaunchFault> KernelTable::checkSignature(const Launch& launch,
                                                       CUfunction function) const {
  auto sizes = sizesByDriver(driver_, function);
  if (!sizes) {
    auto ptx = ptxOf(launch.image);
    if (ptx) sizes = parameterSizes(ptx.value(), launch.entry);
  }
  if (!sizes) return std::nullopt;  // nobody knows
  if (sizes->size() != launch.sizes.size()) {
    return mistake(launch, "it has " + counted(sizes->size(), "parameter") +
                               ", and the program's signature of it " +
                               std::to_string(launch.sizes.size()));
  }
  for (std::size_t i = 0; i < sizes->size(); ++i) {
    if ((*sizes)[i] == launch.sizes[i]) continue;
    return mistake(launch, "parameter " + std::to_string(i + 1) + " of " +
                               std::to_string(sizes->size()) + " has " +
                               counted((*sizes)[i], "byte") + ", and in the program's signature " +
                               std::to_string(launch.sizes[i]));
  }
  return std::nullopt;
}

std::optional<LaunchFault> KernelTable::checkShape(const LoadedKernel& kernel,
                                                   const Launch& launch) const {
  auto check = [&](const Dim& dim, const unsigned (&limit)[3],
                   const char* things) -> std::optional<LaunchFault> {
    const unsigned sizes[] = {dim.x, dim.y, dim.z};
    for (int axis = 0; axis < 3; ++axis) {
      unsigned size = sizes[axis], most = limit[axis];
      if (size != 0 && (most == 0 || size <= most)) continue;
      return mistake(launch, std::to_string(size) + " " + things + " along " + kAxes[axis] +
                                 (size == 0 ? "; at least 1 is needed"
                                            : "; the device allows " + std::to_string(most)));
    }
    return std::nullopt;
  };
  if (auto failed = check(launch.grid, limits_.grid, "blocks")) return failed;
  if (auto failed = check(launch.block, limits_.block, "threads of a block")) return failed;
  const Dim& block = launch.block;
  std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  unsigned most = kernel.threads != 0 ? kernel.threads : limits_.threads;
  if (most != 0 && threads > most) {
    bool itsOwn = limits_.threads == 0 || most < limits_.threads;
    return mistake(launch, "a block of " + std::to_string(block.x) + "x" +
                               std::to_string(block.y) + "x" + std::to_string(block.z) + ", " +
                               std::to_string(threads) + " threads; " +
                               (itsOwn ? "as this kernel is compiled, the device allows it "
                                       : "the device allows ") +
                               std::to_string(most));
  }
  return std::nullopt;
}

std::optional<LaunchFault> KernelTable::askForShared(const LoadedKernel& kernel,
                                                     const Launch& launch) {
  std::uint64_t all = std::uint64_t{kernel.sharedBytes} + launch.sharedBytes;
  if (limits_.sharedBytes == 0 || all <= limits_.sharedBytes) return std::nullopt;
  if (all > limits_.mostSharedBytes) {
    return mistake(launch, std::to_string(launch.sharedBytes) + " bytes of shared memory a block, "
                               "beside " + std::to_string(kernel.sharedBytes) +
                               " of the kernel's own; the device allows " +
                               std::to_string(limits_.mostSharedBytes));
  }
  if (launch.sharedBytes <= kernel.dynamicBytes->load(std::memory_order_acquire)) {
    return std::nullopt;
  }
  std::lock_guard lock(mutex_);  // the attribute only grows
  if (launch.sharedBytes <= kernel.dynamicBytes->load(std::memory_order_relaxed)) {
    return std::nullopt;
  }
  if (auto error = check(driver_.funcSetAttribute(kernel.function,
                                                  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                                  static_cast<int>(launch.sharedBytes)),
                         "cuFuncSetAttribute")) {
    return LaunchFault{*error, "asking for " + std::to_string(launch.sharedBytes) +
                                   " bytes of shared memory a block of " + nameOf(launch)};
  }
  kernel.dynamicBytes->store(launch.sharedBytes, std::memory_order_release);
  return std::nullopt;
}

std::optional<LaunchFault> KernelTable::launch(const LoadedKernel& kernel, const Launch& launch,
                                               CUstream stream) {
  if (auto failed = checkShape(kernel, launch)) return failed;
  if (auto failed = askForShared(kernel, launch)) return failed;
  const Dim &grid = launch.grid, &block = launch.block;
  CUresult code =
      driver_.launchKernel(kernel.function, grid.x, grid.y, grid.z, block.x, block.y, block.z,
                           launch.sharedBytes, stream, launch.parameters, nullptr);
  if (code == CUDA_SUCCESS) return std::nullopt;
  auto size = [](Dim dim) {
    return std::to_string(dim.x) + "x" + std::to_string(dim.y) + "x" + std::to_string(dim.z);
  };
  return LaunchFault{DriverError{code, "cuLaunchKernel"},
                     "launching " + nameOf(launch) + " on " + size(grid) + " blocks of " +
                         size(block) + " threads"};
}

void KernelTable::clear() {
  std::lock_guard lock(mutex_);
  kernels_.clear();
  functions_.clear();
  modules_.clear();
}

namespace detail {

void throwCutOff(const std::string& value, std::size_t bytes) {
  throw InvalidError("a launch: " + value + " does not fit the kernel's parameter of " +
                     counted(bytes, "byte"));
}

}  // namespace detail
}  // namespace alnilam::gpu
