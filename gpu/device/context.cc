#include "gpu/device/context.h"

#include "core/api/errors.h"
#include "gpu/device/device.h"

#include <algorithm>
#include <cstring>

namespace alnilam::gpu {

namespace {

// An answer for a host copy that waits for its synchronize().
struct Delivery {
  void* to;
  std::size_t staged;  // index into State::staged
  std::size_t bytes;
};

}  // namespace

struct Context::State {
  State(Device& on, Bytes most, Context& leader) : device(on), bound(most), first(leader) {}

  Device& device;
  const Bytes bound;
  Context& first;                  // of this task's contexts
  std::vector<Context*> siblings;  // all of them; in the first only
  Lease lease;
  Bytes used = 0;
  std::vector<DeviceBlock*> blocks;
  std::vector<OwnedBlock> inputs;
  std::vector<Staging> staged;  // in use by enqueued copies
  std::size_t stagedBytes = 0;
  std::vector<Delivery> deliveries;
  std::vector<const LoadedKernel*> kernels;  // that this slot has launched
  std::uint64_t kernelsOf = 0;               // the generation of their table

  const Driver& driver() const { return device.driver(); }

  // Condemns the context if the error is one that ends it.
  void note(const DriverError& error) {
    Severity severity = error.severity();
    if (lease && (severity == Severity::context || severity == Severity::device)) {
      device.condemn(lease.life());
    }
  }
  void must(CUresult code, const char* call, const std::string& what = {}) {
    if (code == CUDA_SUCCESS) return;
    note({code, call});
    device.raise({code, call}, what);
  }
  void releaseStaged() {
    for (Staging& block : staged) lease.life().giveStaging(std::move(block));
    staged.clear();
    stagedBytes = 0;
    deliveries.clear();
  }
};

namespace {

// More pinned memory than this a task does not hold at once; copies beyond it wait.
constexpr std::size_t kMaxStagedOfTask = 64 << 20;

[[noreturn]] void raiseOutOfMemory(const Device& device, Bytes asked, Bytes bound, Bytes used) {
  std::size_t free = 0, total = 0;
  bool known = device.driver().memGetInfo(&free, &total) == CUDA_SUCCESS;
  std::string text = device.title() + ": " + showBytes(asked) + " of device memory asked for; ";
  text += bound == 0 ? "the task has no bound and uses " + showBytes(used)
                     : "the task's bound is " + showBytes(bound) + ", of which " +
                           showBytes(used) + " is used";
  if (known) text += "; the device has " + showBytes(free) + " of " + showBytes(total) + " free";
  throw OutOfDeviceMemory(text);
}

}  // namespace

void ReleaseBlock::operator()(DeviceBlock* block) const {
  if (block->owner) block->owner->release(*block);
  delete block;
}

Context::Context(Device& device, Bytes bound, Context* first)
    : state_(new State(device, bound, first ? *first : *this)) {
  state_->first.state_->siblings.push_back(this);
}

Context::~Context() = default;

int Context::device() const { return static_cast<int>(state_->device.index()); }
const std::string& Context::name() const { return state_->device.label(); }
bool Context::emulated() const { return state_->device.gpu().emulated; }
TaskStream Context::stream() { return {*this, state_->lease.stream()}; }
Bytes Context::memoryBound() const { return state_->bound; }
Bytes Context::memoryUsed() const { return state_->used; }

std::size_t Context::deviceCount() const { return state_->first.state_->siblings.size(); }

Context& Context::on(std::size_t i) {
  const auto& all = state_->first.state_->siblings;
  if (i >= all.size()) {
    throw DeviceError("this task has " + std::to_string(all.size()) + " device" +
                      (all.size() == 1 ? "" : "s") + ", there is no device " + std::to_string(i) +
                      " among them");
  }
  return *all[i];
}

void Context::begin() { state_->lease = state_->device.borrow(); }

std::exception_ptr Context::finish() {
  State& state = *state_;
  if (!state.lease) return nullptr;
  std::exception_ptr wrong;
  try {
    makeCurrent();
    // What is freed before the wait is back in the pool after it.
    state.inputs.clear();
    while (!state.blocks.empty()) release(*state.blocks.back());
    state.must(state.driver().streamSynchronize(state.lease.stream()), "cuStreamSynchronize",
               "while the task's work was waited for");
  } catch (...) {
    wrong = std::current_exception();
  }
  state.releaseStaged();
  state.lease = Lease();
  return wrong;
}

void Context::makeCurrent() {
  state_->must(state_->driver().ctxSetCurrent(state_->lease.life().context()), "cuCtxSetCurrent");
}

OwnedBlock Context::allocateBytes(std::size_t elementSize, std::size_t n) {
  State& state = *state_;
  OwnedBlock block(new DeviceBlock);
  Bytes bytes = 0;
  if (__builtin_mul_overflow(Bytes{elementSize}, Bytes{n}, &bytes)) bytes = UINT64_MAX;
  if (bytes != 0) {
    if (bytes > SIZE_MAX / 2 || (state.bound != 0 && bytes > state.bound - state.used)) {
      raiseOutOfMemory(state.device, bytes, state.bound, state.used);
    }
    const Driver& driver = state.driver();
    CUdeviceptr address = 0;
    CUmemoryPool pool = state.lease.life().pool();
    auto allocate = [&] {
      if (!pool) return driver.memAlloc(&address, bytes);
      return driver.memAllocFromPoolAsync(&address, bytes, pool, state.lease.stream());
    };
    if (deviceCount() > 1) makeCurrent();
    CUresult code = allocate();
    if (code == CUDA_ERROR_OUT_OF_MEMORY && pool) {
      // What this stream has freed comes back once the stream has passed, and what the pool keeps
      // in pieces of other sizes once it is trimmed.
      state.must(driver.streamSynchronize(state.lease.stream()), "cuStreamSynchronize");
      static_cast<void>(driver.memPoolTrimTo(pool, 0));
      code = allocate();
    }
    if (code == CUDA_ERROR_OUT_OF_MEMORY) {
      raiseOutOfMemory(state.device, bytes, state.bound, state.used);
    }
    state.must(code, pool ? "cuMemAllocFromPoolAsync" : "cuMemAlloc");
    block->address = address;
  }
  block->bytes = bytes;
  block->owner = this;
  block->place = state.blocks.size();
  state.blocks.push_back(block.get());
  state.used += bytes;
  return block;
}

void Context::release(DeviceBlock& block) {
  State& state = *state_;
  state.used -= block.bytes;
  if (block.address != 0) {
    // A failure means that the context is dead; the next call reports it.
    const Driver& driver = state.driver();
    if (deviceCount() > 1) static_cast<void>(driver.ctxSetCurrent(state.lease.life().context()));
    if (state.lease.life().pool()) {
      static_cast<void>(driver.memFreeAsync(block.address, state.lease.stream()));
    } else {
      static_cast<void>(driver.streamSynchronize(state.lease.stream()));
      static_cast<void>(driver.memFree(block.address));
    }
  }
  state.blocks[block.place] = state.blocks.back();
  state.blocks[block.place]->place = block.place;
  state.blocks.pop_back();
  block.owner = nullptr;
  block.address = 0;
}

void Context::copyIn(std::uint64_t to, const void* from, std::size_t bytes) {
  State& state = *state_;
  if (deviceCount() > 1) makeCurrent();
  auto* source = static_cast<const std::byte*>(from);
  while (bytes > 0) {
    if (state.stagedBytes >= kMaxStagedOfTask) synchronize();
    auto block = state.lease.life().takeStaging(bytes);
    if (!block) {
      state.note(block.error());
      state.device.raise(block.error(), "taking pinned memory for a copy");
    }
    std::size_t part = std::min(bytes, block.value().size());
    std::memcpy(block.value().data(), source, part);
    state.stagedBytes += block.value().size();
    state.staged.push_back(std::move(block).value());
    state.must(state.driver().memcpyHtoDAsync(to, state.staged.back().data(), part,
                                              state.lease.stream()),
               "cuMemcpyHtoDAsync");
    source += part;
    to += part;
    bytes -= part;
  }
}

void Context::copyOut(void* to, std::uint64_t from, std::size_t bytes) {
  State& state = *state_;
  if (deviceCount() > 1) makeCurrent();
  auto* target = static_cast<std::byte*>(to);
  while (bytes > 0) {
    if (state.stagedBytes >= kMaxStagedOfTask) synchronize();
    auto block = state.lease.life().takeStaging(bytes);
    if (!block) {
      state.note(block.error());
      state.device.raise(block.error(), "taking pinned memory for a copy");
    }
    std::size_t part = std::min(bytes, block.value().size());
    state.stagedBytes += block.value().size();
    state.staged.push_back(std::move(block).value());
    state.must(state.driver().memcpyDtoHAsync(state.staged.back().data(), from, part,
                                              state.lease.stream()),
               "cuMemcpyDtoHAsync");
    state.deliveries.push_back({target, state.staged.size() - 1, part});
    target += part;
    from += part;
    bytes -= part;
  }
}

std::uintptr_t Context::takeInput(std::span<const std::byte> bytes) {
  if (bytes.empty()) return 0;
  OwnedBlock block = allocateBytes(1, bytes.size());
  std::uint64_t address = block->address;
  state_->must(state_->driver().memcpyHtoDAsync(address, bytes.data(), bytes.size(),
                                                state_->lease.stream()),
               "cuMemcpyHtoDAsync", "copying an input");
  state_->inputs.push_back(std::move(block));
  return static_cast<std::uintptr_t>(address);
}

void Context::copyResult(std::uint64_t from, std::span<std::byte> to, Context* owner) {
  if (to.empty()) return;
  // The result may lie on another of the task's devices.
  Context& home = owner ? *owner : *this;
  if (deviceCount() > 1) home.makeCurrent();
  State& state = *home.state_;
  state.must(state.driver().memcpyDtoHAsync(to.data(), from, to.size(), state.lease.stream()),
             "cuMemcpyDtoHAsync", "copying the result home");
}

void Context::copyAcross(std::uint64_t to, std::uint64_t from, std::size_t bytes, Context& of) {
  State& state = *state_;
  const Driver& driver = state.driver();
  if (bytes == 0) return;
  if (&of == this) {
    state.must(driver.memcpyDtoDAsync(to, from, bytes, state.lease.stream()), "cuMemcpyDtoDAsync");
    return;
  }
  // Behind what the other device has been given, and the other's later work behind the copy, since
  // it may free or overwrite the source.
  auto follow = [&](Context& later, Context& earlier) {
    earlier.makeCurrent();
    auto event = createEvent(driver);
    if (!event) {
      earlier.state_->note(event.error());
      earlier.state_->device.raise(event.error(), "");
    }
    earlier.state_->must(driver.eventRecord(event.value().get(), earlier.stream()),
                         "cuEventRecord");
    later.makeCurrent();
    later.state_->must(driver.streamWaitEvent(later.stream(), event.value().get(), 0),
                       "cuStreamWaitEvent");
    earlier.makeCurrent();  // the event is destroyed in its own context
  };
  follow(*this, of);
  makeCurrent();
  state.must(driver.memcpyPeerAsync(to, state.lease.life().context(), from,
                                    of.state_->lease.life().context(), bytes,
                                    state.lease.stream()),
             "cuMemcpyPeerAsync");
  follow(of, *this);
  state.first.makeCurrent();
}

void Context::fillBytes(std::uint64_t to, std::uint8_t byte, std::size_t bytes) {
  if (bytes == 0) return;
  if (deviceCount() > 1) makeCurrent();
  state_->must(state_->driver().memsetD8Async(to, byte, bytes, state_->lease.stream()),
               "cuMemsetD8Async");
}

void Context::launchKernel(const Launch& launch) {
  State& state = *state_;
  KernelTable& table = state.lease.life().kernels();
  if (deviceCount() > 1) makeCurrent();
  auto must = [&](const LaunchFault& fault) {
    if (!fault.error) throw InvalidError(state.device.title() + ": " + fault.why);
    state.note(*fault.error);
    state.device.raise(*fault.error, fault.why);
  };
  if (state.kernelsOf != table.generation()) state.kernels.clear();
  state.kernelsOf = table.generation();
  const LoadedKernel* kernel = nullptr;
  for (const LoadedKernel* known : state.kernels) {
    if (known->is(launch)) kernel = known;
  }
  if (!kernel) {
    LaunchFault fault;
    kernel = table.find(launch, fault);
    if (!kernel) must(fault);
    state.kernels.push_back(kernel);
  }
  if (auto fault = table.launch(*kernel, launch, state.lease.stream())) must(*fault);
}

void Context::synchronize() {
  State& state = *state_;
  if (deviceCount() > 1) makeCurrent();
  state.must(state.driver().streamSynchronize(state.lease.stream()), "cuStreamSynchronize");
  for (const Delivery& delivery : state.deliveries) {
    std::memcpy(delivery.to, state.staged[delivery.staged].data(), delivery.bytes);
  }
  state.releaseStaged();
}

void Context::checkFits(std::size_t elements, std::size_t room) {
  if (elements <= room) return;
  throw InvalidError("a copy of " + std::to_string(elements) + " elements into room for " +
                     std::to_string(room));
}

}  // namespace alnilam::gpu
