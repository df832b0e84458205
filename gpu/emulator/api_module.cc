// Modules, functions, launches and occupancy.

#include "gpu/emulator/api_common.h"

#include <algorithm>
#include <cstring>

namespace alnilam::gpu::emulator::api {
namespace {

constexpr std::uint32_t kMostShared = 227u << 10;
constexpr std::uint32_t kPerMultiprocessor = 228u << 10;
constexpr std::uint32_t kThreadsPerMultiprocessor = 2048;
constexpr std::uint32_t kBlocksPerMultiprocessor = 32;

struct JitLog {
  char* buffer = nullptr;
  std::size_t size = 0;
  void** sizeOut = nullptr;

  void say(const std::string& message) const {
    if (!buffer || size == 0) return;
    std::size_t length = std::min(message.size(), size - 1);
    std::memcpy(buffer, message.data(), length);
    buffer[length] = '\0';
    if (sizeOut) *sizeOut = reinterpret_cast<void*>(length);
  }
};

CUresult load(Context& context, const char* text, const JitLog& log, CUmodule* out) {
  auto refuse = [&log](CUresult code, const std::string& why) {
    log.say("emulated GPU: PTX refused: " + why);
    report("PTX refused: " + why);
    return code;
  };
  // An image that isn't text is machine code of some device.
  if (std::strncmp(text,
                   "\x7f"
                   "ELF",
                   4) == 0 ||
      static_cast<unsigned char>(text[0]) == 0x50) {
    return refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "this is machine code; the emulator runs PTX text");
  }
  std::string_view source(text);
  auto parsed = parsePtx(source);
  if (!parsed) return refuse(CUDA_ERROR_INVALID_PTX, parsed.error().why);
  const DeviceConfig& config = context.device.config;
  std::uint32_t capability = static_cast<std::uint32_t>(config.major * 10 + config.minor);
  if (parsed.value().target > capability) {
    return refuse(CUDA_ERROR_NO_BINARY_FOR_GPU,
                  "it is for sm_" + std::to_string(parsed.value().target) + ", the device is sm_" +
                      std::to_string(capability));
  }
  auto module = std::make_unique<ModuleObject>();
  module->context = &context;
  module->source = std::move(parsed).value();
  module->layout = layOutGlobals(module->source);
  DeviceMemory& memory = context.device.memory;
  if (module->layout.size) {
    module->globals = memory.allocate(module->layout.size, nullptr);
    if (!module->globals) return CUDA_ERROR_OUT_OF_MEMORY;
  }
  auto program = compileProgram(module->source, source, module->layout, module->globals);
  auto initial = initialGlobals(module->source, module->layout, module->globals);
  if (!program || !initial) {
    if (module->globals) memory.free(module->globals);
    return refuse(CUDA_ERROR_INVALID_PTX, program ? initial.error().why : program.error().why);
  }
  module->program = program.value();
  if (module->globals) {
    std::memcpy(memory.find(module->globals).storage, initial.value().data(), module->layout.size);
  }
  for (auto& kernel : module->program->kernels) {
    auto function = std::make_unique<FunctionObject>();
    function->module = module.get();
    function->kernel = kernel.get();
    machine()->add(function.get());
    module->functions[kernel->name] = std::move(function);
  }
  machine()->add(module.get());
  {
    std::lock_guard lock(context.mutex);
    context.modules.insert(module.get());
  }
  *out = reinterpret_cast<CUmodule>(module.release());
  return CUDA_SUCCESS;
}

// How many blocks fit on one multiprocessor.
int blocksThatFit(const FunctionObject& function, std::uint32_t threads,
                  std::size_t dynamicShared) {
  if (threads == 0 || threads > function.kernel->maxThreads) return 0;
  std::uint32_t whole = (threads + kLanes - 1) / kLanes * kLanes;
  std::uint64_t shared = function.kernel->sharedBytes + dynamicShared + 1024;
  if (shared > kPerMultiprocessor) return 0;
  return static_cast<int>(std::min<std::uint64_t>(
      {kThreadsPerMultiprocessor / whole, kBlocksPerMultiprocessor, kPerMultiprocessor / shared}));
}

// Gathers the parameters as the kernel lays them out; false: there are none where some are needed.
bool gatherParams(const KernelCode& kernel, void** pointers, void** extra,
                  std::vector<std::byte>& params) {
  params.assign(kernel.paramBytes, std::byte{0});
  if (kernel.params.empty()) return true;
  if (pointers) {
    for (std::size_t i = 0; i < kernel.params.size(); ++i) {
      if (!pointers[i]) return false;
      std::memcpy(params.data() + kernel.params[i].offset, pointers[i], kernel.params[i].size);
    }
    return true;
  }
  const void* buffer = nullptr;
  std::size_t size = 0;
  for (void** at = extra; at && reinterpret_cast<std::uintptr_t>(*at) != kLaunchParamEnd; at += 2) {
    auto what = reinterpret_cast<std::uintptr_t>(*at);
    if (what == kLaunchParamBufferPointer) buffer = at[1];
    else if (what == kLaunchParamBufferSize) size = *static_cast<std::size_t*>(at[1]);
    else return false;
  }
  if (!buffer || size < kernel.paramBytes) return false;
  std::memcpy(params.data(), buffer, kernel.paramBytes);
  return true;
}

void runLaunch(Context& context, Stream& stream, GridLaunch& launch, std::uint64_t number) {
  Device& device = context.device;
  if (context.state() != CUDA_SUCCESS) return;
  if (number == device.config.loseAtLaunch) {
    device.lost = true;
    report(device.config.name + " " + std::to_string(device.ordinal) +
           " was lost, as its configuration asks");
    return;
  }
  if (number == device.config.failLaunch) {
    context.fail(CUDA_ERROR_LAUNCH_FAILED, "launch " + std::to_string(number) + ", of kernel " +
                                               launch.kernel->name +
                                               ", failed, as the configuration asks");
    return;
  }
  launch.memory = &context;
  launch.cancelled = &device.lost;
  AccessLog accesses;
  if (context.machine.races) launch.accesses = &accesses;
  GridOutcome outcome = context.machine.grids.run(launch);
  context.machine.executed += outcome.executed;
  // Modelled time: blocks spread over the multiprocessors, each doing 64 lanes a nanosecond.
  auto spread = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(launch.grid.count(), launch.multiprocessors));
  take(stream, {"kernel", launch.kernel->name, &context.compute(), spread, 0},
       std::chrono::nanoseconds(2'000 + outcome.executed / (64ull * spread)));
  if (outcome.code != CUDA_SUCCESS) context.fail(outcome.code, outcome.message);
  else if (launch.accesses)
    touch(stream, "kernel " + launch.kernel->name, accesses.finish(Races::kMostRuns));
}

}  // namespace

CUresult moduleLoadDataEx(CUmodule* out, const void* image, unsigned count, CUjit_option* options,
                          void** values) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!out || !image || (count && (!options || !values))) return CUDA_ERROR_INVALID_VALUE;
  JitLog log;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER) log.buffer = static_cast<char*>(values[i]);
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
      log.size = reinterpret_cast<std::size_t>(values[i]);
      log.sizeOut = &values[i];
    }
  }
  return load(context->primary(), static_cast<const char*>(image), log, out);
}
CUresult moduleLoadData(CUmodule* out, const void* image) {
  return moduleLoadDataEx(out, image, 0, nullptr, nullptr);
}
CUresult moduleUnload(CUmodule handle) {
  ALNILAM_ENTER_CONTEXT(current);
  auto* module = lookUp<ModuleObject>(handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  Context& context = *module->context;
  synchronize(context);
  machine()->remove(module);
  for (auto& [name, function] : module->functions) machine()->remove(function.get());
  {
    std::lock_guard lock(context.mutex);
    context.modules.erase(module);
  }
  if (module->globals) giveBack(context.device, module->globals);
  delete module;
  return CUDA_SUCCESS;
}
CUresult moduleGetFunction(CUfunction* out, CUmodule handle, const char* name) {
  ALNILAM_ENTER_CONTEXT(context);
  auto* module = lookUp<ModuleObject>(handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
  auto found = module->functions.find(name);
  if (found == module->functions.end()) return CUDA_ERROR_NOT_FOUND;
  *out = reinterpret_cast<CUfunction>(found->second.get());
  return CUDA_SUCCESS;
}
CUresult moduleGetGlobal(CUdeviceptr* pointer, std::size_t* size, CUmodule handle,
                         const char* name) {
  ALNILAM_ENTER_CONTEXT(context);
  auto* module = lookUp<ModuleObject>(handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  if (!name) return CUDA_ERROR_INVALID_VALUE;
  auto found = module->layout.places.find(name);
  if (found == module->layout.places.end()) return CUDA_ERROR_NOT_FOUND;
  if (pointer) *pointer = module->globals + found->second.offset;
  if (size) *size = found->second.variable->size;
  return CUDA_SUCCESS;
}

CUresult funcGetAttribute(int* value, CUfunction_attribute attribute, CUfunction handle) {
  ALNILAM_ENTER_CONTEXT(context);
  auto* function = lookUp<FunctionObject>(handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  const KernelCode& kernel = *function->kernel;
  const DeviceConfig& config = function->module->context->device.config;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = static_cast<int>(kernel.maxThreads);
      break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      *value = static_cast<int>(kernel.sharedBytes);
      break;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
      *value = 0;
      break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      *value = static_cast<int>(kernel.localBytes);
      break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      *value = static_cast<int>(std::min(255u, kernel.registerCount));
      break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      *value = static_cast<int>(function->module->program->version);
      break;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      *value = config.major * 10 + config.minor;
      break;
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
      *value = 0;
      break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = static_cast<int>(function->mostDynamicShared.load());
      break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      *value = -1;
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}
CUresult funcSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
  ALNILAM_ENTER_CONTEXT(context);
  auto* function = lookUp<FunctionObject>(handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) return CUDA_SUCCESS;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_ERROR_INVALID_VALUE;
  if (value < 0 ||
      static_cast<std::uint32_t>(value) + function->kernel->sharedBytes > kMostShared) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  function->mostDynamicShared = static_cast<std::uint32_t>(value);
  return CUDA_SUCCESS;
}
CUresult funcGetParamInfo(CUfunction handle, std::size_t index, std::size_t* offset,
                          std::size_t* size) {
  ALNILAM_ENTER_CONTEXT(context);
  auto* function = lookUp<FunctionObject>(handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  if (!offset || index >= function->kernel->params.size()) return CUDA_ERROR_INVALID_VALUE;
  *offset = function->kernel->params[index].offset;
  if (size) *size = function->kernel->params[index].size;
  return CUDA_SUCCESS;
}

CUresult launchKernel(CUfunction handle, unsigned gridX, unsigned gridY, unsigned gridZ,
                      unsigned blockX, unsigned blockY, unsigned blockZ, unsigned sharedBytes,
                      CUstream streamHandle, void** params, void** extra) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, streamHandle);
  auto* function = lookUp<FunctionObject>(handle);
  if (!stream || !function) return CUDA_ERROR_INVALID_HANDLE;
  Context* its = stream->context();
  // A module's code is on one device: a stream of another one can't run it.
  if (function->module->context != &its->primary()) {
    report("kernel " + function->kernel->name + " of " + function->module->context->title() +
           " was launched on a stream of " + its->title());
    return CUDA_ERROR_INVALID_HANDLE;
  }
  bool dimensionsFit = gridX && gridY && gridZ && blockX && blockY && blockZ &&
                       gridX <= 0x7fffffffu && gridY <= 65535 && gridZ <= 65535 && blockX <= 1024 &&
                       blockY <= 1024 && blockZ <= 64;
  if (!dimensionsFit) return CUDA_ERROR_INVALID_VALUE;
  std::uint64_t threads = std::uint64_t{blockX} * blockY * blockZ;
  if (threads > 1024) return CUDA_ERROR_INVALID_VALUE;
  if (threads > function->kernel->maxThreads) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  if (sharedBytes > function->mostDynamicShared) return CUDA_ERROR_INVALID_VALUE;
  auto launch = std::make_shared<GridLaunch>();
  launch->program = function->module->program.get();
  launch->kernel = function->kernel;
  launch->grid = {gridX, gridY, gridZ};
  launch->block = {blockX, blockY, blockZ};
  launch->dynamicShared = sharedBytes;
  launch->multiprocessors = static_cast<std::uint32_t>(its->multiprocessors);
  if (!gatherParams(*launch->kernel, params, extra, launch->params))
    return CUDA_ERROR_INVALID_VALUE;
  std::uint64_t number = ++its->device.launches;
  // The program stays alive while the launch is queued, whatever becomes of its module.
  put(*stream, [its, stream, launch, number, program = function->module->program] {
    runLaunch(*its, *stream, *launch, number);
  });
  return CUDA_SUCCESS;
}

CUresult occupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction handle, int blockSize,
                                                   std::size_t dynamicShared) {
  ALNILAM_ENTER_CONTEXT(context);
  auto* function = lookUp<FunctionObject>(handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  if (!blocks || blockSize < 1) return CUDA_ERROR_INVALID_VALUE;
  *blocks = blocksThatFit(*function, static_cast<std::uint32_t>(blockSize), dynamicShared);
  return CUDA_SUCCESS;
}
CUresult occupancyMaxPotentialBlockSize(int* minGrid, int* blockSize, CUfunction handle,
                                        CUoccupancyB2DSize sharedFor, std::size_t dynamicShared,
                                        int limit) {
  ALNILAM_ENTER_CONTEXT(context);
  auto* function = lookUp<FunctionObject>(handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  if (!minGrid || !blockSize || limit < 0) return CUDA_ERROR_INVALID_VALUE;
  std::uint32_t most = function->kernel->maxThreads;
  if (limit) most = std::min(most, static_cast<std::uint32_t>(limit));
  std::uint32_t best = 0, bestThreads = 0;
  int bestBlocks = 0;
  for (std::uint32_t threads = most / kLanes * kLanes; threads > 0; threads -= kLanes) {
    std::size_t shared = sharedFor ? sharedFor(static_cast<int>(threads)) : dynamicShared;
    int blocks = blocksThatFit(*function, threads, shared);
    if (static_cast<std::uint32_t>(blocks) * threads > bestThreads) {
      bestThreads = static_cast<std::uint32_t>(blocks) * threads;
      best = threads;
      bestBlocks = blocks;
    }
  }
  if (best == 0) best = std::min(most, kLanes);
  *blockSize = static_cast<int>(best);
  *minGrid = bestBlocks * context->multiprocessors;
  return CUDA_SUCCESS;
}

}  // namespace alnilam::gpu::emulator::api
