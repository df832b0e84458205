#pragma once
// Memory on a device, as a task function sees it.
//
// A gpu::Array<T> owns `size()` elements on one device; its context (context.h) made it and counts
// its bytes against the task's bound.  A gpu::View<const T> looks at elements that something else
// owns: an input of the task, or an Array.  data() of both is a device pointer, for kernels and for
// the user's own CUDA code; the host cannot read through it.
//
//   gpu::Array<float> blur(gpu::Context& gpu, gpu::View<const float> image, int radius);
//
// Lifetime: an Array may be freed while kernels that use it are still queued: the memory returns to
//   the pool in the stream's order.  All of a task's arrays end with the task; one that outlives it
//   is empty from then on.  An input's View is good until the task's function returns, and for all
//   that it has enqueued by then.
// Threading: belong to the thread that runs the task.

#include "core/api/plain.h"
#include "core/base/units.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace alnilam::gpu {

class Context;

// One allocation.  The context forgets it (owner becomes null) when the task ends.
struct DeviceBlock {
  Context* owner = nullptr;
  std::uint64_t address = 0;
  Bytes bytes = 0;
  std::size_t place = 0;  // in the owner's list
  bool lent = false;      // see Array::lend
};

// Gives the block back to its owner, if it still has one.
struct ReleaseBlock {
  void operator()(DeviceBlock* block) const;
};
using OwnedBlock = std::unique_ptr<DeviceBlock, ReleaseBlock>;

template <typename T>
class View {
 public:
  static_assert(Plain<std::remove_const_t<T>>, "alnilam: a device holds plain elements only");

  View() = default;
  View(T* data, std::size_t size) : data_(data), size_(size) {}
  // A View<const T> of a View<T>.
  template <typename U>
    requires(std::is_const_v<T> && std::is_same_v<const U, T>)
  View(const View<U>& other) : data_(other.data()), size_(other.size()) {}

  T* data() const { return data_; }  // on the device
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // `count` elements from `first` on; both must lie inside.
  View part(std::size_t first, std::size_t count) const { return {data_ + first, count}; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

template <typename T>
class Array {
 public:
  static_assert(Plain<T> && !std::is_const_v<T>, "alnilam: a device holds plain elements only");

  Array() = default;
  Array(OwnedBlock block, std::size_t size) : block_(std::move(block)), size_(size) {}

  T* data() const {  // on the device
    return block_ ? reinterpret_cast<T*>(static_cast<std::uintptr_t>(block_->address)) : nullptr;
  }
  std::size_t size() const { return block_ && block_->owner ? size_ : 0; }
  bool empty() const { return size() == 0; }
  Bytes bytes() const { return size() * sizeof(T); }

  Context* owner() const { return block_ ? block_->owner : nullptr; }  // on whose device it lies

  View<T> view() { return {data(), size()}; }
  View<const T> view() const { return {data(), size()}; }
  operator View<const T>() const { return view(); }

  // For dlpack.h: somebody outside uses the memory.  A task that ends while it is lent fails.
  void lend() {
    if (block_) block_->lent = true;
  }

  // For task_codecs.h: the memory itself; the array is empty afterwards.
  OwnedBlock giveUp() && { return std::move(block_); }

 private:
  OwnedBlock block_;
  std::size_t size_ = 0;
};

}  // namespace alnilam::gpu
