#pragma once
// One run of a task function, untyped: the seam between the typed API and whoever runs tasks.
//
// ALNILAM_TASK (registry.h) makes a Thunk for each function: it decodes the arguments, calls the
// function and encodes the result into the sink.  Worker threads (core/engine) call thunks; they
// know no types.
//
// The arguments' bytes are, for each parameter in order (a leading gpu::Context& has none):
//   0, then the encoded value          the value itself
//   1, then u32 index                  one input: inputs[index]
//   2, then u32 count, u32 first       a vector of inputs: inputs[first .. first+count)
// Numbers are little-endian and unaligned; encoded values are those of encode.h, preceded by their
// size as u32 and padded to begin at a multiple of 8 from the start of the arguments.

#include "core/base/units.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace alnilam {

namespace gpu {
class Context;  // gpu/device/context.h; core only passes the pointer on
}

// Where a result goes.  `room` is called at most once and gives `size` bytes, aligned to 64, that
// the thunk fills before it returns: inside a message if small, in the node's store if large.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  // Throws StoreFullError (errors.h) when the store has no room.
  virtual std::span<std::byte> room(Bytes size) = 0;
};

struct TaskCall {
  std::span<const std::byte> arguments;
  std::span<const std::span<const std::byte>> inputs;  // encoded values, aligned to at least 8
  gpu::Context* gpu = nullptr;                         // null unless the task has a device
  ResultSink* result = nullptr;
};

// Throws what the function throws, and BadArgumentsError if the bytes are not its parameters.
using Thunk = void (*)(TaskCall& call);

}  // namespace alnilam
