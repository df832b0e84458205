#pragma once
// The emulated machine: its devices, and what programs have made on them.
//
// There is one in a process, as there is one CUDA driver, behind the functions in api.h.  Handles
// are addresses of the objects here; each is looked up among the live ones before it is used, so a
// stale handle is an error and not a crash.
//
// A device has one context, the primary one, made when it is first retained and destroyed with all
// that belongs to it when it is last released.  A green context is a part of its multiprocessors
// with streams and events of its own; memory, modules, peers and faults are the primary context's,
// which it retains.  A kernel's fault is kept by its context: every later call on it returns the
// same code.  A lost device fails everything on it for good.
//
// Threading: Machine::mutex guards the tables of handles and nothing else; each object guards
//   itself.  It's never held while waiting for work.

#include "gpu/emulator/config.h"
#include "gpu/emulator/engine.h"
#include "gpu/emulator/grid.h"
#include "gpu/emulator/memory.h"
#include "gpu/emulator/races.h"
#include "gpu/emulator/stream.h"
#include "gpu/emulator/trace.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace alnilam::gpu::emulator {

struct Context;
struct Device;
struct Machine;

// A stream-ordered pool: how much its allocations use, and how much it keeps beyond that.
struct Pool {
  Device* device = nullptr;
  std::mutex mutex;
  std::uint64_t used = 0, usedHigh = 0;
  std::uint64_t reserved = 0, reservedHigh = 0;  // >= used
  std::uint64_t threshold = 0;                   // kept when the device is synchronised
  std::uint64_t most = 0;                        // 0: no bound
  int reuse[3] = {1, 1, 1};                      // attributes that change nothing here
  // Destroyed while memory was out that its failed context can't free: it ends with that context.
  bool doomed = false;

  std::uint64_t allocate(std::uint64_t size);
  void freed(std::uint64_t size);
  void trim(std::uint64_t keep);
};

struct Device {
  Device(int ordinal, DeviceConfig config);

  const int ordinal;
  const DeviceConfig config;
  DeviceMemory memory;
  Engine compute;
  std::atomic<std::uint64_t> allocations{0}, launches{0};  // counted for injected faults
  std::atomic<bool> lost{false};

  // Who copies in each direction: fewer engines than directions share.
  Engine& copyIn() { return copyHtoD; }
  Engine& copyOut() { return config.copyEngines > 1 ? copyDtoH : copyHtoD; }
  Engine& copyToPeer() { return config.copyEngines > 2 ? copyPeer : copyOut(); }
  Pool defaultPool;
  std::atomic<Pool*> currentPool{&defaultPool};
  // Guarded by Machine::mutex.
  std::unique_ptr<Context> context;
  std::vector<std::unique_ptr<Pool>> pools;  // but the default one
  unsigned retained = 0;
  unsigned flags = 0;

 private:
  Engine copyHtoD{"copyHtoD", 1}, copyDtoH{"copyDtoH", 1}, copyPeer{"copyPeer", 1};
};

struct Event {
  Context* context = nullptr;
  unsigned flags = 0;
  std::mutex mutex;
  std::shared_ptr<Ticket> recorded;  // the latest; null before the first
};

struct ModuleObject;
struct FunctionObject {
  ModuleObject* module = nullptr;
  const KernelCode* kernel = nullptr;
  std::atomic<std::uint32_t> mostDynamicShared{48u << 10};
};
struct ModuleObject {
  Context* context = nullptr;
  std::shared_ptr<const Program> program;
  GlobalLayout layout;
  Module source;              // layout points into it
  std::uint64_t globals = 0;  // address of the block with its variables, 0 if it has none
  std::map<std::string, std::unique_ptr<FunctionObject>> functions;
};

struct Context final : AddressSpace {
  Context(Machine& machine, Device& device);
  Context(Context& primary, int multiprocessors);  // a green one

  // Who has the memory, the modules and the failure: itself, unless it's green.
  Context& primary() { return parent ? *parent : *this; }
  const Context& primary() const { return parent ? *parent : *this; }

  MemoryRange find(std::uint64_t address) const override;
  std::string explain(std::uint64_t address) const override;
  // "device 0's context", or of a part of it.
  std::string title() const;
  // What a call on this context returns before it does anything.
  abi::CUresult state() const;
  void fail(abi::CUresult code, const std::string& message);

  Machine& machine;
  Device& device;
  Context* const parent = nullptr;  // of a green context the primary one
  const int multiprocessors;
  const std::unique_ptr<Engine> part;  // of a green context: its multiprocessors
  const std::uint64_t id;

  // What its kernels run on.  A part's are its own: those of the whole device aren't held up.
  Engine& compute() { return part ? *part : device.compute; }
  std::atomic<abi::CUresult> failure{abi::CUDA_SUCCESS};
  std::atomic<bool> destroyed{false};
  std::unique_ptr<Stream> defaultStream;
  mutable std::mutex mutex;
  std::set<Stream*> streams;        // without the default one; owned
  std::set<Event*> events;          // owned
  std::set<ModuleObject*> modules;  // owned
  std::set<Context*> peers;         // whose memory kernels here may touch
  std::set<Context*> greens;        // made of this one, live
};

// What a CUgreenCtx stands for.  Its context is another handle, as with the driver.
struct GreenContext {
  std::unique_ptr<Context> context;
};

// What a CUdevResourceDesc stands for.  The driver has no way to give one back, so equal ones are
// the same.
struct ResourceDesc {
  Device* device = nullptr;
  unsigned multiprocessors = 0;
};

struct Machine {
  Machine(std::string text, MachineConfig config, std::unique_ptr<Trace> trace);
  ~Machine();

  const std::string text;
  const std::uint64_t serial;  // of the machines of this process
  const MachineConfig config;
  const std::unique_ptr<Trace> trace;  // null: nobody wants one
  std::vector<std::unique_ptr<Device>> devices;
  GridPool grids;
  std::atomic<std::uint64_t> executed{0};  // PTX instructions, counted once for each lane
  std::atomic<std::uint64_t> lastId{0};
  // The modelled time up to which host functions have told the host what happened.
  std::atomic<std::int64_t> told{0};
  const std::unique_ptr<Races> races;  // null: nobody looks for them

  std::mutex mutex;
  std::set<const void*> handles;  // streams, events, modules, functions, pools, contexts
  std::map<std::uint64_t, std::uint64_t> pinned;    // host memory: address -> bytes
  std::set<std::uint64_t> owned;                    // of these, allocated here
  std::map<GreenContext*, std::unique_ptr<GreenContext>> greens;
  std::map<std::pair<Device*, unsigned>, std::unique_ptr<ResourceDesc>> descs;
  std::vector<std::unique_ptr<Context>> graveyard;  // so that a stale context is known as such

  bool isLive(const void* handle);
  void add(const void* handle);
  void remove(const void* handle);
  Device* deviceAt(int ordinal);  // or null
  Device* deviceOf(std::uint64_t address);
  MemoryRange findPinned(std::uint64_t address);
  std::string explain(std::uint64_t address);  // of device memory: "0x7f.., 8 bytes past ..."
  // What holds `address`: an allocation of a device or pinned memory; of size 0 if nothing does.
  Region regionOf(std::uint64_t address);
  void release(Device& device);  // one reference to its primary context
  void destroyContext(Device& device);
  void destroyGreen(GreenContext& part);
  bool anyContext();

 private:
  void empty(Context& context);
};

// The process's machine; null before it is configured.
Machine* machine();
// Makes or replaces it; a refusal says why not.
Result<bool> configureMachine(const std::string& text);

// What this thread knows to have happened on devices: the time of what it has waited for itself and
// of what host functions have told; and the clock of what any thread has.  Work that it enqueues
// now comes after.
Moment hostMoment();
void hostSaw(const Moment& moment);

// The stack of current contexts of this thread, the current one last.
std::vector<Context*>& currentContexts();

// Notes what happened for people: on standard error, and for lastMessage(); or for that alone.
void report(const std::string& message);
void note(const std::string& message);
std::string lastMessage();

}  // namespace alnilam::gpu::emulator
