#include "gpu/emulator/machine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace alnilam::gpu::emulator {
namespace {

struct Process {
  std::mutex mutex;
  std::unique_ptr<Machine> machine;
  std::atomic<Machine*> current{nullptr};
  std::mutex messageMutex;
  std::string message;
};

// Never destroyed: threads of a program that is ending may still be inside a call.
Process& process() {
  static auto* the = new Process;
  return *the;
}

}  // namespace

Machine* machine() { return process().current.load(std::memory_order_acquire); }

Result<bool> configureMachine(const std::string& text) {
  std::lock_guard lock(process().mutex);
  Machine* old = process().machine.get();
  if (old && old->text == text) return true;
  auto config = parseConfig(text);
  if (!config) return config.error();
  const char* wanted = std::getenv("ALNILAM_EMULATED_TRACE");
  if (config.value().trace.empty() && wanted) config.value().trace = wanted;
  if (const char* race = std::getenv("ALNILAM_EMULATED_RACE")) {
    auto mode = raceModeOf(race);
    if (!mode) {
      return Refusal{RefusalCode::invalid, "ALNILAM_EMULATED_RACE is on, count or off, and not '" +
                                               std::string(race) + "'"};
    }
    if (config.value().race == RaceMode::off) config.value().race = *mode;
  }
  if (old && old->anyContext()) {
    return Refusal{RefusalCode::invalid, "this process already uses emulated GPUs '" + old->text +
                                             "'; it can't have '" + text + "' as well"};
  }
  process().current.store(nullptr, std::memory_order_release);
  process().machine.reset();
  std::unique_ptr<Trace> trace;
  if (!config.value().trace.empty()) {
    auto opened = Trace::open(config.value().trace);
    if (!opened) return opened.error();
    trace = std::move(opened).value();
  }
  auto fresh = std::make_unique<Machine>(text, std::move(config).value(), std::move(trace));
  for (auto& device : fresh->devices) {
    if (!device->memory.usable()) {
      return Refusal{
          RefusalCode::unavailable,
          "emulated GPUs '" + text + "': the host has no address space for their memory"};
    }
  }
  process().machine = std::move(fresh);
  process().current.store(process().machine.get(), std::memory_order_release);
  return true;
}

std::vector<Context*>& currentContexts() {
  thread_local std::vector<Context*> stack;
  return stack;
}

void note(const std::string& message) {
  std::lock_guard lock(process().messageMutex);
  process().message = message;
}
void report(const std::string& message) {
  note(message);
  std::fprintf(stderr, "emulated GPU: %s\n", message.c_str());
}
std::string lastMessage() {
  std::lock_guard lock(process().messageMutex);
  return process().message;
}

std::uint64_t Pool::allocate(std::uint64_t size) {
  std::lock_guard lock(mutex);
  if (most && used + size > most) return 0;
  // What the pool keeps is held back from the device: give that much back, then allocate.
  std::uint64_t kept = reserved - used, fromKept = std::min(kept, size);
  device->memory.reserve(-static_cast<std::int64_t>(fromKept));
  std::uint64_t address = device->memory.allocate(size, this);
  if (!address) {
    device->memory.reserve(static_cast<std::int64_t>(fromKept));
    return 0;
  }
  used += size;
  reserved = std::max(reserved, used);
  usedHigh = std::max(usedHigh, used);
  reservedHigh = std::max(reservedHigh, reserved);
  return address;
}
void Pool::freed(std::uint64_t size) {
  std::lock_guard lock(mutex);
  used -= size;
  // Kept for the next allocation, until a synchronisation trims it to the threshold.
  if (!device->memory.reserve(static_cast<std::int64_t>(size))) reserved -= size;
}
void Pool::trim(std::uint64_t keep) {
  std::lock_guard lock(mutex);
  std::uint64_t wanted = std::max(used, std::min(reserved, keep));
  device->memory.reserve(-static_cast<std::int64_t>(reserved - wanted));
  reserved = wanted;
}

Device::Device(int number, DeviceConfig what)
    : ordinal(number),
      config(std::move(what)),
      memory(config.memory),
      compute("compute", static_cast<std::uint32_t>(config.multiprocessors)) {
  defaultPool.device = this;
}

Context::Context(Machine& owner, Device& of)
    : machine(owner),
      device(of),
      multiprocessors(of.config.multiprocessors),
      id(++owner.lastId),
      defaultStream(std::make_unique<Stream>(this, 0, 0, ++owner.lastId)) {}

Context::Context(Context& primary, int count)
    : machine(primary.machine),
      device(primary.device),
      parent(&primary),
      multiprocessors(count),
      part(std::make_unique<Engine>("compute", static_cast<std::uint32_t>(count))),
      id(++machine.lastId),
      defaultStream(
          std::make_unique<Stream>(this, abi::CU_STREAM_NON_BLOCKING, 0, ++machine.lastId)) {}

MemoryRange Context::find(std::uint64_t address) const {
  if (device.memory.contains(address)) return device.memory.find(address);
  {
    std::lock_guard lock(primary().mutex);
    for (Context* peer : primary().peers) {
      if (peer->device.memory.contains(address)) return peer->device.memory.find(address);
    }
  }
  return machine.findPinned(address);
}

std::string Context::explain(std::uint64_t address) const {
  Device* owner = machine.deviceOf(address);
  if (!owner) {
    return machine.findPinned(address).size ? "in pinned memory of the host, past whose end it goes"
                                            : "in no memory of a device, nor in pinned memory";
  }
  std::string where = owner == &device ? "" : "of device " + std::to_string(owner->ordinal) + ", ";
  if (owner != &device && find(address).size == 0 && owner->memory.find(address).size != 0) {
    return where + "to which this context has no peer access";
  }
  return where + owner->memory.explain(address);
}

std::string Context::title() const {
  const char* what = parent ? "green context" : "context";
  return "device " + std::to_string(device.ordinal) + "'s " + what;
}

abi::CUresult Context::state() const {
  if (device.lost.load(std::memory_order_relaxed)) return abi::CUDA_ERROR_DEVICE_UNAVAILABLE;
  if (destroyed.load(std::memory_order_relaxed)) return abi::CUDA_ERROR_CONTEXT_IS_DESTROYED;
  return primary().failure.load(std::memory_order_relaxed);
}

void Context::fail(abi::CUresult code, const std::string& message) {
  abi::CUresult none = abi::CUDA_SUCCESS;
  if (primary().failure.compare_exchange_strong(none, code)) report(message);
}

namespace {
std::uint64_t nextSerial() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}
// What a thread knows of a machine.
struct Known {
  std::uint64_t machine = 0;
  std::chrono::nanoseconds time{};
};
Known& known() {
  thread_local Known here;
  if (Machine* the = machine(); the && here.machine != the->serial) here = {the->serial, {}};
  return here;
}
}  // namespace

Moment hostMoment() {
  Machine& the = *machine();
  return {std::max(known().time, std::chrono::nanoseconds(the.told.load())),
          the.races ? the.races->host() : nullptr};
}
void hostSaw(const Moment& moment) {
  known().time = std::max(known().time, moment.time);
  if (moment.clock) machine()->races->hostLearns(moment.clock);
}

Machine::Machine(std::string wanted, MachineConfig what, std::unique_ptr<Trace> writes)
    : text(std::move(wanted)),
      serial(nextSerial()),
      config(std::move(what)),
      trace(std::move(writes)),
      grids(std::max(1u, std::thread::hardware_concurrency()) - 1),
      races(config.race != RaceMode::off ? std::make_unique<Races>() : nullptr) {
  for (const DeviceConfig& device : config.devices) {
    devices.push_back(std::make_unique<Device>(static_cast<int>(devices.size()), device));
    add(&devices.back()->defaultPool);
  }
}
Machine::~Machine() {
  for (auto& device : devices) {
    if (device->context) destroyContext(*device);
  }
}

bool Machine::isLive(const void* handle) {
  std::lock_guard lock(mutex);
  return handles.contains(handle);
}
void Machine::add(const void* handle) {
  std::lock_guard lock(mutex);
  handles.insert(handle);
}
void Machine::remove(const void* handle) {
  std::lock_guard lock(mutex);
  handles.erase(handle);
}

Device* Machine::deviceAt(int ordinal) {
  bool there = ordinal >= 0 && static_cast<std::size_t>(ordinal) < devices.size();
  return there ? devices[static_cast<std::size_t>(ordinal)].get() : nullptr;
}

Device* Machine::deviceOf(std::uint64_t address) {
  for (auto& device : devices) {
    if (device->memory.contains(address)) return device.get();
  }
  return nullptr;
}

MemoryRange Machine::findPinned(std::uint64_t address) {
  std::lock_guard lock(mutex);
  auto after = pinned.upper_bound(address);
  if (after == pinned.begin()) return {};
  auto found = std::prev(after);
  if (address - found->first >= found->second) return {};
  return {found->first, found->second, reinterpret_cast<std::byte*>(found->first)};
}

std::string Machine::explain(std::uint64_t address) {
  char place[32];
  std::snprintf(place, sizeof place, "0x%llx", static_cast<unsigned long long>(address));
  Device* owner = deviceOf(address);
  return std::string(place) + (owner ? " of device " + std::to_string(owner->ordinal) + ", " +
                                          owner->memory.explain(address)
                                    : "");
}

Region Machine::regionOf(std::uint64_t address) {
  if (Device* device = deviceOf(address)) {
    std::uint64_t start = 0;
    auto allocation = device->memory.describe(address, start);
    return allocation ? Region{device->ordinal, allocation->id, start, allocation->size} : Region{};
  }
  MemoryRange range = findPinned(address);
  return {-1, range.base, range.base, range.size};
}

bool Machine::anyContext() {
  std::lock_guard lock(mutex);
  return std::any_of(devices.begin(), devices.end(),
                     [](auto& device) { return device->context != nullptr; });
}

// Ends what belongs to a context: streams, events and modules.
void Machine::empty(Context& context) {
  context.destroyed = true;
  for (Stream* stream : context.streams) {
    remove(stream);
    delete stream;
  }
  context.streams.clear();
  context.defaultStream.reset();
  for (Event* event : context.events) {
    remove(event);
    delete event;
  }
  context.events.clear();
  for (ModuleObject* module : context.modules) {
    for (auto& [name, function] : module->functions) remove(function.get());
    remove(module);
    delete module;
  }
  context.modules.clear();
}

void Machine::release(Device& device) {
  {
    std::lock_guard lock(mutex);
    if (--device.retained > 0) return;
  }
  destroyContext(device);
}

void Machine::destroyGreen(GreenContext& part) {
  std::unique_ptr<GreenContext> ended;
  {
    std::lock_guard lock(mutex);
    auto found = greens.find(&part);
    ended = std::move(found->second);
    greens.erase(found);
    handles.erase(&part);
  }
  Context& context = *ended->context;
  {
    std::lock_guard lock(context.parent->mutex);
    context.parent->greens.erase(&context);
  }
  empty(context);
  std::lock_guard lock(mutex);
  graveyard.push_back(std::move(ended->context));
}

void Machine::destroyContext(Device& device) {
  std::vector<GreenContext*> parts;
  std::unique_ptr<Context> context;
  {
    std::lock_guard lock(mutex);
    for (auto& [part, whole] : greens) {
      if (part->context->parent == device.context.get()) parts.push_back(part);
    }
  }
  for (GreenContext* part : parts) destroyGreen(*part);
  {
    std::lock_guard lock(mutex);
    context = std::move(device.context);
    device.retained = 0;
  }
  empty(*context);
  for (auto& other : devices) {
    if (!other->context) continue;
    std::lock_guard lock(other->context->mutex);
    other->context->peers.erase(context.get());
  }
  device.memory.freeAll();
  if (races) races->forgetDevice(device.ordinal);
  auto forgetAll = [](Pool& pool) {
    std::lock_guard lock(pool.mutex);
    pool.used = pool.reserved = 0;
  };
  forgetAll(device.defaultPool);
  device.currentPool = &device.defaultPool;
  std::lock_guard lock(mutex);
  for (auto& pool : device.pools) forgetAll(*pool);
  std::erase_if(device.pools, [](auto& pool) { return pool->doomed; });
  graveyard.push_back(std::move(context));
}

}  // namespace alnilam::gpu::emulator
