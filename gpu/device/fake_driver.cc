#include "gpu/device/fake_driver.h"

#include "gpu/driver/error.h"

#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

// What the driver's opaque handles point to here.
struct CUctx_st {
  int device = 0;
  alnilam::gpu::abi::CUresult sticky = alnilam::gpu::abi::CUDA_SUCCESS;
};
struct CUstream_st {
  CUctx_st* context = nullptr;
  int number = 0;
  std::vector<std::function<void()>> queue;
  std::size_t done = 0;
};
struct CUevent_st {
  CUstream_st* stream = nullptr;
  std::size_t position = 0;
};
struct CUmemPoolHandle_st {
  int device = 0;
};
struct CUmod_st {
  std::string text;
};
struct CUfunc_st {
  std::string name;
};

namespace alnilam::gpu::fake {
namespace {

struct Everything {
  World world;
  std::recursive_mutex mutex;
  std::map<int, std::pair<std::unique_ptr<CUctx_st>, int>> contexts;  // and how often retained
  std::map<CUdeviceptr, std::pair<std::size_t, std::unique_ptr<std::byte[]>>> memory;
  std::map<std::string, std::unique_ptr<CUfunc_st>> functions;
  std::map<int, CUstream> streams;  // live ones
  int lastStream = 0;
};

Everything& all() {
  static Everything everything;
  return everything;
}

thread_local CUcontext current = nullptr;
thread_local std::vector<CUcontext> pushed;

// The error that the test wants of this call, else the one that the context has seen.
CUresult before(const char* call) {
  World& w = all().world;
  if (auto wanted = w.nextCall.find(call); wanted != w.nextCall.end()) {
    CUresult code = wanted->second;
    w.nextCall.erase(wanted);
    return code;
  }
  return current ? current->sticky : CUDA_ERROR_INVALID_CONTEXT;
}

#define ALNILAM_FAKE_BEGIN(call)                       \
  std::lock_guard lock(all().mutex);                   \
  if (CUresult code = before(call); code != CUDA_SUCCESS) return code

void runUntil(CUstream_st& stream, std::size_t position) {
  while (stream.done < position) {
    auto work = std::move(stream.queue[stream.done++]);
    if (stream.context->sticky == CUDA_SUCCESS) work();
  }
}

CUresult enqueue(CUstream stream, const std::string& what, std::function<void()> work) {
  if (stream->context != current) return CUDA_ERROR_INVALID_CONTEXT;
  stream->queue.push_back(std::move(work));
  all().world.enqueued.push_back(what + " " + std::to_string(stream->number));
  return CUDA_SUCCESS;
}

CUresult takeMemory(CUdeviceptr* pointer, std::size_t size) {
  Everything& e = all();
  if (e.world.used + size > e.world.memory) return CUDA_ERROR_OUT_OF_MEMORY;
  std::unique_ptr<std::byte[]> block(new std::byte[size]);
  *pointer = reinterpret_cast<std::uintptr_t>(block.get());
  e.memory[*pointer] = {size, std::move(block)};
  e.world.used += size;
  return CUDA_SUCCESS;
}

void dropMemory(CUdeviceptr pointer) {
  auto found = all().memory.find(pointer);
  all().world.used -= found->second.first;
  all().memory.erase(found);
}

void* at(CUdeviceptr pointer) { return reinterpret_cast<void*>(std::uintptr_t{pointer}); }

CUresult retain(CUcontext* context, CUdevice device) {
  std::lock_guard lock(all().mutex);
  auto& [made, count] = all().contexts[device];
  if (count++ == 0) {
    made.reset(new CUctx_st{device, CUDA_SUCCESS});
    ++all().world.contexts;
    ++all().world.liveContexts;
  }
  *context = made.get();
  return CUDA_SUCCESS;
}

CUresult release(CUdevice device) {
  std::lock_guard lock(all().mutex);
  auto& [made, count] = all().contexts[device];
  if (--count == 0) {
    if (current == made.get()) current = nullptr;
    made.reset();
    --all().world.liveContexts;
  }
  return CUDA_SUCCESS;
}

CUresult synchronize(CUstream stream) {
  ALNILAM_FAKE_BEGIN("streamSynchronize");
  ++all().world.waits;
  runUntil(*stream, stream->queue.size());
  return stream->context->sticky;
}

CUresult launch(CUfunction function, unsigned gx, unsigned, unsigned, unsigned bx, unsigned,
                unsigned, unsigned, CUstream stream, void** parameters, void**) {
  ALNILAM_FAKE_BEGIN("launchKernel");
  if (gx == 0 || bx == 0) return CUDA_ERROR_INVALID_VALUE;
  auto work = all().world.kernels.at(function->name)(parameters);
  return enqueue(stream, "launch " + function->name, [work, context = stream->context] {
    CUresult code = work();
    Severity severity = severityOf(code);
    bool lasting = severity == Severity::context || severity == Severity::device;
    if (lasting) context->sticky = code;
  });
}

void fillContexts(Driver& d) {
  d.getErrorName = [](CUresult code, const char** text) {
    *text = code == CUDA_ERROR_ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
            : code == CUDA_ERROR_OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY"
                                               : "CUDA_ERROR_OF_THE_FAKE";
    return CUDA_SUCCESS;
  };
  d.deviceGet = [](CUdevice* device, int ordinal) {
    *device = ordinal;
    return ordinal < all().world.devices ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
  };
  d.deviceGetAttribute = [](int* value, CUdevice_attribute which, CUdevice) {
    *value = which == CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED ? all().world.pools
             : which == CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? 1024
                                                                  : 0;
    return CUDA_SUCCESS;
  };
  d.deviceCanAccessPeer = [](int* can, CUdevice, CUdevice) {
    *can = all().world.peers;
    return CUDA_SUCCESS;
  };
  d.ctxEnablePeerAccess = [](CUcontext peer, unsigned) -> CUresult {
    ALNILAM_FAKE_BEGIN("ctxEnablePeerAccess");
    all().world.reached.push_back(std::to_string(current->device) + " to " +
                                  std::to_string(peer->device));
    return CUDA_SUCCESS;
  };
  d.devicePrimaryCtxRetain = retain;
  d.devicePrimaryCtxRelease = release;
  d.ctxSetCurrent = [](CUcontext context) {
    current = context;
    return CUDA_SUCCESS;
  };
  d.ctxPushCurrent = [](CUcontext context) {
    pushed.push_back(current);
    current = context;
    return CUDA_SUCCESS;
  };
  d.ctxPopCurrent = [](CUcontext* context) {
    *context = current;
    current = pushed.back();
    pushed.pop_back();
    return CUDA_SUCCESS;
  };
  d.ctxGetStreamPriorityRange = [](int* least, int* greatest) {
    *least = 0;
    *greatest = -4;
    return CUDA_SUCCESS;
  };
  d.streamCreateWithPriority = [](CUstream* stream, unsigned, int priority) -> CUresult {
    ALNILAM_FAKE_BEGIN("streamCreateWithPriority");
    all().world.priorities.push_back(priority);
    *stream = new CUstream_st{current, ++all().lastStream, {}, 0};
    all().streams[(*stream)->number] = *stream;
    ++all().world.liveStreams;
    return CUDA_SUCCESS;
  };
  d.streamDestroy = [](CUstream stream) {
    std::lock_guard lock(all().mutex);
    all().streams.erase(stream->number);
    delete stream;
    --all().world.liveStreams;
    return CUDA_SUCCESS;
  };
  d.streamSynchronize = synchronize;
  d.streamQuery = [](CUstream stream) -> CUresult {
    ALNILAM_FAKE_BEGIN("streamQuery");
    return stream->done < stream->queue.size() ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
  };
  d.launchHostFunc = [](CUstream stream, CUhostFn function, void* argument) -> CUresult {
    ALNILAM_FAKE_BEGIN("launchHostFunc");
    return enqueue(stream, "host", [function, argument] { function(argument); });
  };
  d.eventCreate = [](CUevent* event, unsigned) -> CUresult {
    *event = new CUevent_st;
    return CUDA_SUCCESS;
  };
  d.eventDestroy = [](CUevent event) {
    delete event;
    return CUDA_SUCCESS;
  };
  d.eventRecord = [](CUevent event, CUstream stream) -> CUresult {
    ALNILAM_FAKE_BEGIN("eventRecord");
    *event = {stream, stream->queue.size()};
    return CUDA_SUCCESS;
  };
  d.streamWaitEvent = [](CUstream stream, CUevent event, unsigned) {
    std::lock_guard lock(all().mutex);
    return enqueue(stream, "wait " + std::to_string(event->stream->number),
                   [earlier = *event] { runUntil(*earlier.stream, earlier.position); });
  };
}

void fillMemory(Driver& d) {
  d.memGetInfo = [](std::size_t* free, std::size_t* total) {
    *total = all().world.memory;
    *free = *total - all().world.used;
    return CUDA_SUCCESS;
  };
  d.memAlloc = [](CUdeviceptr* pointer, std::size_t size) -> CUresult {
    ALNILAM_FAKE_BEGIN("memAlloc");
    return takeMemory(pointer, size);
  };
  d.memFree = [](CUdeviceptr pointer) {
    std::lock_guard lock(all().mutex);
    dropMemory(pointer);
    return CUDA_SUCCESS;
  };
  d.memPoolCreate = [](CUmemoryPool* pool, const CUmemPoolProps* properties) {
    *pool = new CUmemPoolHandle_st{properties->location.id};
    return CUDA_SUCCESS;
  };
  d.memPoolDestroy = [](CUmemoryPool pool) {
    delete pool;
    return CUDA_SUCCESS;
  };
  d.memPoolSetAttribute = [](CUmemoryPool, CUmemPool_attribute, void*) { return CUDA_SUCCESS; };
  d.memPoolGetAttribute = [](CUmemoryPool, CUmemPool_attribute, void* value) -> CUresult {
    std::lock_guard lock(all().mutex);
    std::uint64_t used = all().world.used;  // whatever is asked for
    std::memcpy(value, &used, sizeof used);
    return CUDA_SUCCESS;
  };
  d.memPoolSetAccess = [](CUmemoryPool, const CUmemAccessDesc*, std::size_t) {
    return CUDA_SUCCESS;
  };
  d.memPoolTrimTo = [](CUmemoryPool, std::size_t) -> CUresult {
    std::lock_guard lock(all().mutex);
    ++all().world.trims;
    return CUDA_SUCCESS;
  };
  d.memAllocFromPoolAsync = [](CUdeviceptr* pointer, std::size_t size, CUmemoryPool,
                               CUstream) -> CUresult {
    ALNILAM_FAKE_BEGIN("memAllocFromPoolAsync");
    return takeMemory(pointer, size);
  };
  d.memFreeAsync = [](CUdeviceptr pointer, CUstream stream) -> CUresult {
    std::lock_guard lock(all().mutex);
    if (stream->context->sticky != CUDA_SUCCESS) {  // its memory goes with the context
      dropMemory(pointer);
      return stream->context->sticky;
    }
    return enqueue(stream, "free", [pointer] { dropMemory(pointer); });
  };
  d.memHostAlloc = [](void** pointer, std::size_t size, unsigned) -> CUresult {
    ALNILAM_FAKE_BEGIN("memHostAlloc");
    *pointer = ::operator new(size);
    ++all().world.livePinned;
    return CUDA_SUCCESS;
  };
  d.memFreeHost = [](void* pointer) {
    std::lock_guard lock(all().mutex);
    ::operator delete(pointer);
    --all().world.livePinned;
    return CUDA_SUCCESS;
  };
  d.memHostRegister = [](void*, std::size_t, unsigned) -> CUresult {
    ALNILAM_FAKE_BEGIN("memHostRegister");
    ++all().world.liveRegistered;
    return CUDA_SUCCESS;
  };
  d.memHostUnregister = [](void*) -> CUresult {
    std::lock_guard lock(all().mutex);
    --all().world.liveRegistered;
    return CUDA_SUCCESS;
  };
  d.memcpyHtoDAsync = [](CUdeviceptr to, const void* from, std::size_t size,
                         CUstream stream) -> CUresult {
    ALNILAM_FAKE_BEGIN("memcpyHtoDAsync");
    return enqueue(stream, "copy in", [to, from, size] { std::memcpy(at(to), from, size); });
  };
  d.memcpyDtoHAsync = [](void* to, CUdeviceptr from, std::size_t size,
                         CUstream stream) -> CUresult {
    ALNILAM_FAKE_BEGIN("memcpyDtoHAsync");
    return enqueue(stream, "copy home", [to, from, size] { std::memcpy(to, at(from), size); });
  };
  d.memcpyDtoDAsync = [](CUdeviceptr to, CUdeviceptr from, std::size_t size,
                         CUstream stream) -> CUresult {
    ALNILAM_FAKE_BEGIN("memcpyDtoDAsync");
    return enqueue(stream, "copy", [to, from, size] { std::memcpy(at(to), at(from), size); });
  };
  d.memcpyPeerAsync = [](CUdeviceptr to, CUcontext, CUdeviceptr from, CUcontext, std::size_t size,
                         CUstream stream) -> CUresult {
    ALNILAM_FAKE_BEGIN("memcpyPeerAsync");
    return enqueue(stream, "copy across",
                   [to, from, size] { std::memcpy(at(to), at(from), size); });
  };
  d.memsetD8Async = [](CUdeviceptr to, unsigned char value, std::size_t count,
                       CUstream stream) -> CUresult {
    ALNILAM_FAKE_BEGIN("memsetD8Async");
    return enqueue(stream, "fill", [to, value, count] { std::memset(at(to), value, count); });
  };
}

void fillCode(Driver& d) {
  d.moduleLoadDataEx = [](CUmodule* module, const void* image, unsigned, CUjit_option*,
                          void**) -> CUresult {
    ALNILAM_FAKE_BEGIN("moduleLoadDataEx");
    *module = new CUmod_st{static_cast<const char*>(image)};
    ++all().world.modules;
    all().world.images.push_back(static_cast<const char*>(image));
    return CUDA_SUCCESS;
  };
  d.moduleLoadData = [](CUmodule* module, const void* image) -> CUresult {
    ALNILAM_FAKE_BEGIN("moduleLoadData");
    *module = new CUmod_st{static_cast<const char*>(image)};
    ++all().world.modules;
    all().world.images.push_back(static_cast<const char*>(image));
    return CUDA_SUCCESS;
  };
  d.moduleUnload = [](CUmodule module) {
    delete module;
    return CUDA_SUCCESS;
  };
  d.moduleGetFunction = [](CUfunction* function, CUmodule, const char* name) -> CUresult {
    ALNILAM_FAKE_BEGIN("moduleGetFunction");
    if (!all().world.kernels.contains(name)) return CUDA_ERROR_NOT_FOUND;
    auto& known = all().functions[name];
    if (!known) known.reset(new CUfunc_st{name});
    *function = known.get();
    return CUDA_SUCCESS;
  };
  d.funcGetAttribute = [](int* value, CUfunction_attribute which, CUfunction) {
    *value = which == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? 1024 : 0;
    return CUDA_SUCCESS;
  };
  d.funcGetParamInfo = [](CUfunction function, std::size_t index, std::size_t* offset,
                          std::size_t* size) {
    const auto& told = all().world.parameterSizes;
    auto found = told.find(function->name);
    if (found == told.end()) return CUDA_ERROR_NOT_SUPPORTED;
    if (index >= found->second.size()) return CUDA_ERROR_INVALID_VALUE;
    *offset = 0;
    *size = found->second[index];
    return CUDA_SUCCESS;
  };
  d.launchKernel = launch;
}

}  // namespace

World& world() { return all().world; }

void advance() {
  std::lock_guard lock(all().mutex);
  for (auto& [number, stream] : all().streams) runUntil(*stream, stream->queue.size());
}

void reset(World next) {
  all().world = std::move(next);
  all().lastStream = 0;
  current = nullptr;
}

const Driver& driver() {
  static const Driver table = [] {
    Driver d;
    fillContexts(d);
    fillMemory(d);
    fillCode(d);
    return d;
  }();
  return table;
}

}  // namespace alnilam::gpu::fake
