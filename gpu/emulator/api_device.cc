// Initialisation, errors, devices and contexts.

#include "gpu/emulator/api_common.h"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <set>

namespace alnilam::gpu::emulator::api {
namespace {

std::atomic<bool> initialised{false};

struct ErrorText {
  CUresult code;
  const char* name;
  const char* words;
};
#define ALNILAM_ERROR(code, words) \
  { code, #code, words }
const ErrorText kErrors[] = {
    ALNILAM_ERROR(CUDA_SUCCESS, "no error"),
    ALNILAM_ERROR(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    ALNILAM_ERROR(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    ALNILAM_ERROR(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    ALNILAM_ERROR(CUDA_ERROR_DEVICE_UNAVAILABLE,
                  "CUDA-capable device(s) is/are busy or unavailable"),
    ALNILAM_ERROR(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
    ALNILAM_ERROR(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    ALNILAM_ERROR(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    ALNILAM_ERROR(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
    ALNILAM_ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU,
                  "no kernel image is available for execution on the device"),
    ALNILAM_ERROR(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered"),
    ALNILAM_ERROR(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED,
                  "peer access is not supported between these two devices"),
    ALNILAM_ERROR(CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed"),
    ALNILAM_ERROR(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    ALNILAM_ERROR(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    ALNILAM_ERROR(CUDA_ERROR_NOT_READY, "device not ready"),
    ALNILAM_ERROR(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
    ALNILAM_ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
    ALNILAM_ERROR(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, "peer access is already enabled"),
    ALNILAM_ERROR(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, "peer access has not been enabled"),
    ALNILAM_ERROR(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE,
                  "cannot set while device is active in this process"),
    ALNILAM_ERROR(CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed"),
    ALNILAM_ERROR(CUDA_ERROR_ASSERT, "device-side assert triggered"),
    ALNILAM_ERROR(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED,
                  "part or all of the requested memory range is already mapped"),
    ALNILAM_ERROR(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED,
                  "pointer does not correspond to a registered memory region"),
    ALNILAM_ERROR(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address"),
    ALNILAM_ERROR(CUDA_ERROR_INVALID_PC, "invalid program counter"),
    ALNILAM_ERROR(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    ALNILAM_ERROR(CUDA_ERROR_NOT_PERMITTED, "operation not permitted"),
    ALNILAM_ERROR(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    ALNILAM_ERROR(CUDA_ERROR_INVALID_RESOURCE_TYPE, "invalid resource type"),
    ALNILAM_ERROR(CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION, "invalid resource configuration"),
    ALNILAM_ERROR(CUDA_ERROR_UNKNOWN, "unknown error"),
};
#undef ALNILAM_ERROR

const ErrorText* find(CUresult code) {
  for (const ErrorText& error : kErrors) {
    if (error.code == code) return &error;
  }
  return nullptr;
}

Device* deviceAt(CUdevice ordinal) { return machine()->deviceAt(ordinal); }

// 0 for the fastest link of the machine, 1 for the next, and so on.
int rankOf(const MachineConfig& config, const Link& link) {
  std::set<double> faster;
  int count = static_cast<int>(config.devices.size());
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < count; ++j) {
      if (i != j && config.link(i, j).rate > link.rate) faster.insert(config.link(i, j).rate);
    }
  }
  return static_cast<int>(faster.size());
}

std::string pciOf(const DeviceConfig& config) {
  char text[32];
  std::snprintf(text, sizeof text, "%04x:%02x:%02x.%x", config.pciDomain, config.pciBus,
                config.pciDevice, config.pciFunction);
  return text;
}

}  // namespace

CUresult enter(const char* function) {
  if (std::uint64_t stream = Stream::inHostFunction()) {
    report(std::string(function) + " was called by a host function of stream " +
           std::to_string(stream) + ", which may call nothing of the driver");
    return CUDA_ERROR_NOT_PERMITTED;
  }
  if (!machine() || !initialised.load(std::memory_order_acquire)) return CUDA_ERROR_NOT_INITIALIZED;
  return CUDA_SUCCESS;
}

CUresult enterContext(Context*& context, const char* function) {
  if (CUresult refused = enter(function); refused != CUDA_SUCCESS) return refused;
  auto& stack = currentContexts();
  if (stack.empty() || !stack.back()) {
    note(std::string(function) + " was called by a thread without a current context");
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  context = stack.back();
  if (!machine()->isLive(context)) return CUDA_ERROR_INVALID_CONTEXT;
  return context->state();
}

CUresult init(unsigned flags) {
  if (Stream::inHostFunction()) return CUDA_ERROR_NOT_PERMITTED;
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (!machine()) return CUDA_ERROR_NO_DEVICE;
  initialised.store(true, std::memory_order_release);
  return CUDA_SUCCESS;
}

CUresult driverGetVersion(int* version) {
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = 13000;
  return CUDA_SUCCESS;
}

CUresult getErrorName(CUresult code, const char** text) {
  if (!text) return CUDA_ERROR_INVALID_VALUE;
  const ErrorText* found = find(code);
  *text = found ? found->name : nullptr;
  return found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
CUresult getErrorString(CUresult code, const char** text) {
  if (!text) return CUDA_ERROR_INVALID_VALUE;
  const ErrorText* found = find(code);
  *text = found ? found->words : nullptr;
  return found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult deviceGetCount(int* count) {
  ALNILAM_ENTER();
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  *count = static_cast<int>(machine()->devices.size());
  return CUDA_SUCCESS;
}
CUresult deviceGet(CUdevice* device, int ordinal) {
  ALNILAM_ENTER();
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  if (!deviceAt(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}
CUresult deviceGetName(char* name, int length, CUdevice ordinal) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  if (!name || length < 1) return CUDA_ERROR_INVALID_VALUE;
  std::snprintf(name, static_cast<std::size_t>(length), "%s", device->config.name.c_str());
  return CUDA_SUCCESS;
}
CUresult deviceGetUuid(CUuuid* uuid, CUdevice ordinal) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  if (!uuid) return CUDA_ERROR_INVALID_VALUE;
  std::memcpy(uuid->bytes, device->config.uuid, sizeof uuid->bytes);
  return CUDA_SUCCESS;
}
CUresult deviceGetPCIBusId(char* text, int length, CUdevice ordinal) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  std::string pci = pciOf(device->config);
  if (!text || length <= static_cast<int>(pci.size())) return CUDA_ERROR_INVALID_VALUE;
  std::memcpy(text, pci.c_str(), pci.size() + 1);
  return CUDA_SUCCESS;
}
CUresult deviceGetByPCIBusId(CUdevice* ordinal, const char* text) {
  ALNILAM_ENTER();
  if (!ordinal || !text) return CUDA_ERROR_INVALID_VALUE;
  for (auto& device : machine()->devices) {
    if (pciOf(device->config) == text) {
      *ordinal = device->ordinal;
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_INVALID_DEVICE;
}
CUresult deviceTotalMem(std::size_t* bytes, CUdevice ordinal) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  if (!bytes) return CUDA_ERROR_INVALID_VALUE;
  *bytes = device->memory.capacity();
  return CUDA_SUCCESS;
}

CUresult deviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice ordinal) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  const DeviceConfig& config = device->config;
  switch (static_cast<unsigned>(attribute)) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = 1024;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
      *value = 1024;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
      *value = 1024;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
      *value = 64;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
      *value = 0x7fffffff;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
      *value = 65535;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
      *value = 65535;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
      *value = 48 << 10;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      *value = 227 << 10;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
      *value = 228 << 10;
      break;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY:
      *value = 64 << 10;
      break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
      *value = 32;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
      *value = 65536;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
      *value = 65536;
      break;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
      *value = 1'000'000;
      break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
      *value = 1'000'000;
      break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
      *value = 256;
      break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
      *value = 4 << 20;
      break;
    case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP:
      *value = 1;
      break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      *value = config.multiprocessors;
      break;
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
      *value = 1;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE:
      *value = CU_COMPUTEMODE_DEFAULT;
      break;
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
      *value = 1;
      break;
    case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID:
      *value = static_cast<int>(config.pciDomain);
      break;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
      *value = static_cast<int>(config.pciBus);
      break;
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
      *value = static_cast<int>(config.pciDevice);
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
      *value = 2048;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR:
      *value = 32;
      break;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
      *value = config.copyEngines;
      break;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
      *value = 1;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      *value = config.major;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      *value = config.minor;
      break;
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
      *value = 1;
      break;
    case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
      *value = 1;
      break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
      *value = 1;
      break;
    case CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID:
      *value = -1;
      break;
    default:
      *value = 0;
      break;  // what the emulator doesn't have
  }
  return CUDA_SUCCESS;
}

CUresult deviceCanAccessPeer(int* can, CUdevice device, CUdevice peer) {
  ALNILAM_ENTER();
  if (!deviceAt(device) || !deviceAt(peer)) return CUDA_ERROR_INVALID_DEVICE;
  if (!can) return CUDA_ERROR_INVALID_VALUE;
  *can = device != peer && machine()->config.link(device, peer).is != LinkClass::none;
  return CUDA_SUCCESS;
}
CUresult deviceGetP2PAttribute(int* value, CUdevice_P2PAttribute attribute, CUdevice from,
                               CUdevice to) {
  ALNILAM_ENTER();
  if (!deviceAt(from) || !deviceAt(to) || from == to) return CUDA_ERROR_INVALID_DEVICE;
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  const MachineConfig& config = machine()->config;
  const Link& link = config.link(from, to);
  switch (attribute) {
    case CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK:
      *value = rankOf(config, link);
      break;
    case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
      *value = link.is != LinkClass::none;
      break;
    case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED:
      *value = link.is == LinkClass::nvlink;
      break;
    case CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED:
      *value = 0;
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult devicePrimaryCtxRetain(CUcontext* context, CUdevice ordinal) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  if (device->lost) return CUDA_ERROR_DEVICE_UNAVAILABLE;
  Machine& the = *machine();
  std::lock_guard lock(the.mutex);
  if (!device->context) {
    device->context = std::make_unique<Context>(the, *device);
    the.handles.insert(device->context.get());
  }
  ++device->retained;
  *context = reinterpret_cast<CUcontext>(device->context.get());
  return CUDA_SUCCESS;
}
CUresult devicePrimaryCtxRelease(CUdevice ordinal) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  {
    std::lock_guard lock(machine()->mutex);
    if (device->retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
  }
  machine()->release(*device);
  return CUDA_SUCCESS;
}
CUresult devicePrimaryCtxSetFlags(CUdevice ordinal, unsigned flags) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  if (flags > 0xff) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(machine()->mutex);
  device->flags = flags;
  return CUDA_SUCCESS;
}
CUresult devicePrimaryCtxGetState(CUdevice ordinal, unsigned* flags, int* active) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  std::lock_guard lock(machine()->mutex);
  if (flags) *flags = device->flags;
  if (active) *active = device->context != nullptr;
  return CUDA_SUCCESS;
}

CUresult ctxSetCurrent(CUcontext handle) {
  ALNILAM_ENTER();
  auto* context = reinterpret_cast<Context*>(handle);
  if (context && !machine()->isLive(context)) return CUDA_ERROR_INVALID_CONTEXT;
  auto& stack = currentContexts();
  if (!stack.empty()) stack.pop_back();
  if (context) stack.push_back(context);
  return CUDA_SUCCESS;
}
CUresult ctxGetCurrent(CUcontext* context) {
  ALNILAM_ENTER();
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  auto& stack = currentContexts();
  *context = stack.empty() ? nullptr : reinterpret_cast<CUcontext>(stack.back());
  return CUDA_SUCCESS;
}
CUresult ctxPushCurrent(CUcontext handle) {
  ALNILAM_ENTER();
  auto* context = lookUp<Context>(handle);
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  currentContexts().push_back(context);
  return CUDA_SUCCESS;
}
CUresult ctxPopCurrent(CUcontext* context) {
  ALNILAM_ENTER();
  auto& stack = currentContexts();
  if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (context) *context = reinterpret_cast<CUcontext>(stack.back());
  stack.pop_back();
  return CUDA_SUCCESS;
}
CUresult ctxGetDevice(CUdevice* device) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  *device = context->device.ordinal;
  return CUDA_SUCCESS;
}
CUresult ctxSynchronize() {
  ALNILAM_ENTER_CONTEXT(context);
  synchronize(*context);
  return context->state();
}
CUresult ctxGetStreamPriorityRange(int* least, int* greatest) {
  ALNILAM_ENTER_CONTEXT(context);
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return CUDA_SUCCESS;
}
CUresult ctxGetId(CUcontext handle, unsigned long long* id) {
  ALNILAM_ENTER_CONTEXT(context);
  if (handle) context = lookUp<Context>(handle);
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (!id) return CUDA_ERROR_INVALID_VALUE;
  *id = context->id;
  return CUDA_SUCCESS;
}

CUresult ctxEnablePeerAccess(CUcontext handle, unsigned flags) {
  ALNILAM_ENTER_CONTEXT(context);
  auto* peer = lookUp<Context>(handle);
  if (!peer || peer->destroyed) return CUDA_ERROR_INVALID_CONTEXT;
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  Context &from = context->primary(), &to = peer->primary();
  if (&from == &to) return CUDA_ERROR_INVALID_DEVICE;
  if (context->machine.config.link(from.device.ordinal, to.device.ordinal).is == LinkClass::none) {
    return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
  }
  std::lock_guard lock(from.mutex);
  return from.peers.insert(&to).second ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
}
CUresult ctxDisablePeerAccess(CUcontext handle) {
  ALNILAM_ENTER_CONTEXT(context);
  auto* peer = lookUp<Context>(handle);
  if (!peer) return CUDA_ERROR_INVALID_CONTEXT;
  Context& from = context->primary();
  std::lock_guard lock(from.mutex);
  return from.peers.erase(&peer->primary()) ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}

}  // namespace alnilam::gpu::emulator::api
