#include "gpu/device/device.h"

#include "core/api/errors.h"
#include "core/engine/device_host.h"
#include "gpu/device/pinned_arena.h"
#include "gpu/device/pipeline.h"

#include <algorithm>
#include <atomic>
#include <bit>

namespace alnilam::gpu {
namespace {

DriverResult<MemoryPool> createPool(const Driver& driver, CUdevice device) {
  int supported = 0;
  CUresult code = driver.deviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED,
                                            device);
  if (code != CUDA_SUCCESS || !supported) return MemoryPool();
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.handleTypes = CU_MEM_HANDLE_TYPE_NONE;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, device};
  CUmemoryPool raw = nullptr;
  if (auto error = check(driver.memPoolCreate(&raw, &properties), "cuMemPoolCreate")) return *error;
  MemoryPool pool(driver, raw);
  // Freed memory stays with the pool: giving it back at every synchronisation would make each task
  // pay for mapping it again.
  std::uint64_t keep = UINT64_MAX;
  if (auto error = check(driver.memPoolSetAttribute(raw, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep),
                         "cuMemPoolSetAttribute")) {
    return *error;
  }
  return pool;
}

// Of a device's memory, the part that may hold results which no task is using.
constexpr Bytes kResidentPart = 4;

// One of those that are kept, else a new one.
template <typename One, typename Make>
auto kept(std::vector<One>& idle, Make&& make) -> decltype(make()) {
  if (idle.empty()) return make();
  One one(std::move(idle.back()));
  idle.pop_back();
  return one;
}

// In how many contexts a task tries to begin that die before it has.
constexpr int kMostTries = 8;

std::atomic<std::uint64_t> lastLife{0};

}  // namespace

Life::Life(const Driver& driver, PrimaryContext context, Bytes mostResident, PinnedArena& arena)
    : driver_(driver),
      serial_(++lastLife),
      arena_(arena),
      context_(std::move(context)),
      kernels_(driver, context_.device()),
      residents_(driver, context_.get(), mostResident),
      parts_(driver, context_.device()) {}

DriverResult<std::unique_ptr<Life>> Life::begin(const Driver& driver, CUdevice device,
                                                Bytes mostResident, PinnedArena& arena) {
  auto context = PrimaryContext::retain(driver, device);
  if (!context) return context.error();
  std::unique_ptr<Life> life(new Life(driver, std::move(context).value(), mostResident, arena));
  CurrentContext current(driver, life->context());
  if (auto error = current.error()) return *error;
  auto refused = check(driver.ctxGetStreamPriorityRange(&life->leastPriority_,
                                                        &life->greatestPriority_),
                       "cuCtxGetStreamPriorityRange");
  if (refused) return *refused;
  auto pool = createPool(driver, device);
  if (!pool) return pool.error();
  life->pool_ = std::move(pool).value();
  return life;
}

int Life::priorityOf(const Pipeline& pipeline) const {
  return streamPriority(pipeline.share(), leastPriority_, greatestPriority_);
}

Life::~Life() {
  CurrentContext current(driver_, context_.get());
  residents_.clear();
  idle_.clear();
  events_.clear();
  parts_.clear();
  staging_.clear();
  arena_.unpinAllOf(*this);
  kernels_.clear();
  pool_ = MemoryPool();
}

void Life::reach(const Life& other) {
  {
    std::lock_guard lock(mutex_);
    if (!reached_.insert(other.serial_).second) return;
  }
  static_cast<void>(driver_.ctxEnablePeerAccess(other.context(), 0));
  if (!other.pool()) return;
  CUmemAccessDesc here{};
  here.location = {CU_MEM_LOCATION_TYPE_DEVICE, context_.device()};
  here.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  static_cast<void>(driver_.memPoolSetAccess(other.pool(), &here, 1));
}

DriverResult<Staging> Life::takeStaging(std::size_t bytes) {
  std::size_t size = std::bit_ceil(std::clamp(bytes, kMinStaging, kMaxStaging));
  {
    std::lock_guard lock(mutex_);
    for (Staging& block : staging_) {
      if (block.size() != size) continue;
      std::swap(block, staging_.back());
      Staging taken = std::move(staging_.back());
      staging_.pop_back();
      kept_ -= size;
      return taken;
    }
  }
  auto memory = allocateHost(driver_, size);
  if (!memory) return memory.error();
  return Staging(std::move(memory).value(), size);
}

void Life::giveStaging(Staging block) {
  {
    std::lock_guard lock(mutex_);
    if (kept_ + block.size() <= kMaxKept) {
      kept_ += block.size();
      staging_.push_back(std::move(block));
      return;
    }
  }
  CurrentContext current(driver_, context());
  Staging surplus = std::move(block);
}

Device::Device(const Driver& driver, int ordinal, std::uint32_t index, Gpu gpu,
               PinnedArena& arena)
    : driver_(driver),
      arena_(arena),
      ordinal_(ordinal),
      index_(index),
      gpu_(std::move(gpu)),
      label_(gpu_.label()),
      completions_([this](auto& passed) { return settle(passed); }, [this] { return look(); }) {}

Device::~Device() {
  ALNILAM_ASSERT(attached_.empty());
  completions_.stop();
  life_.reset();  // while late host functions still find their queue
}

std::string Device::title() const { return "GPU " + std::to_string(index_) + " (" + label_ + ")"; }

// ---- Coming and going.

void Device::enter(Pipeline& pipeline, Passage& passage) {
  Lock lock(mutex_);
  bool alone = suspects_.contains(passage.task());
  if (alone) {
    ++waitingAlone_;
    changed_.wait(lock, [this] { return inside_ == 0; });
    --waitingAlone_;
    alone_ = true;
  } else {
    changed_.wait(lock, [this] { return !alone_ && waitingAlone_ == 0; });
  }
  ++inside_;
  ++begun_;
  passage.pipeline_ = &pipeline;
  try {
    attach(pipeline, passage, lock);
  } catch (...) {
    leave(passage, alone);
    throw;
  }
  pipeline.inside_ = &passage;
  passage.began_ = Passage::Clock::now();
}

// Gives the pipeline its place in the living context, making one if need be.
void Device::attach(Pipeline& pipeline, Passage& passage, Lock& lock) {
  for (int tries = 1;; ++tries) {
    changed_.wait(lock, [this] { return !life_ || !life_->wrong_ || isVacant(); });
    if (life_ && life_->wrong_) {
      life_.reset();
      ++rebuilds_;
    }
    if (!life_) {
      CUdevice device = 0;
      if (auto error = check(driver_.deviceGet(&device, ordinal_), "cuDeviceGet")) {
        raise(*error, "");
      }
      auto begun = Life::begin(driver_, device, gpu_.memory / kResidentPart, arena_);
      if (!begun) raise(begun.error(), "making a context");
      life_ = std::move(begun).value();
    }
    auto failed = check(driver_.ctxSetCurrent(life_->context()), "cuCtxSetCurrent");
    if (!failed && !pipeline.life_) failed = settleIn(pipeline, *life_);
    if (!failed) {
      auto behind = eventFor(pipeline, *life_);
      if (behind) passage.behind_ = std::move(behind).value();
      else failed = behind.error();
    }
    if (!failed) return;
    Severity severity = failed->severity();
    if (severity == Severity::context || severity == Severity::device) {
      if (!life_->wrong_) life_->wrong_ = failed;
      completions_.wake();
    }
    // The context died by another's hand: this one begins in the next.
    if (severity != Severity::context || tries == kMostTries) raise(*failed, "");
  }
}

DriverResult<Event> Device::eventFor(Pipeline& pipeline, Life& life) {
  if (!pipeline.part_) return kept(life.events_, [this] { return createEvent(driver_); });
  CurrentContext current(driver_, pipeline.part_->context());
  return kept(pipeline.part_->events(), [this] { return createEvent(driver_); });
}

std::optional<DriverError> Device::settleIn(Pipeline& pipeline, Life& life) {
  int priority = life.priorityOf(pipeline);
  std::vector<Stream>& idle = life.idle_[priority];
  auto make = [&] { return createStream(driver_, CU_STREAM_NON_BLOCKING, priority); };
  SmParts::Part* part = life.parts_.take(pipeline.share());
  auto compute = part ? part->stream(driver_, priority) : kept(idle, make);
  auto tail = compute ? kept(idle, make) : compute.error();
  if (!tail) {
    if (part) life.parts_.giveBack(part);
    return tail.error();
  }
  pipeline.part_ = part;
  pipeline.compute_ = std::move(compute).value();
  pipeline.tail_ = std::move(tail).value();
  pipeline.life_ = &life;
  attached_.push_back(&pipeline);
  return std::nullopt;
}

void Device::openIntake(Pipeline& pipeline) {
  Lock lock(mutex_);
  Life& life = *pipeline.life_;
  auto event = kept(life.events_, [this] { return createEvent(driver_); });
  if (!event) return;
  int priority = life.priorityOf(pipeline);
  auto stream = kept(life.idle_[priority], [&] {
    return createStream(driver_, CU_STREAM_NON_BLOCKING, priority);
  });
  if (!stream) return life.events_.push_back(std::move(event).value());
  pipeline.arrived_ = std::move(event).value();
  pipeline.intake_ = std::move(stream).value();
}

void Device::withdraw(Pipeline& pipeline, Passage& passage) {
  Lock lock(mutex_);
  pipeline.inside_ = nullptr;
  leave(passage, suspects_.contains(passage.task()));
  if (pipeline.life_->wrong_) completions_.wake();
}

Completions::Ticket* Device::handOver(Pipeline& pipeline, Passage& passage) {
  Completions::Ticket* ticket = nullptr;
  {
    Lock lock(mutex_);
    pipeline.inside_ = nullptr;
    pipeline.sent_.push_back(&passage);
    ++pipeline.underWay_;
    if (!pipeline.life_->wrong_) {
      if (freeTickets_.empty()) {
        ticket = &tickets_.emplace_back();
        ticket->queue = &completions_;
      } else {
        ticket = freeTickets_.back();
        freeTickets_.pop_back();
      }
      ticket->subject = &passage;
      passage.ticket_ = ticket;
      pipeline.sending_ = true;
    }
  }
  if (ticket) completions_.watch();
  else completions_.wake();
  return ticket;
}

void Device::handedOver(Pipeline& pipeline) {
  Lock lock(mutex_);
  pipeline.sending_ = false;
  if (pipeline.life_->wrong_) completions_.wake();
}

void Device::detach(Pipeline& pipeline) {
  Lock lock(mutex_);
  ALNILAM_ASSERT(!pipeline.inside_ && pipeline.sent_.empty());
  if (pipeline.life_) letGo(pipeline);
}

// What it had of the Life goes back to it; of a dead one too, to be destroyed with the context.
void Device::letGo(Pipeline& pipeline) {
  Life& life = *pipeline.life_;
  std::vector<Stream>& idle = life.idle_[life.priorityOf(pipeline)];
  idle.push_back(std::move(pipeline.tail_));
  if (pipeline.intake_) {
    idle.push_back(std::move(pipeline.intake_));
    life.events_.push_back(std::move(pipeline.arrived_));
  }
  if (SmParts::Part* part = std::exchange(pipeline.part_, nullptr)) {
    part->keep(std::move(pipeline.compute_), life.priorityOf(pipeline));
    life.parts_.giveBack(part);
  } else {
    idle.push_back(std::move(pipeline.compute_));
  }
  pipeline.kernels_.clear();
  pipeline.life_ = nullptr;
  std::erase(attached_, &pipeline);
  changed_.notify_all();
}

void Device::leave(Passage& passage, bool undone) {
  --inside_;
  alone_ = false;
  if (passage.behind_) {
    const Pipeline& pipeline = *passage.pipeline_;
    auto& idle = pipeline.part_ ? pipeline.part_->events() : pipeline.life_->events_;
    idle.push_back(std::move(passage.behind_));
  }
  if (undone) suspects_.insert(passage.task());
  else suspects_.erase(passage.task());
  if (inside_ == 0 || waitingAlone_ == 0) changed_.notify_all();
}

void Device::left(Pipeline& pipeline) {
  Lock lock(mutex_);
  if (--pipeline.underWay_ == 0) changed_.notify_all();
}

void Device::drain(Pipeline& pipeline) {
  Lock lock(mutex_);
  changed_.wait(lock, [&] { return pipeline.underWay_ == 0 || pipeline.life_->wrong_; });
}

Device::Guest Device::visit(ObjectId object) {
  Lock lock(mutex_);
  if (!life_ || life_->wrong_) return {};
  Residents::Resident* resident = life_->residents().use(object);
  if (!resident) return {};
  ++life_->guests_;
  return {life_.get(), resident};
}

Device::Guest Device::visit(std::uint64_t life) {
  Lock lock(mutex_);
  if (!life_ || life_->wrong_ || life_->serial() != life) return {};
  ++life_->guests_;
  return {life_.get(), nullptr};
}

void Device::leaveGuest(const Guest& guest) {
  if (guest.resident) guest.life->residents().letGo(guest.resident);
  Lock lock(mutex_);
  if (--guest.life->guests_ == 0) changed_.notify_all();
}

void Device::forget(ObjectId object) {
  Lock lock(mutex_);
  if (life_) life_->residents().drop(object);
}

bool Device::canCopyFrom(const Device& other) const {
  CUdevice here = 0, there = 0;
  int can = 0;
  return driver_.deviceGet(&here, ordinal_) == CUDA_SUCCESS &&
         driver_.deviceGet(&there, other.ordinal_) == CUDA_SUCCESS &&
         driver_.deviceCanAccessPeer(&can, here, there) == CUDA_SUCCESS && can != 0;
}

// ---- Ends.

void Device::condemn(Life& life, const DriverError& error) {
  Lock lock(mutex_);
  if (!life.wrong_) life.wrong_ = error;
  changed_.notify_all();
  completions_.wake();
}

std::size_t Device::settle(std::vector<Completions::Passed>& passed) {
  std::vector<std::pair<Passage*, Passage::End>> ended;
  {
    Lock lock(mutex_);
    for (const Completions::Passed& one : passed) {
      auto* passage = static_cast<Passage*>(std::exchange(one.ticket->subject, nullptr));
      freeTickets_.push_back(one.ticket);
      if (!passage) continue;  // its Life was buried meanwhile
      Pipeline& pipeline = *passage->pipeline_;
      std::erase(pipeline.sent_, passage);
      Passage::End end;
      end.ran = one.at - std::max(passage->began_, pipeline.lastEnd_);
      pipeline.lastEnd_ = one.at;
      leave(*passage, false);
      ended.emplace_back(passage, end);
    }
  }
  {
    EndsTogether together;
    for (auto& [passage, end] : ended) passage->over(end);
  }
  bury();
  Lock lock(mutex_);
  return inside_;
}

// Ends what is under way in a dead Life, and lets go of it where nothing is.
void Device::bury() {
  std::vector<std::pair<Passage*, Passage::End>> lost;
  {
    Lock lock(mutex_);
    if (!life_ || !life_->wrong_) return;
    Life& life = *life_;
    if (life.unfinished_ == 0) {
      for (const Pipeline* pipeline : attached_) {
        life.unfinished_ += pipeline->sent_.size() + (pipeline->inside_ ? 1 : 0);
      }
    }
    bool gone = life.wrong_->severity() == Severity::device;
    Passage::End end;
    end.how = gone || life.unfinished_ == 1 ? Passage::End::How::failed
                                            : Passage::End::How::undone;
    end.wrong = life.wrong_;
    Passage::Clock::time_point now = Passage::Clock::now();
    for (Pipeline* pipeline : attached_) {
      // The last first: whoever runs them again puts each before those that are there already.
      for (; !pipeline->sent_.empty(); pipeline->sent_.pop_back()) {
        Passage* passage = pipeline->sent_.back();
        if (passage->ticket_) passage->ticket_->subject = nullptr;
        end.ran = now - std::max(passage->began_, pipeline->lastEnd_);
        leave(*passage, end.how == Passage::End::How::undone);
        lost.emplace_back(passage, end);
      }
    }
  }
  for (auto& [passage, end] : lost) passage->over(end);
  Lock lock(mutex_);
  if (!life_ || !life_->wrong_) return;  // all had left, and the next Life has begun
  for (std::size_t i = attached_.size(); i-- > 0;) {
    Pipeline* pipeline = attached_[i];
    if (!pipeline->inside_ && !pipeline->sending_ && pipeline->sent_.empty()) letGo(*pipeline);
  }
}

// Asks whether the context is still sound if anything is under way.
Completions::Next Device::look() {
  Lock lock(mutex_);
  const Pipeline* busy = nullptr;
  for (const Pipeline* pipeline : attached_) {
    if (!pipeline->sent_.empty()) busy = pipeline;
  }
  if (!busy) return trim();
  Life& life = *life_;
  if (life.wrong_) return Completions::Next::soon;
  CurrentContext current(driver_, life.context());
  auto error = current.error();
  if (!error) error = check(driver_.streamQuery(busy->tail_.get()), "cuStreamQuery");
  if (error && error->severity() != Severity::retry && error->severity() != Severity::call) {
    life.wrong_ = error;
    changed_.notify_all();
  }
  return Completions::Next::soon;
}

// Of a device with nothing under way: gives back what its pool keeps if it was so at the last look.
Completions::Next Device::trim() {
  bool isIdle = inside_ == 0 && std::exchange(begunAtLook_, begun_) == begun_;
  if (!isIdle) return Completions::Next::later;
  if (life_ && !life_->wrong_ && life_->pool()) {
    CurrentContext current(driver_, life_->context());
    static_cast<void>(driver_.memPoolTrimTo(life_->pool(), 0));
  }
  return Completions::Next::never;
}

std::optional<DeviceMemoryUse> Device::memoryUse() {
  Lock lock(mutex_);
  if (life_ && !life_->wrong_ && life_->pool()) {
    auto ask = [this](CUmemPool_attribute which) {
      std::uint64_t bytes = 0;
      static_cast<void>(driver_.memPoolGetAttribute(life_->pool(), which, &bytes));
      return Bytes{bytes};
    };
    use_.used = ask(CU_MEMPOOL_ATTR_USED_MEM_CURRENT);
    use_.reserved = ask(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
    use_.mostUsed = std::max(use_.mostUsed, ask(CU_MEMPOOL_ATTR_USED_MEM_HIGH));
    use_.mostReserved = std::max(use_.mostReserved, ask(CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH));
  } else {
    use_.used = use_.reserved = 0;
  }
  if (use_.mostReserved == 0) return std::nullopt;
  use_.gpu = index_;
  return use_;
}

std::uint64_t Device::rebuilds() const {
  Lock lock(mutex_);
  return rebuilds_;
}

std::string Device::describe(const DriverError& error, const std::string& what) const {
  std::string text = title() + ": " + gpu::describe(driver_, error);
  if (!what.empty()) text += ", " + what;
  return text;
}

void Device::raise(const DriverError& error, const std::string& what) const {
  std::string text = describe(error, what);
  if (error.code == CUDA_ERROR_OUT_OF_MEMORY) throw OutOfDeviceMemory(text);
  if (error.severity() == Severity::device) throw DeviceLostError(text, index_);
  throw DeviceError(text);
}

}  // namespace alnilam::gpu
