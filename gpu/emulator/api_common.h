#pragma once
// What the functions of api_*.cc check before they do anything: is the driver initialised, may this
// thread call it, is there a current context and is it sound, is a handle live.

#include "gpu/emulator/api.h"
#include "gpu/emulator/machine.h"

#include <optional>

namespace alnilam::gpu::emulator::api {

// Success where this thread may call the driver's `function`.
CUresult enter(const char* function);

// The current context in `context`, if it's live and sound; otherwise what to return.
CUresult enterContext(Context*& context, const char* function);

// The object behind a handle, or null if it isn't live.
template <typename Object, typename Handle>
Object* lookUp(Handle handle) {
  auto* object = reinterpret_cast<Object*>(handle);
  return object && machine()->isLive(object) ? object : nullptr;
}

// The stream behind a handle, 0 and the special ones being the current context's default stream.
// Null if there's no such stream.
Stream* streamOf(Context& current, CUstream handle);

// Makes a stream of `context`.
CUresult makeStream(Context& context, unsigned flags, int priority, CUstream* handle);

// Puts work on a stream, in the order that CUDA gives it: the default stream waits for all blocking
// streams of its context, and they for it.
void put(Stream& stream, Stream::Work work, bool isBrief = false);

// For work: takes `length` on an engine, from the stream's time on, and tells the trace.  Without
// an engine the host does it.
struct Taken {
  const char* kind = "";
  std::string_view name;
  Engine* engine = nullptr;
  std::uint32_t amount = 1;
  std::uint64_t bytes = 0;
};
void take(Stream& stream, const Taken& what, std::chrono::nanoseconds length);

// For work: it reads or writes `size` bytes, or does what `accesses` says.  False if that races
// with other work and the configuration makes it fail, which the context then has.
bool touch(Stream& stream, std::string_view name, std::uint64_t address, std::uint64_t size,
           Access access);
bool touch(Stream& stream, std::string_view name, const Accesses& accesses);
// Frees what starts at `address`, with what races are told by.  False: no allocation starts there.
bool giveBack(Device& device, std::uint64_t address);

// Waits, and the thread knows what happened until then.
void await(Ticket& ticket);

// Waits for all work of a context; then pools give back what they keep beyond their thresholds.
void synchronize(Context& context);
void trimPools(Device& device);

}  // namespace alnilam::gpu::emulator::api

#define ALNILAM_ENTER() \
  if (CUresult refused = enter(__func__); refused != CUDA_SUCCESS) return refused

#define ALNILAM_ENTER_CONTEXT(context) \
  Context* context = nullptr;          \
  if (CUresult refused = enterContext(context, __func__); refused != CUDA_SUCCESS) return refused
