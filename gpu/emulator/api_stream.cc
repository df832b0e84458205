// Streams, host functions and events.

#include "gpu/emulator/api_common.h"

#include <algorithm>
#include <map>

namespace alnilam::gpu::emulator::api {

Stream* streamOf(Context& current, CUstream handle) {
  auto value = reinterpret_cast<std::uintptr_t>(handle);
  if (value == 0 || value == kStreamLegacy || value == kStreamPerThread) {
    return current.defaultStream.get();
  }
  return lookUp<Stream>(handle);
}

void put(Stream& stream, Stream::Work work, bool isBrief) {
  Context& context = *stream.context();
  bool clocks = context.machine.races != nullptr;  // which past work has as well
  std::vector<std::shared_ptr<Ticket>> before;
  if (&stream == context.defaultStream.get()) {
    std::lock_guard lock(context.mutex);
    for (Stream* other : context.streams) {
      if (other->flags() & CU_STREAM_NON_BLOCKING) continue;
      auto ticket = other->mark();
      if (clocks || !ticket->isComplete()) before.push_back(std::move(ticket));
    }
  } else if (!(stream.flags() & CU_STREAM_NON_BLOCKING)) {
    if (clocks || !context.defaultStream->isIdle()) {
      before.push_back(context.defaultStream->mark());
    }
  }
  if (!before.empty()) {
    isBrief = false;
    work = [&stream, before = std::move(before), work = std::move(work)] {
      for (auto& ticket : before) stream.waitFor(*ticket);
      work();
    };
  }
  if (isBrief) {
    stream.enqueueOrDo(std::move(work), hostMoment(), Trace::current());
  } else {
    stream.enqueue(std::move(work), hostMoment(), Trace::current());
  }
}

void take(Stream& stream, const Taken& what, std::chrono::nanoseconds length) {
  std::chrono::nanoseconds begin = stream.here().time;
  if (what.engine) begin = what.engine->reserve(begin, length, what.amount);
  stream.advanceTo({begin + length, nullptr});
  Context& context = *stream.context();
  if (Trace* trace = context.machine.trace.get()) {
    trace->work({stream.call(), context.device.ordinal, what.engine ? what.engine->name() : "host",
                 what.kind, what.name.empty() ? std::string_view(what.kind) : what.name,
                 stream.id(), begin, begin + length, what.bytes, what.amount});
  }
}

bool touch(Stream& stream, std::string_view name, const Accesses& accesses) {
  Context& context = *stream.context();
  Races* races = context.machine.races.get();
  if (!races || !stream.here().clock) return true;
  Races::Work work{std::string(name), stream.id(), stream.number(), stream.here().clock};
  // By region: bytes of each kind that lie in it.
  std::map<std::pair<int, std::uint64_t>, std::pair<Region, Accesses>> byRegion;
  std::optional<std::uint64_t> gone;  // device memory that was given back while the work ran
  for (std::size_t kind = 0; kind < kAccesses; ++kind) {
    Region region;
    for (Bytes run : accesses.runs[kind]) {
      while (run.from < run.to) {
        if (run.from - region.base >= region.size) region = context.machine.regionOf(run.from);
        if (region.size == 0) {
          if (context.machine.deviceOf(run.from)) gone = run.from;
          break;
        }
        std::uint64_t end = std::min(run.to, region.base + region.size);
        auto& mine = byRegion[region.key()];
        mine.first = region;
        mine.second.runs[kind].push_back({run.from, end});
        run.from = end;
      }
    }
  }
  std::optional<std::string> race;
  for (auto& [key, mine] : byRegion) {
    auto found = races->check(mine.first, work, std::move(mine.second));
    if (found && !race) race = std::move(found);
    bool isThere = key.first < 0 || context.machine.regionOf(mine.first.base).key() == key;
    if (!isThere) gone = mine.first.base;
  }
  if (gone && !race) race = races->gone(work, context.machine.explain(*gone));
  if (!race) return true;
  if (context.machine.config.race == RaceMode::on) {
    context.fail(gone ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_ERROR_LAUNCH_FAILED, *race);
    return false;
  }
  report(*race);
  return true;
}
bool touch(Stream& stream, std::string_view name, std::uint64_t address, std::uint64_t size,
           Access access) {
  if (!stream.context()->machine.races) return true;
  Accesses accesses;
  accesses.of(access).push_back({address, address + size});
  return touch(stream, name, accesses);
}
bool giveBack(Device& device, std::uint64_t address) {
  Region region = machine()->regionOf(address);
  if (!device.memory.free(address)) return false;
  if (Races* races = machine()->races.get()) races->forget(region);
  return true;
}

void await(Ticket& ticket) { hostSaw(ticket.wait()); }

void trimPools(Device& device) {
  Pool* pools[] = {&device.defaultPool, device.currentPool.load()};
  for (Pool* pool : pools) {
    std::uint64_t keep = 0;
    {
      std::lock_guard lock(pool->mutex);
      keep = pool->threshold;
    }
    pool->trim(keep);
  }
}

void synchronize(Context& context) {
  std::vector<std::shared_ptr<Ticket>> all;
  auto markAll = [&all](Context& its) {
    all.push_back(its.defaultStream->mark());
    for (Stream* stream : its.streams) all.push_back(stream->mark());
  };
  {
    std::lock_guard lock(context.mutex);
    markAll(context);
    for (Context* part : context.greens) {
      std::lock_guard partLock(part->mutex);
      markAll(*part);
    }
  }
  for (auto& ticket : all) await(*ticket);
  trimPools(context.device);
}

CUresult makeStream(Context& context, unsigned flags, int priority, CUstream* handle) {
  if (priority > 0) priority = 0;  // out of range is clamped, as the driver does
  if (priority < -5) priority = -5;
  auto* stream = new Stream(&context, flags, priority, ++machine()->lastId);
  {
    std::lock_guard lock(context.mutex);
    context.streams.insert(stream);
  }
  machine()->add(stream);
  *handle = reinterpret_cast<CUstream>(stream);
  return CUDA_SUCCESS;
}
CUresult streamCreateWithPriority(CUstream* handle, unsigned flags, int priority) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!handle || flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  return makeStream(*context, flags, priority, handle);
}
CUresult streamCreate(CUstream* handle, unsigned flags) {
  return streamCreateWithPriority(handle, flags, 0);
}
CUresult streamDestroy(CUstream handle) {
  ALNILAM_ENTER();
  auto* stream = lookUp<Stream>(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  machine()->remove(stream);
  Context& context = *stream->context();
  {
    std::lock_guard lock(context.mutex);
    context.streams.erase(stream);
  }
  delete stream;  // finishes what is queued
  return CUDA_SUCCESS;
}
CUresult streamQuery(CUstream handle) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  auto idleAt = stream->idleAt();
  if (!idleAt) return CUDA_ERROR_NOT_READY;
  hostSaw(*idleAt);
  return stream->context()->state();
}
CUresult streamSynchronize(CUstream handle) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  Context& its = *stream->context();
  await(*stream->mark());
  trimPools(its.device);
  return its.state();
}
CUresult streamWaitEvent(CUstream handle, CUevent eventHandle, unsigned flags) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, handle);
  auto* event = lookUp<Event>(eventHandle);
  if (!stream || !event) return CUDA_ERROR_INVALID_HANDLE;
  if (flags > 1) return CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<Ticket> ticket;
  {
    std::lock_guard lock(event->mutex);
    ticket = event->recorded;
  }
  // An event that was never recorded holds nobody up; one that is past already moves the stream's
  // time, and its thread has nothing to wait for.
  if (ticket) put(*stream, [stream, ticket] { stream->waitFor(*ticket); }, ticket->isComplete());
  return CUDA_SUCCESS;
}
CUresult streamGetCtx(CUstream handle, CUcontext* out) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = reinterpret_cast<CUcontext>(stream->context());
  return CUDA_SUCCESS;
}
CUresult streamGetId(CUstream handle, unsigned long long* id) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!id) return CUDA_ERROR_INVALID_VALUE;
  *id = stream->id();
  return CUDA_SUCCESS;
}

CUresult launchHostFunc(CUstream handle, CUhostFn function, void* userData) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!function) return CUDA_ERROR_INVALID_VALUE;
  Context* its = stream->context();
  put(*stream, [its, stream, function, userData] {
    // As the driver: a context that has failed calls nobody any more.
    if (its->primary().failure.load() != CUDA_SUCCESS || its->device.lost) return;
    take(*stream, {"hostFunction", {}, nullptr, 0, 0}, {});
    // Whoever is told by it may act on it at once.
    if (Races* races = its->machine.races.get()) races->hostLearns(stream->here().clock);
    std::int64_t now = stream->here().time.count(), told = its->machine.told.load();
    while (told < now && !its->machine.told.compare_exchange_weak(told, now)) {}
    Stream::inHostFunction() = stream->id();
    function(userData);
    Stream::inHostFunction() = 0;
  });
  return CUDA_SUCCESS;
}

CUresult eventCreate(CUevent* handle, unsigned flags) {
  ALNILAM_ENTER_CONTEXT(context);
  if (!handle || flags > 7) return CUDA_ERROR_INVALID_VALUE;
  auto* event = new Event;
  event->context = context;
  event->flags = flags;
  {
    std::lock_guard lock(context->mutex);
    context->events.insert(event);
  }
  machine()->add(event);
  *handle = reinterpret_cast<CUevent>(event);
  return CUDA_SUCCESS;
}
CUresult eventDestroy(CUevent handle) {
  ALNILAM_ENTER();
  auto* event = lookUp<Event>(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  machine()->remove(event);
  {
    std::lock_guard lock(event->context->mutex);
    event->context->events.erase(event);
  }
  delete event;  // those that wait for it hold its ticket
  return CUDA_SUCCESS;
}
CUresult eventRecord(CUevent handle, CUstream streamHandle) {
  ALNILAM_ENTER_CONTEXT(context);
  Stream* stream = streamOf(*context, streamHandle);
  auto* event = lookUp<Event>(handle);
  if (!stream || !event) return CUDA_ERROR_INVALID_HANDLE;
  if (event->context != stream->context()) {
    report("an event of " + event->context->title() + " was recorded on a stream of " +
           stream->context()->title());
    return CUDA_ERROR_INVALID_HANDLE;
  }
  auto ticket = std::make_shared<Ticket>();
  put(*stream, [stream, ticket] { ticket->complete(stream->here()); }, true);
  std::lock_guard lock(event->mutex);
  event->recorded = std::move(ticket);
  return CUDA_SUCCESS;
}
CUresult eventQuery(CUevent handle) {
  ALNILAM_ENTER();
  auto* event = lookUp<Event>(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult state = event->context->state(); state != CUDA_SUCCESS) return state;
  std::lock_guard lock(event->mutex);
  if (!event->recorded) return CUDA_SUCCESS;
  if (!event->recorded->isComplete()) return CUDA_ERROR_NOT_READY;
  await(*event->recorded);
  return CUDA_SUCCESS;
}
CUresult eventSynchronize(CUevent handle) {
  ALNILAM_ENTER();
  auto* event = lookUp<Event>(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  std::shared_ptr<Ticket> ticket;
  {
    std::lock_guard lock(event->mutex);
    ticket = event->recorded;
  }
  if (ticket) await(*ticket);
  return event->context->state();
}
CUresult eventElapsedTime(float* milliseconds, CUevent startHandle, CUevent endHandle) {
  ALNILAM_ENTER();
  auto* start = lookUp<Event>(startHandle);
  auto* end = lookUp<Event>(endHandle);
  if (!start || !end || !milliseconds) return CUDA_ERROR_INVALID_HANDLE;
  if ((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING) return CUDA_ERROR_INVALID_HANDLE;
  std::shared_ptr<Ticket> from, to;
  {
    std::lock_guard lock(start->mutex);
    from = start->recorded;
  }
  {
    std::lock_guard lock(end->mutex);
    to = end->recorded;
  }
  if (!from || !to) return CUDA_ERROR_INVALID_HANDLE;
  if (!from->isComplete() || !to->isComplete()) return CUDA_ERROR_NOT_READY;
  *milliseconds =
      static_cast<float>(static_cast<double>((to->when().time - from->when().time).count()) / 1e6);
  return CUDA_SUCCESS;
}

}  // namespace alnilam::gpu::emulator::api
