// Device and host memory, pools, copies and fills.

#include "gpu/emulator/api_common.h"

#include <sys/mman.h>

#include <cstring>

namespace alnilam::gpu::emulator::api {
namespace {

constexpr std::uint64_t kPage = 4096;

// Counts an allocation for injected faults; false: this is the one that fails.
bool mayAllocate(Device& device) { return ++device.allocations != device.config.failAllocation; }

CUresult allocateFrom(Pool& pool, CUdeviceptr* pointer, std::size_t size) {
  if (!pointer || size == 0) return CUDA_ERROR_INVALID_VALUE;
  Device& device = *pool.device;
  if (!mayAllocate(device)) return CUDA_ERROR_OUT_OF_MEMORY;
  std::uint64_t address = pool.allocate(size);
  if (!address) {
    trimPools(device);  // what pools keep unused must not be in anybody's way
    address = pool.allocate(size);
  }
  if (!address) return CUDA_ERROR_OUT_OF_MEMORY;
  *pointer = address;
  return CUDA_SUCCESS;
}

// In stream order: who uses it elsewhere waits for this place in the stream.
CUresult allocateOn(Stream& stream, Pool& pool, CUdeviceptr* pointer, std::size_t size) {
  CUresult code = allocateFrom(pool, pointer, size);
  if (code != CUDA_SUCCESS || !machine()->races) return code;
  put(stream, [&stream, at = *pointer, size] {
    touch(stream, "an allocation", at, size, Access::write);
  });
  return code;
}

// Frees what starts at `address`; false: nothing does.
bool freeNow(Device& device, std::uint64_t address) {
  std::uint64_t start = 0;
  auto allocation = device.memory.describe(address, start);
  if (!allocation || start != address || allocation->retired) return false;
  if (!giveBack(device, address)) return false;
  if (allocation->pool) allocation->pool->freed(allocation->size);
  return true;
}

// The bytes behind an address, of a device or of the host, if all of them may be copied.
std::byte* bytesAt(std::uint64_t address, std::size_t size) {
  Device* device = machine()->deviceOf(address);
  if (!device) return reinterpret_cast<std::byte*>(address);
  MemoryRange range = device->memory.find(address);
  std::uint64_t offset = address - range.base;
  if (offset >= range.size || range.size - offset < size) return nullptr;
  return range.storage + offset;
}
// What a copy costs in modelled time, and who does it.
void takeCopy(Stream& stream, std::uint64_t to, std::uint64_t from, std::size_t size) {
  Device *target = machine()->deviceOf(to), *origin = machine()->deviceOf(from);
  auto took = [&](const char* kind, Engine* engine, double bytesPerNanosecond,
                  std::uint32_t amount = 1) {
    auto moving = static_cast<std::int64_t>(static_cast<double>(size) / bytesPerNanosecond);
    take(stream, {kind, {}, engine, amount, size}, std::chrono::nanoseconds(1'000 + moving));
  };
  if (!target && !origin) {
    took("copyHtoH", nullptr, 10);
  } else if (!origin) {
    took("copyHtoD", &target->copyIn(), target->config.hostRate);
  } else if (!target) {
    took("copyDtoH", &origin->copyOut(), origin->config.hostRate);
  } else if (target == origin) {
    // It reads and writes.
    Engine& compute = stream.context()->compute();
    took("copyDtoD", &compute, target->config.memoryRate / 2, compute.capacity());
  } else {
    const Link& link = machine()->config.link(origin->ordinal, target->ordinal);
    took("copyPeer", &origin->copyToPeer(), link.rate);
  }
}
bool isPageable(std::uint64_t address) {
  return !machine()->deviceOf(address) && machine()->findPinned(address).size == 0;
}

// Copies in stream order.  Pageable host memory is the caller's again when this returns, as with
// the driver, which stages it; pinned memory is in use until the stream has passed.
CUresult copy(Stream& stream, std::uint64_t to, std::uint64_t from, std::size_t size,
              bool synchronous) {
  if (size == 0) return CUDA_SUCCESS;
  if (to == 0 || from == 0) return CUDA_ERROR_INVALID_VALUE;
  for (std::uint64_t end : {to, from}) {
    if (bytesAt(end, size)) continue;
    note("a copy of " + std::to_string(size) + " bytes " + (end == to ? "to " : "from ") +
         machine()->explain(end));
    return CUDA_ERROR_INVALID_VALUE;
  }
  Context* context = stream.context();
  put(stream, [&stream, context, to, from, size] {
    if (context->state() != CUDA_SUCCESS) return;
    takeCopy(stream, to, from, size);
    // Looked up again: what was freed in between is gone.
    std::byte *target = bytesAt(to, size), *origin = bytesAt(from, size);
    if (target && origin) {
      Accesses accesses;
      if (!isPageable(from)) accesses.of(Access::read).push_back({from, from + size});
      if (!isPageable(to)) accesses.of(Access::write).push_back({to, to + size});
      if (touch(stream, "a copy", accesses)) std::memmove(target, origin, size);
    } else {
      std::uint64_t bad = target ? from : to;
      context->fail(CUDA_ERROR_ILLEGAL_ADDRESS, "a copy of " + std::to_string(size) + " bytes " +
                                                    (target ? "from " : "to ") +
                                                    machine()->explain(bad));
    }
  });
  if (synchronous || isPageable(to)) {
    await(*stream.mark());
    return context->state();
  }
  if (isPageable(from)) {
    stream.mark()->wait();  // it has been read; that it has arrived isn't known
    return context->state();
  }
  return CUDA_SUCCESS;
}

template <typename Fill>
CUresult fill(CUstream handle, CUdeviceptr to, std::size_t size, Fill write) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (size == 0) return CUDA_SUCCESS;
  if (!machine()->deviceOf(to) || !bytesAt(to, size)) {
    note("a memset of " + std::to_string(size) + " bytes to " + machine()->explain(to));
    return CUDA_ERROR_INVALID_VALUE;
  }
  Context* its = stream->context();
  put(*stream, [its, stream, to, size, write] {
    if (its->state() != CUDA_SUCCESS) return;
    Engine& compute = its->compute();
    double time = static_cast<double>(size) / its->device.config.memoryRate;
    take(*stream, {"memset", {}, &compute, compute.capacity(), size},
         std::chrono::nanoseconds(1'000 + static_cast<std::int64_t>(time)));
    if (std::byte* target = bytesAt(to, size)) {
      if (touch(*stream, "a memset", to, size, Access::write)) write(target);
    } else {
      its->fail(CUDA_ERROR_ILLEGAL_ADDRESS,
                "a memset of " + std::to_string(size) + " bytes to " + machine()->explain(to));
    }
  });
  return CUDA_SUCCESS;
}

Device* deviceAt(CUdevice ordinal) { return machine()->deviceAt(ordinal); }

}  // namespace

CUresult memGetInfo(std::size_t* free, std::size_t* total) {
  ALNILAM_ENTER_CONTEXT(context);
  DeviceMemory& memory = context->device.memory;
  if (free) *free = memory.capacity() - memory.used();
  if (total) *total = memory.capacity();
  return CUDA_SUCCESS;
}
CUresult memAlloc(CUdeviceptr* pointer, std::size_t size) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!pointer || size == 0) return CUDA_ERROR_INVALID_VALUE;
  Device& device = context->device;
  if (!mayAllocate(device)) return CUDA_ERROR_OUT_OF_MEMORY;
  std::uint64_t address = device.memory.allocate(size, nullptr);
  if (!address) {
    trimPools(device);
    address = device.memory.allocate(size, nullptr);
  }
  if (!address) return CUDA_ERROR_OUT_OF_MEMORY;
  *pointer = address;
  return CUDA_SUCCESS;
}
CUresult memFree(CUdeviceptr pointer) {
  ALNILAM_ENTER_CONTEXT(context);
  if (pointer == 0) return CUDA_SUCCESS;
  Device* device = machine()->deviceOf(pointer);
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  Context* owner = nullptr;
  {
    std::lock_guard lock(machine()->mutex);
    owner = device->context.get();
  }
  // Work that uses it ends first; of pools' memory it is for the caller to know that it has.
  std::uint64_t start = 0;
  auto allocation = device->memory.describe(pointer, start);
  if (owner && !(allocation && allocation->pool)) synchronize(*owner);
  return freeNow(*device, pointer) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult memHostAlloc(void** pointer, std::size_t size, unsigned flags) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!pointer || size == 0 || flags > 7) return CUDA_ERROR_INVALID_VALUE;
  std::uint64_t length = (size + kPage - 1) / kPage * kPage;
  void* memory = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
  std::lock_guard lock(machine()->mutex);
  machine()->pinned[reinterpret_cast<std::uint64_t>(memory)] = size;
  machine()->owned.insert(reinterpret_cast<std::uint64_t>(memory));
  *pointer = memory;
  return CUDA_SUCCESS;
}
CUresult memFreeHost(void* pointer) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!pointer) return CUDA_SUCCESS;
  auto address = reinterpret_cast<std::uint64_t>(pointer);
  {
    std::lock_guard lock(machine()->mutex);
    if (!machine()->owned.contains(address)) return CUDA_ERROR_INVALID_VALUE;
  }
  for (auto& device : machine()->devices) {
    Context* its = nullptr;
    {
      std::lock_guard lock(machine()->mutex);
      its = device->context.get();
    }
    if (its) synchronize(*its);
  }
  std::lock_guard lock(machine()->mutex);
  if (Races* races = machine()->races.get()) races->forget({-1, address, address, 0});
  std::uint64_t length = (machine()->pinned[address] + kPage - 1) / kPage * kPage;
  machine()->pinned.erase(address);
  machine()->owned.erase(address);
  munmap(pointer, length);
  return CUDA_SUCCESS;
}
CUresult memHostRegister(void* pointer, std::size_t size, unsigned flags) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!pointer || size == 0 || flags > 15) return CUDA_ERROR_INVALID_VALUE;
  auto address = reinterpret_cast<std::uint64_t>(pointer);
  if (machine()->deviceOf(address)) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(machine()->mutex);
  auto after = machine()->pinned.lower_bound(address);
  bool overlaps = after != machine()->pinned.end() && after->first < address + size;
  if (after != machine()->pinned.begin()) {
    auto before = std::prev(after);
    overlaps = overlaps || before->first + before->second > address;
  }
  if (overlaps) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  machine()->pinned[address] = size;
  return CUDA_SUCCESS;
}
CUresult memHostUnregister(void* pointer) {
  ALNILAM_ENTER_CONTEXT(context);
  auto address = reinterpret_cast<std::uint64_t>(pointer);
  std::lock_guard lock(machine()->mutex);
  if (machine()->owned.contains(address) || !machine()->pinned.erase(address)) {
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  }
  if (Races* races = machine()->races.get()) races->forget({-1, address, address, 0});
  return CUDA_SUCCESS;
}
CUresult memHostGetDevicePointer(CUdeviceptr* device, void* host, unsigned flags) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!device || flags != 0) return CUDA_ERROR_INVALID_VALUE;
  auto address = reinterpret_cast<std::uint64_t>(host);
  if (machine()->findPinned(address).size == 0) return CUDA_ERROR_INVALID_VALUE;
  *device = address;  // unified addressing: the same
  return CUDA_SUCCESS;
}
CUresult memGetAddressRange(CUdeviceptr* base, std::size_t* size, CUdeviceptr pointer) {
  ALNILAM_ENTER_CONTEXT(context);
  Device* device = machine()->deviceOf(pointer);
  MemoryRange range = device ? device->memory.find(pointer) : MemoryRange{};
  if (range.size == 0) return CUDA_ERROR_NOT_FOUND;
  if (base) *base = range.base;
  if (size) *size = range.size;
  return CUDA_SUCCESS;
}

CUresult pointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr pointer) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!data) return CUDA_ERROR_INVALID_VALUE;
  Device* device = machine()->deviceOf(pointer);
  MemoryRange range = device ? device->memory.find(pointer) : machine()->findPinned(pointer);
  if (range.size == 0) return CUDA_ERROR_INVALID_VALUE;
  std::uint64_t start = 0;
  auto allocation = device ? device->memory.describe(pointer, start) : std::nullopt;
  auto give = [data](auto value) { std::memcpy(data, &value, sizeof value); };
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      if (!device) return CUDA_ERROR_INVALID_VALUE;
      give(reinterpret_cast<CUcontext>(device->context.get()));
      break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      give(static_cast<unsigned>(device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST));
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      give(pointer);
      break;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      if (device) return CUDA_ERROR_INVALID_VALUE;
      give(reinterpret_cast<void*>(pointer));
      break;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      give(allocation ? allocation->id : range.base);
      break;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      give(0u);
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      give(device ? device->ordinal : context->device.ordinal);
      break;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      give(range.base);
      break;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      give(static_cast<std::size_t>(range.size));
      break;
    case CU_POINTER_ATTRIBUTE_MAPPED:
      give(1u);
      break;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      give(reinterpret_cast<CUmemoryPool>(allocation ? allocation->pool : nullptr));
      break;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
  return CUDA_SUCCESS;
}
CUresult pointerGetAttributes(unsigned count, CUpointer_attribute* attributes, void** data,
                              CUdeviceptr pointer) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!attributes || !data) return CUDA_ERROR_INVALID_VALUE;
  // Unlike the single query, this one says "nothing" about an unknown pointer and succeeds.
  for (unsigned i = 0; i < count; ++i) {
    if (pointerGetAttribute(data[i], attributes[i], pointer) == CUDA_SUCCESS) continue;
    if (attributes[i] == CU_POINTER_ATTRIBUTE_MEMORY_TYPE ||
        attributes[i] == CU_POINTER_ATTRIBUTE_IS_MANAGED) {
      std::memset(data[i], 0, sizeof(unsigned));
    } else if (attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL) {
      int none = -2;
      std::memcpy(data[i], &none, sizeof none);
    } else {
      std::memset(data[i], 0, sizeof(void*));
    }
  }
  return CUDA_SUCCESS;
}

CUresult memAllocAsync(CUdeviceptr* pointer, std::size_t size, CUstream handle) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  return allocateOn(*stream, *stream->context()->device.currentPool.load(), pointer, size);
}
CUresult memAllocFromPoolAsync(CUdeviceptr* pointer, std::size_t size, CUmemoryPool poolHandle,
                               CUstream handle) {
  ALNILAM_ENTER_CONTEXT(context);
  auto* pool = lookUp<Pool>(poolHandle);
  if (!pool) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = streamOf(*context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  return allocateOn(*stream, *pool, pointer, size);
}
CUresult memFreeAsync(CUdeviceptr pointer, CUstream handle) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (pointer == 0) return CUDA_SUCCESS;
  Device* device = machine()->deviceOf(pointer);
  auto allocation = device ? device->memory.retire(pointer) : std::nullopt;
  if (!allocation) {
    note("cuMemFreeAsync of " + machine()->explain(pointer) + ", which isn't to be given back");
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (allocation->pool) allocation->pool->freed(allocation->size);
  put(*stream, [stream, device, pointer, size = allocation->size] {
    if (!touch(*stream, "the end of an allocation", pointer, size, Access::write)) return;
    giveBack(*device, pointer);
  });
  return CUDA_SUCCESS;
}

CUresult deviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice ordinal) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  if (!pool) return CUDA_ERROR_INVALID_VALUE;
  *pool = reinterpret_cast<CUmemoryPool>(&device->defaultPool);
  return CUDA_SUCCESS;
}
CUresult deviceGetMemPool(CUmemoryPool* pool, CUdevice ordinal) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  if (!pool) return CUDA_ERROR_INVALID_VALUE;
  *pool = reinterpret_cast<CUmemoryPool>(device->currentPool.load());
  return CUDA_SUCCESS;
}
CUresult deviceSetMemPool(CUdevice ordinal, CUmemoryPool handle) {
  ALNILAM_ENTER();
  Device* device = deviceAt(ordinal);
  auto* pool = lookUp<Pool>(handle);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  if (!pool || pool->device != device) return CUDA_ERROR_INVALID_VALUE;
  device->currentPool = pool;
  return CUDA_SUCCESS;
}
CUresult memPoolCreate(CUmemoryPool* handle, const CUmemPoolProps* properties) {
  ALNILAM_ENTER();
  if (!handle || !properties || properties->allocType != CU_MEM_ALLOCATION_TYPE_PINNED ||
      properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (properties->handleTypes != CU_MEM_HANDLE_TYPE_NONE) return CUDA_ERROR_NOT_SUPPORTED;
  Device* device = deviceAt(properties->location.id);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  auto pool = std::make_unique<Pool>();
  pool->device = device;
  pool->most = properties->maxSize;
  *handle = reinterpret_cast<CUmemoryPool>(pool.get());
  std::lock_guard lock(machine()->mutex);
  machine()->handles.insert(pool.get());
  device->pools.push_back(std::move(pool));
  return CUDA_SUCCESS;
}
CUresult memPoolDestroy(CUmemoryPool handle) {
  ALNILAM_ENTER();
  auto* pool = lookUp<Pool>(handle);
  if (!pool || pool == &pool->device->defaultPool) return CUDA_ERROR_INVALID_VALUE;
  Device& device = *pool->device;
  std::lock_guard lock(machine()->mutex);
  {
    // The driver lets allocations outlive their pool; here that's taken for the mistake it mostly
    // is, except where nobody can free them any more.
    bool failed = device.lost || (device.context && device.context->failure != CUDA_SUCCESS);
    std::lock_guard guard(pool->mutex);
    if (pool->used && !failed) return CUDA_ERROR_INVALID_VALUE;
    pool->doomed = pool->used != 0;
  }
  Pool* current = pool;
  device.currentPool.compare_exchange_strong(current, &device.defaultPool);
  pool->trim(0);
  machine()->handles.erase(pool);
  if (!pool->doomed) std::erase_if(device.pools, [&](auto& one) { return one.get() == pool; });
  return CUDA_SUCCESS;
}

CUresult memPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
  ALNILAM_ENTER();
  auto* pool = lookUp<Pool>(handle);
  if (!pool || !value) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(pool->mutex);
  std::uint64_t amount = 0;
  if (attribute >= CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) std::memcpy(&amount, value, sizeof amount);
  switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      std::memcpy(&pool->reuse[attribute - 1], value, sizeof(int));
      break;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      pool->threshold = amount;
      break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      if (amount != 0) return CUDA_ERROR_INVALID_VALUE;  // it can only be reset
      pool->reservedHigh = pool->reserved;
      break;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      if (amount != 0) return CUDA_ERROR_INVALID_VALUE;
      pool->usedHigh = pool->used;
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}
CUresult memPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
  ALNILAM_ENTER();
  auto* pool = lookUp<Pool>(handle);
  if (!pool || !value) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(pool->mutex);
  auto give = [value](auto what) { std::memcpy(value, &what, sizeof what); };
  switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      give(pool->reuse[attribute - 1]);
      break;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      give(pool->threshold);
      break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
      give(pool->reserved);
      break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      give(pool->reservedHigh);
      break;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
      give(pool->used);
      break;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      give(pool->usedHigh);
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}
CUresult memPoolTrimTo(CUmemoryPool handle, std::size_t keep) {
  ALNILAM_ENTER();
  auto* pool = lookUp<Pool>(handle);
  if (!pool) return CUDA_ERROR_INVALID_VALUE;
  pool->trim(keep);
  return CUDA_SUCCESS;
}
CUresult memPoolSetAccess(CUmemoryPool handle, const CUmemAccessDesc* descriptors,
                          std::size_t count) {
  ALNILAM_ENTER();
  if (!lookUp<Pool>(handle) || (count && !descriptors)) return CUDA_ERROR_INVALID_VALUE;
  for (std::size_t i = 0; i < count; ++i) {
    bool isDevice = descriptors[i].location.type == CU_MEM_LOCATION_TYPE_DEVICE;
    if (!isDevice || !deviceAt(descriptors[i].location.id)) return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult memcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t size, CUstream handle) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, handle);
  return stream ? copy(*stream, to, from, size, false) : CUDA_ERROR_INVALID_HANDLE;
}
CUresult memcpyHtoDAsync(CUdeviceptr to, const void* from, std::size_t size, CUstream handle) {
  ALNILAM_ENTER();
  if (size && !machine()->deviceOf(to)) return CUDA_ERROR_INVALID_VALUE;
  return memcpyAsync(to, reinterpret_cast<CUdeviceptr>(from), size, handle);
}
CUresult memcpyDtoHAsync(void* to, CUdeviceptr from, std::size_t size, CUstream handle) {
  ALNILAM_ENTER();
  if (size && !machine()->deviceOf(from)) return CUDA_ERROR_INVALID_VALUE;
  return memcpyAsync(reinterpret_cast<CUdeviceptr>(to), from, size, handle);
}
CUresult memcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, std::size_t size, CUstream handle) {
  ALNILAM_ENTER();
  bool both = machine()->deviceOf(from) && machine()->deviceOf(to);
  if (size && !both) return CUDA_ERROR_INVALID_VALUE;
  return memcpyAsync(to, from, size, handle);
}
CUresult memcpyPeerAsync(CUdeviceptr to, CUcontext toContext, CUdeviceptr from,
                         CUcontext fromContext, std::size_t size, CUstream handle) {
  ALNILAM_ENTER();
  auto *target = lookUp<Context>(toContext), *origin = lookUp<Context>(fromContext);
  if (!target || !origin) return CUDA_ERROR_INVALID_CONTEXT;
  bool there = target->device.memory.contains(to) && origin->device.memory.contains(from);
  if (size && !there) return CUDA_ERROR_INVALID_VALUE;
  return memcpyAsync(to, from, size, handle);
}
CUresult memcpyHtoD(CUdeviceptr to, const void* from, std::size_t size) {
  ALNILAM_ENTER_CONTEXT(context);
  if (size && !machine()->deviceOf(to)) return CUDA_ERROR_INVALID_VALUE;
  return copy(*context->defaultStream, to, reinterpret_cast<CUdeviceptr>(from), size, true);
}
CUresult memcpyDtoH(void* to, CUdeviceptr from, std::size_t size) {
  ALNILAM_ENTER_CONTEXT(context);
  if (size && !machine()->deviceOf(from)) return CUDA_ERROR_INVALID_VALUE;
  return copy(*context->defaultStream, reinterpret_cast<CUdeviceptr>(to), from, size, true);
}

CUresult memsetD8Async(CUdeviceptr to, unsigned char value, std::size_t count, CUstream handle) {
  return fill(handle, to, count,
              [value, count](std::byte* target) { std::memset(target, value, count); });
}
CUresult memsetD32Async(CUdeviceptr to, unsigned value, std::size_t count, CUstream handle) {
  if (to % 4 != 0 || count > SIZE_MAX / 4) return CUDA_ERROR_INVALID_VALUE;
  return fill(handle, to, count * 4, [value, count](std::byte* target) {
    for (std::size_t i = 0; i < count; ++i) std::memcpy(target + i * 4, &value, 4);
  });
}

}  // namespace alnilam::gpu::emulator::api
