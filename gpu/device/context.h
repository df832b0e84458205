#pragma once
// What a GPU task is given: its device, its stream, memory up to its bound.
//
//   gpu::Array<float> scale(gpu::Context& gpu, gpu::View<const float> in, float factor) {
//     auto out = gpu.allocate<float>(in.size());
//     kScale({gpu::blocksFor(in.size(), 256)}, {256})(gpu, in, out, in.size(), factor);
//     return out;
//   }
//
// Everything is enqueued on the task's stream and runs in its order; the function returns without
// waiting, and the runtime hears of the end by a host function: no thread waits for the stream.
// stream() is a cudaStream_t (the two are one type) of the device's primary context, so kernels
// launched by <<<>>>, cuBLAS and Thrust work on it if the device is real.  An emulated one runs PTX
// that is launched here, and says "[emulated]" in its name.
//
// A task that was granted several devices gets all of them: on(0) is this context, on(1) the next.
//
// Threading: belongs to the thread that runs the task.
// Lifetime: of one task; see array.h.
// Errors: OutOfDeviceMemory beyond the task's bound or the device's memory, DeviceError for
//   everything that the driver refuses, both with device and call.  An error of a kernel shows at a
//   later call or when the task ends; uncaught, it fails the task either way.

#include "gpu/device/array.h"
#include "gpu/device/kernel.h"
#include "gpu/driver/abi.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

namespace alnilam::gpu {

class Pipeline;
class TaskStay;

class Context {
 public:
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  int device() const;              // the node's number for it: an index into its list of GPUs
  int cudaDevice() const;          // the driver's, in this process: a cudaSetDevice argument
  const std::string& name() const;  // "NVIDIA H100", or "... [emulated]"
  bool emulated() const;
  TaskStream stream();  // for the user's own CUDA calls, and for launches

  std::size_t deviceCount() const;  // how many this task has
  Context& on(std::size_t i);       // the i-th of them, i < deviceCount()

  Bytes memoryBound() const;  // what this task may allocate here; 0: as much as the device has
  Bytes memoryUsed() const;   // what its arrays and inputs take now

  // `n` elements, not initialised.
  template <Plain T>
  Array<T> allocate(std::size_t n) {
    return {allocateBytes(sizeof(T), n), n};
  }

  // The elements are read before this returns; the copy to the device is enqueued.
  template <Plain T>
  Array<T> copyToDevice(std::span<const T> elements) {
    Array<T> array = allocate<T>(elements.size());
    copyIn(addressOf(array.data()), elements.data(), elements.size_bytes());
    return array;
  }
  template <typename Range>
    requires requires(const Range& range) { std::span(range); }
  auto copyToDevice(const Range& range) {
    auto all = std::span(range);
    return copyToDevice(std::span<const typename decltype(all)::value_type>(all));
  }

  // Overwrites the beginning of `to`, likewise.
  template <Plain T>
  void copyToDevice(std::type_identity_t<std::span<const T>> elements, Array<T>& to) {
    checkFits(elements.size(), to.size());
    copyIn(addressOf(to.data()), elements.data(), elements.size_bytes());
  }

  // `to` has the elements after the next synchronize(), and must live until then.
  template <typename T>
  void copyToHost(View<T> from, std::type_identity_t<std::span<std::remove_const_t<T>>> to) {
    checkFits(from.size(), to.size());
    copyOut(to.data(), addressOf(from.data()), from.size() * sizeof(T));
  }
  template <Plain T>
  void copyToHost(const Array<T>& from, std::type_identity_t<std::span<T>> to) {
    copyToHost(from.view(), to);
  }

  // A copy on this device of what lies there or on another device of this task, made after
  // everything that the other one has been given so far.
  template <typename T>
  Array<std::remove_const_t<T>> copyHere(View<T> from, Context& of) {
    auto array = allocate<std::remove_const_t<T>>(from.size());
    copyAcross(addressOf(array.data()), addressOf(from.data()), from.size() * sizeof(T), of);
    return array;
  }

  // Sets every byte.
  template <Plain T>
  void fill(Array<T>& array, std::uint8_t byte) {
    fillBytes(addressOf(array.data()), byte, array.bytes());
  }

  // What kernel(grid, block, sharedBytes)(*this, arguments...) does; see kernel.h.
  template <typename... Parameters, typename... Arguments>
  void launch(const Kernel<void(Parameters...)>& kernel, Dim grid, Dim block,
              unsigned sharedBytes, const Arguments&... arguments) {
    static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                  "alnilam: this is not as many arguments as the kernel's signature has");
    if constexpr (sizeof...(Parameters) == sizeof...(Arguments)) {
      static_assert((detail::Passes<Parameters, Arguments> && ...),
                    "alnilam: where the kernel has a pointer, pass a gpu::Array or gpu::View of "
                    "its element or a device pointer; what is const only where the kernel has "
                    "a pointer to const");
      Launch launch{kernel.image(), kernel.entry(), kernel.parameterSizes(), grid, block,
                    sharedBytes, nullptr};
      launchWith(launch, detail::Pass<Parameters>::from(arguments)...);
    }
  }

  // Waits for everything enqueued so far; then copies to the host are complete.
  void synchronize();

  // Makes the device current for the user's own CUDA calls on this thread.  Only needed to go back
  // and forth between the devices of a task.
  void makeCurrent();

  // For dlpack.h: lets go of `owner`, of memory at `data`, when everything has run that the task
  // enqueues; on another thread.
  void keep(std::shared_ptr<const void> owner, const void* data);

  // For task_codecs.h.  Host bytes stay where they are until the task has ended.  takeInput answers
  // with the address of the same bytes on this device, which is good for the task's life: where
  // the task that made them has left them, or of a copy, which it enqueues.
  std::uintptr_t takeInput(std::span<const std::byte> bytes);
  // `to` gets the elements after the task's work, before it has ended; and they stay where they
  // are, for later tasks.
  template <Plain T>
  void giveResult(Array<T>&& array, std::span<std::byte> to) {
    copyResult(std::move(array).giveUp(), to);
  }

 private:
  friend struct ReleaseBlock;
  friend class SlotContexts;
  friend class TaskStay;
  class State;

  // The task's context on one of its devices, which `stay` is about.
  Context(Pipeline& pipeline, TaskStay& stay);

  // The function has returned: frees what is left, enqueues what comes after, and sends the task on
  // its way; it may be over, and this destroyed, when it returns.  Whether a result stays here.
  bool send();

  template <typename T>
  static std::uint64_t addressOf(T* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
  }
  template <typename... Parameters>
  void launchWith(Launch& launch, Parameters... parameters) {
    void* places[sizeof...(Parameters) + 1] = {const_cast<void*>(
        static_cast<const void*>(&parameters))..., nullptr};
    launch.parameters = places;
    launchKernel(launch);
  }

  // In the order of the task's own work.
  OwnedBlock allocateBytes(std::size_t elementSize, std::size_t n);
  OwnedBlock allocateOn(CUstream_st* stream, Bytes bytes);
  void checkBound(Bytes bytes) const;  // whether the task may use so much more; throws
  void release(DeviceBlock& block);
  void unlist(DeviceBlock& block);
  void freeBehind(DeviceBlock& block, CUstream_st* stream);
  void copyIn(std::uint64_t to, const void* from, std::size_t bytes);
  void copyInOn(CUstream_st* stream, std::uint64_t to, const void* from, std::size_t bytes);
  void copyOut(void* to, std::uint64_t from, std::size_t bytes);
  void copyAcross(std::uint64_t to, std::uint64_t from, std::size_t bytes, Context& of);
  void copyResult(OwnedBlock from, std::span<std::byte> to);
  void fillBytes(std::uint64_t to, std::uint8_t byte, std::size_t bytes);
  void launchKernel(const Launch& launch);
  static void checkFits(std::size_t elements, std::size_t room);

  std::unique_ptr<State> state_;
};

}  // namespace alnilam::gpu
