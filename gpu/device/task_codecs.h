#pragma once
// How a task function's device types meet the bytes of its arguments and result.
//
// A gpu::View<const T> parameter is an input's elements: where the task that made them has left
// them on the device, else copied there on the task's stream before the function's own work.  Both
// count against the task's bound; a copy ends with the task.  Of an input that another task is
// still making on a device only the array's header is in host memory, and nothing else is read.
//
// A gpu::Array<T> result is copied home behind the function's work, to where the result lies (a
// message, or the node's store), in the layout of core/api/array_layout.h.  So the other side may
// take it as std::vector<T>, View<const T> or gpu::View<const T>.
//
// The bytes are there when the task has ended on its devices (core/engine/device_host.h).
//
// Threading: on the task's thread.
// Errors: BadArgumentsError for bytes that are no array of T; OutOfDeviceMemory; DeviceError.

#include "core/api/array_layout.h"
#include "core/api/errors.h"
#include "core/api/task.h"
#include "gpu/device/context.h"

#include <cstddef>
#include <span>

namespace alnilam {

template <typename T>
struct ArgumentCodec<gpu::View<T>> {
  static_assert(std::is_const_v<T>, "alnilam: objects never change: take gpu::View<const T>");
  static constexpr bool kOnDevice = true;

  static gpu::View<T> take(std::span<const std::byte> object, TaskCall& call) {
    if (!call.gpu) throw DeviceError("a gpu::View parameter needs a gpu::Context& before it");
    using Element = std::remove_const_t<T>;
    ArrayPart part = readArray(object, sizeof(Element));
    return {reinterpret_cast<const Element*>(call.gpu->takeInput(
                object.subspan(part.offset, part.count * sizeof(Element)))),
            part.count};
  }
};

template <typename T>
struct ResultCodec<gpu::Array<T>> {
  static void give(gpu::Array<T>&& result, TaskCall& call) {
    if (!call.gpu) throw DeviceError("a gpu::Array result needs a gpu::Context& parameter");
    ArrayLayout layout = arrayLayout(sizeof(T), result.size());
    std::span<std::byte> room = call.result->room(layout.total);
    writeArrayHeader(room, sizeof(T), result.size());
    call.gpu->giveResult(std::move(result), room.subspan(layout.offset));
  }
};

}  // namespace alnilam
