// Green contexts: parts of a device's multiprocessors with streams of their own; and IPC, which
// makes no sense between emulators, since each process has devices of its own.
//
// How finely a device can be cut is what cuda.h says of its architecture.  Within that the emulator
// gives every part that fits, where real devices may give fewer.

#include "gpu/emulator/api_common.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace alnilam::gpu::emulator::api {
namespace {

// What the driver keeps in a resource's private bytes: where it comes from.
struct Origin {
  std::uint64_t mark = kMark;
  int device = 0;
  unsigned first = 0;       // multiprocessor
  std::uint64_t split = 0;  // which call made it a part; 0: the whole device

  static constexpr std::uint64_t kMark = 0x616c6e696c616d21;
};
static_assert(sizeof(Origin) <= sizeof(CUdevResource::internalPadding));

struct Granularity {
  unsigned least, step;
};
Granularity granularityOf(const DeviceConfig& config, unsigned flags) {
  bool fine = flags & CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING;
  if (config.major >= 9 && !fine) return {8, 8};
  if (config.major == 8 && !fine) return {4, 2};
  return {2, 2};
}

void fill(CUdevResource& resource, const Origin& origin, unsigned count, Granularity granularity) {
  resource = {};
  if (count == 0) return;  // of type INVALID: nothing is left
  resource.type = CU_DEV_RESOURCE_TYPE_SM;
  std::memcpy(resource.internalPadding, &origin, sizeof origin);
  resource.sm = {count, granularity.least, granularity.step};
}

bool read(const CUdevResource& resource, Origin& origin) {
  std::memcpy(&origin, resource.internalPadding, sizeof origin);
  auto& devices = machine()->devices;
  return origin.mark == Origin::kMark && origin.device >= 0 &&
         static_cast<std::size_t>(origin.device) < devices.size();
}

}  // namespace

CUresult deviceGetDevResource(CUdevice ordinal, CUdevResource* resource, CUdevResourceType type) {
  ALNILAM_ENTER();
  Device* device = machine()->deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  if (!resource) return CUDA_ERROR_INVALID_VALUE;
  if (type != CU_DEV_RESOURCE_TYPE_SM) return CUDA_ERROR_INVALID_RESOURCE_TYPE;
  Origin origin;
  origin.device = ordinal;
  fill(*resource, origin, static_cast<unsigned>(device->config.multiprocessors),
       granularityOf(device->config, 0));
  return CUDA_SUCCESS;
}

CUresult devSmResourceSplitByCount(CUdevResource* result, unsigned* groups,
                                   const CUdevResource* input, CUdevResource* remaining,
                                   unsigned flags, unsigned least) {
  ALNILAM_ENTER();
  if (!groups || !input || flags > 3) return CUDA_ERROR_INVALID_VALUE;
  if (input->type != CU_DEV_RESOURCE_TYPE_SM) return CUDA_ERROR_INVALID_RESOURCE_TYPE;
  Origin origin;
  unsigned count = input->sm.smCount;
  if (!read(*input, origin) || least > count) return CUDA_ERROR_INVALID_VALUE;
  // A part can't be cut again.
  if (origin.split != 0) return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
  const DeviceConfig& config = machine()->deviceAt(origin.device)->config;
  bool clusters = flags & CU_DEV_SM_RESOURCE_SPLIT_MAX_POTENTIAL_CLUSTER_SIZE;
  if (clusters && config.major < 9) return CUDA_ERROR_INVALID_VALUE;
  Granularity granularity = granularityOf(config, flags);
  unsigned each = std::max(granularity.least,
                           (least + granularity.step - 1) / granularity.step * granularity.step);
  unsigned possible = count / each;
  if (possible == 0) return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
  unsigned made = result ? std::min(*groups, possible) : possible;
  *groups = made;
  origin.split = ++machine()->lastId;
  for (unsigned i = 0; result && i < made; ++i) {
    origin.first = i * each;
    fill(result[i], origin, each, granularity);
  }
  if (remaining) {
    origin.first = made * each;
    fill(*remaining, origin, count - made * each, granularity);
  }
  return CUDA_SUCCESS;
}

CUresult devResourceGenerateDesc(CUdevResourceDesc* out, CUdevResource* resources,
                                 unsigned count) {
  ALNILAM_ENTER();
  if (!out || !resources || count == 0) return CUDA_ERROR_INVALID_VALUE;
  Origin first;
  std::set<unsigned> parts;
  unsigned multiprocessors = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (resources[i].type != CU_DEV_RESOURCE_TYPE_SM) return CUDA_ERROR_INVALID_RESOURCE_TYPE;
    Origin origin;
    if (!read(resources[i], origin)) return CUDA_ERROR_INVALID_VALUE;
    if (i == 0) first = origin;
    bool together = origin.device == first.device && origin.split == first.split;
    if (!together || !parts.insert(origin.first).second) {
      return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
    }
    multiprocessors += resources[i].sm.smCount;
  }
  Device* device = machine()->deviceAt(first.device);
  std::lock_guard lock(machine()->mutex);
  auto& desc = machine()->descs[{device, multiprocessors}];
  if (!desc) {
    desc = std::make_unique<ResourceDesc>(ResourceDesc{device, multiprocessors});
    machine()->handles.insert(desc.get());
  }
  *out = reinterpret_cast<CUdevResourceDesc>(desc.get());
  return CUDA_SUCCESS;
}

CUresult greenCtxCreate(CUgreenCtx* out, CUdevResourceDesc descHandle, CUdevice ordinal,
                        unsigned flags) {
  ALNILAM_ENTER();
  auto* desc = lookUp<ResourceDesc>(descHandle);
  if (!out || !desc || flags != CU_GREEN_CTX_DEFAULT_STREAM) return CUDA_ERROR_INVALID_VALUE;
  if (machine()->deviceAt(ordinal) != desc->device) return CUDA_ERROR_INVALID_DEVICE;
  CUcontext primary = nullptr;
  if (CUresult code = devicePrimaryCtxRetain(&primary, ordinal); code != CUDA_SUCCESS) return code;
  auto& parent = *reinterpret_cast<Context*>(primary);
  auto green = std::make_unique<GreenContext>();
  green->context = std::make_unique<Context>(parent, static_cast<int>(desc->multiprocessors));
  {
    std::lock_guard lock(parent.mutex);
    parent.greens.insert(green->context.get());
  }
  std::lock_guard lock(machine()->mutex);
  machine()->handles.insert(green.get());
  machine()->handles.insert(green->context.get());
  *out = reinterpret_cast<CUgreenCtx>(green.get());
  GreenContext* key = green.get();
  machine()->greens[key] = std::move(green);
  return CUDA_SUCCESS;
}
CUresult greenCtxDestroy(CUgreenCtx handle) {
  ALNILAM_ENTER();
  auto* green = lookUp<GreenContext>(handle);
  if (!green) return CUDA_ERROR_INVALID_CONTEXT;
  Device& device = green->context->device;
  machine()->destroyGreen(*green);
  machine()->release(device);
  return CUDA_SUCCESS;
}
CUresult ctxFromGreenCtx(CUcontext* out, CUgreenCtx handle) {
  ALNILAM_ENTER();
  auto* green = lookUp<GreenContext>(handle);
  if (!green) return CUDA_ERROR_INVALID_CONTEXT;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = reinterpret_cast<CUcontext>(green->context.get());
  return CUDA_SUCCESS;
}
CUresult greenCtxStreamCreate(CUstream* out, CUgreenCtx handle, unsigned flags, int priority) {
  ALNILAM_ENTER();
  auto* green = lookUp<GreenContext>(handle);
  if (!green) return CUDA_ERROR_INVALID_CONTEXT;
  if (!out || flags != CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  return makeStream(*green->context, flags, priority, out);
}

CUresult ipcGetMemHandle(CUipcMemHandle*, CUdeviceptr) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult ipcOpenMemHandle(CUdeviceptr*, CUipcMemHandle, unsigned) {
  return CUDA_ERROR_NOT_SUPPORTED;
}
CUresult ipcCloseMemHandle(CUdeviceptr) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult ipcGetEventHandle(CUipcEventHandle*, CUevent) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult ipcOpenEventHandle(CUevent*, CUipcEventHandle) { return CUDA_ERROR_NOT_SUPPORTED; }

}  // namespace alnilam::gpu::emulator::api
