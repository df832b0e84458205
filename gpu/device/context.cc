#include "gpu/device/context.h"

#include "core/api/errors.h"
#include "gpu/device/context_state.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace alnilam::gpu {

namespace {

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

Context::Context(Pipeline& pipeline, TaskStay& stay)
    : state_(std::make_unique<State>(pipeline, stay)) {}

Context::~Context() = default;

int Context::device() const { return static_cast<int>(state_->device.index()); }
int Context::cudaDevice() const { return state_->device.ordinal(); }
const std::string& Context::name() const { return state_->device.label(); }
bool Context::emulated() const { return state_->device.gpu().emulated; }
TaskStream Context::stream() { return {*this, state_->pipeline.compute()}; }
Bytes Context::memoryBound() const { return state_->pipeline.bound(); }
Bytes Context::memoryUsed() const { return state_->used; }

std::size_t Context::deviceCount() const { return state_->stay.contexts().size(); }

Context& Context::on(std::size_t i) {
  const auto& all = state_->stay.contexts();
  if (i >= all.size()) {
    throw DeviceError("this task has " + std::to_string(all.size()) + " device" +
                      (all.size() == 1 ? "" : "s") + ", there is no device " + std::to_string(i) +
                      " among them");
  }
  return *all[i];
}

void Context::keep(std::shared_ptr<const void> owner, const void* data) {
  state_->kept.push_back(std::move(owner));
  for (DeviceBlock* block : state_->blocks) {  // what was lent may have come back
    if (block->address == addressOf(data)) block->lent = false;
  }
}

void Context::makeCurrent() {
  state_->must(state_->driver().ctxSetCurrent(state_->pipeline.life().context()),
               "cuCtxSetCurrent");
}

// ---- Memory.

OwnedBlock Context::allocateBytes(std::size_t elementSize, std::size_t n) {
  Bytes bytes = 0;
  if (__builtin_mul_overflow(Bytes{elementSize}, Bytes{n}, &bytes)) bytes = UINT64_MAX;
  return allocateOn(state_->pipeline.compute(), bytes);
}

OwnedBlock Context::allocateOn(CUstream_st* stream, Bytes bytes) {
  State& state = *state_;
  OwnedBlock block(new DeviceBlock);
  if (bytes != 0) {
    checkBound(bytes);
    const Driver& driver = state.driver();
    CUdeviceptr address = 0;
    CUmemoryPool pool = state.pipeline.life().pool();
    auto allocate = [&] {
      if (!pool) return driver.memAlloc(&address, bytes);
      return driver.memAllocFromPoolAsync(&address, bytes, pool, stream);
    };
    if (deviceCount() > 1) makeCurrent();
    CUresult code = allocate();
    if (code == CUDA_ERROR_OUT_OF_MEMORY) {
      state.pipeline.life().residents().evictIdle();
      code = allocate();
    }
    if (code == CUDA_ERROR_OUT_OF_MEMORY) {
      // What the slot's earlier tasks use they let go of when they are over.
      state.pipeline.drain();
      state.pipeline.life().residents().evictIdle();
      // What this stream has freed comes back once the stream has passed, and what the pool keeps
      // in pieces of other sizes once it is trimmed.
      state.must(driver.streamSynchronize(state.pipeline.compute()), "cuStreamSynchronize");
      if (pool) static_cast<void>(driver.memPoolTrimTo(pool, 0));
      for (std::uint64_t late : state.lateFrees) static_cast<void>(driver.memFree(late));
      state.lateFrees.clear();
      code = allocate();
    }
    if (code == CUDA_ERROR_OUT_OF_MEMORY) {
      raiseOutOfMemory(state.device, bytes, memoryBound(), state.used);
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

void Context::checkBound(Bytes bytes) const {
  Bytes bound = memoryBound(), used = state_->used;
  if (bytes > SIZE_MAX / 2 || (bound != 0 && bytes > bound - used)) {
    raiseOutOfMemory(state_->device, bytes, bound, used);
  }
}

void Context::release(DeviceBlock& block) {
  if (block.address != 0 && deviceCount() > 1) {
    static_cast<void>(state_->driver().ctxSetCurrent(state_->pipeline.life().context()));
  }
  unlist(block);
  freeBehind(block, state_->pipeline.compute());
}

void Context::unlist(DeviceBlock& block) {
  std::vector<DeviceBlock*>& blocks = state_->blocks;
  blocks[block.place] = blocks.back();
  blocks[block.place]->place = block.place;
  blocks.pop_back();
}

// The memory is free when `stream` has passed.
void Context::freeBehind(DeviceBlock& block, CUstream_st* stream) {
  State& state = *state_;
  state.used -= block.bytes;
  if (block.address != 0) {
    // A failure means that the context is dead; the next call reports it.
    if (!state.pipeline.life().pool()) state.lateFrees.push_back(block.address);
    else static_cast<void>(state.driver().memFreeAsync(block.address, stream));
  }
  block.owner = nullptr;
  block.address = 0;
}

// ---- Work.

void Context::fillBytes(std::uint64_t to, std::uint8_t byte, std::size_t bytes) {
  if (bytes == 0) return;
  if (deviceCount() > 1) makeCurrent();
  state_->must(state_->driver().memsetD8Async(to, byte, bytes, state_->pipeline.compute()),
               "cuMemsetD8Async");
}

void Context::launchKernel(const Launch& launch) {
  State& state = *state_;
  KernelTable& table = state.pipeline.life().kernels();
  if (deviceCount() > 1) makeCurrent();
  auto must = [&](const LaunchFault& fault) {
    if (!fault.error) throw InvalidError(state.device.title() + ": " + fault.why);
    state.pipeline.note(*fault.error);
    state.device.raise(*fault.error, fault.why);
  };
  LaunchFault fault;
  const LoadedKernel* kernel = state.pipeline.kernel(launch, fault);
  if (!kernel) must(fault);
  if (auto wrong = table.launch(*kernel, launch, state.pipeline.compute())) must(*wrong);
}

void Context::synchronize() {
  State& state = *state_;
  if (deviceCount() > 1) makeCurrent();
  state.must(state.driver().streamSynchronize(state.pipeline.compute()), "cuStreamSynchronize");
  for (const State::Delivery& delivery : state.deliveries) {
    std::memcpy(delivery.to, state.staged[delivery.staged].data(), delivery.bytes);
  }
  state.releaseStaged();
}

void Context::checkFits(std::size_t elements, std::size_t room) {
  if (elements <= room) return;
  throw InvalidError("a copy of " + std::to_string(elements) + " elements into room for " +
                     std::to_string(room));
}

// ---- The end.

// Nothing here may throw: what fails is told with the task's end.
bool Context::send() {
  State& state = *state_;
  if (deviceCount() > 1) {
    static_cast<void>(state.driver().ctxSetCurrent(state.pipeline.life().context()));
  }
  state.inputs.clear();
  while (!state.blocks.empty()) {
    if (state.blocks.back()->lent) {
      state.wrong = state.device.title() + ": an array that was given out as a DLPack tensor has "
                    "not been given back when its task ended, and its memory ends with that";
    }
    release(*state.blocks.back());
  }
  state.deliveries.clear();  // nobody synchronizes any more
  CUevent behind = state.pipeline.turnToTail(state);
  for (State::Homeward& one : state.homeward) {
    try {
      state.copyHome(one.from->address, one.to);
    } catch (const Error& error) {
      state.wrong = error.what();
    }
    DeviceBlock& block = *one.from;
    state.made.push_back(state.pipeline.life().residents().keep(
        state.task(), block.address, one.to.size(), state.pipeline.compute(), behind));
    state.used -= block.bytes;
    block.owner = nullptr;
  }
  bool stays = !state.homeward.empty();
  state.homeward.clear();
  state.pipeline.send(state);
  return stays;
}

// By the completions' thread.
void Context::State::over(const End& end) {
  Life& life = pipeline.life();
  if (!lateFrees.empty()) {
    CurrentContext current(driver(), life.context());
    for (std::uint64_t address : lateFrees) static_cast<void>(driver().memFree(address));
  }
  if (end.how == End::How::over) {
    for (const Delivery& result : results) {
      std::memcpy(result.to, staged[result.staged].data(), result.bytes);
    }
  }
  releaseStaged();
  bool isGood = end.how == End::How::over && wrong.empty();
  for (Residents::Resident* result : made) life.residents().settle(result, isGood);
  letGoOfInputs();
  pipeline.left();
  stay.over(end, *this);
}

// ---- A task on all of its devices.

bool TaskStay::begin(const std::vector<std::unique_ptr<Pipeline>>& pipelines,
                     const std::vector<std::unique_ptr<Device>>& all,
                     std::span<const DeviceInput> inputs) {
  for (const auto& pipeline : pipelines) {
    contexts_.push_back(std::unique_ptr<Context>(new Context(*pipeline, *this)));
  }
  // In the order of the devices, whatever that of the slot: two tasks that wait for two devices
  // must not wait for each other.
  std::vector<Context::State*> order;
  for (auto& context : contexts_) order.push_back(context->state_.get());
  std::sort(order.begin(), order.end(), [](const Context::State* a, const Context::State* b) {
    return a->device.index() < b->device.index();
  });
  for (std::size_t i = 0; i < order.size(); ++i) {
    try {
      order[i]->pipeline.enter(*order[i]);
    } catch (...) {
      while (i-- > 0) order[i]->pipeline.withdraw(*order[i]);
      throw;
    }
  }
  Context::State& first = *contexts_.front()->state_;
  // A failure means that the context has died meanwhile; the next call reports it.
  if (order.size() > 1) {
    static_cast<void>(first.driver().ctxSetCurrent(first.pipeline.life().context()));
  }
  if (first.findInputs(all, inputs)) return true;
  first.letGoOfInputs();
  while (!order.empty()) {
    order.back()->pipeline.withdraw(*order.back());
    order.pop_back();
  }
  return false;
}

bool TaskStay::send() {
  left_ = contexts_.size();
  bool stays = false;
  // The last of them may be over, and this gone, as soon as it is sent.
  for (std::size_t i = 0, count = contexts_.size(); i < count; ++i) {
    if (contexts_[i]->send()) stays = true;
  }
  return stays;
}

void TaskStay::over(const Passage::End& end, const Context::State& where) {
  {
    std::lock_guard lock(mutex_);
    using How = DeviceEnd::How;
    bool failed = end.how == Passage::End::How::failed ||
                  (end.how == Passage::End::How::over && !where.wrong.empty());
    if (failed && end_.how != How::failed) {
      end_.how = How::failed;
      end_.why = end.wrong ? where.device.describe(*end.wrong, "") : where.wrong;
      if (end.wrong) {
        bool gone = end.wrong->severity() == Severity::device;
        end_.health = gone ? DeviceHealth::deviceLost : DeviceHealth::contextLost;
        end_.sickGpu = where.device.index();
      }
    } else if (end.how == Passage::End::How::undone && end_.how == How::over) {
      end_.how = How::undone;
      end_.why = where.device.describe(*end.wrong, "");
    }
    end_.ran = std::max<Duration>(end_.ran, end.ran);
  }
  if (--left_ > 0) return;
  DeviceTask& task = task_;
  DeviceEnd all = std::move(end_);
  delete this;
  task.ended(all);
}

}  // namespace alnilam::gpu
