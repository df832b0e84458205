#pragma once
// Arrays in and out by DLPack, the structure by which PyTorch, NumPy, JAX, CuPy, TVM and others
// hand each other tensors in one process without copying them.
//
//   dlpack::TensorPtr tensor = dlpack::toTensor(std::move(array), {rows, columns});
//   consumer(tensor.release());                       // whoever has it calls its deleter
//
//   auto image = dlpack::fromHost<const float>(dlpack::TensorPtr(got));         // image.elements()
//   auto input = dlpack::fromDevice<const float>(gpu, dlpack::TensorPtr(got));  // input.view
//
// Nothing is copied.  What is given out is owned by the tensor: a std::vector or a gpu::Array is
// moved into it; an alnilam::View is kept by it, and keeps what it keeps (one from Cluster::view
// the bytes; one that a task was given is good until its function returns).  What is taken is
// deleted by its deleter: a HostTensor's when that ends; a device's when everything that the task
// has enqueued has run.
//
// Streams.  DLPack has none of its own, so both sides agree on the task's: elements given out are
// complete for work on gpu.stream(), or for everybody after gpu.synchronize(); elements taken must
// be complete for work on gpu.stream() (the producer waits, or has the stream wait for its event).
//
// A tensor of a gpu::Array must be deleted, on the task's thread, before the task's function
// returns, or be taken back by that task (fromDevice), since all of a task's memory ends with it;
// one that is not fails the task.
//
// Memory of an emulated GPU is no CUDA memory; it is given out, and taken, as kDLExtDev.
//
// Two structures are in use: DLManagedTensorVersioned since DLPack 1.0, and DLManagedTensor before.
// Both are taken and given; the old one cannot say "read only", so a View is given as the new one
// alone.  Nothing here needs <dlpack/dlpack.h>; whoever includes one, of any version, has the same
// types under these names.
//
// Threading: a tensor belongs to one thread at a time.
// Errors: InvalidError for a tensor that is not one contiguous row-major array of T where it is
//   wanted; it names what is wrong.  A tensor that is refused is deleted.
//
// Source: the DLPack specification, version 1.1, "C API" (dmlc.github.io/dlpack/latest).

#include "core/api/plain.h"
#include "core/api/view.h"
#include "gpu/device/context.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

struct DLManagedTensor;
struct DLManagedTensorVersioned;

namespace alnilam::dlpack {

using Shape = std::vector<std::int64_t>;

// The layouts.  Names are ours where DLPack's are not names of types that can be declared twice.
enum class DeviceType : std::int32_t {
  cpu = 1,
  cuda = 2,
  cudaHost = 3,       // pinned
  extension = 12,     // kDLExtDev
  cudaManaged = 13,
};
struct DeviceOf {
  DeviceType type;
  std::int32_t id;  // as CUDA counts in this process; 0 of a host
};
struct DataType {
  std::uint8_t code;
  std::uint8_t bits;    // of one lane
  std::uint16_t lanes;  // 1, but for vector types

  bool operator==(const DataType&) const = default;
};
enum DataTypeCode : std::uint8_t {
  kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kComplex = 5, kBool = 6,
};
struct [[gnu::may_alias]] Tensor {
  void* data;
  DeviceOf device;
  std::int32_t dimensions;
  DataType type;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null: contiguous, row-major
  std::uint64_t byteOffset;
};
struct [[gnu::may_alias]] ManagedTensor {
  Tensor tensor;
  void* owner;
  void (*deleter)(::DLManagedTensor*);  // may be null
};
struct [[gnu::may_alias]] ManagedTensorVersioned {
  std::uint32_t major, minor;
  void* owner;
  void (*deleter)(::DLManagedTensorVersioned*);  // may be null
  std::uint64_t flags;
  Tensor tensor;
};
constexpr std::uint64_t kReadOnly = 1;  // DLPACK_FLAG_BITMASK_READ_ONLY
constexpr std::uint32_t kMajor = 1, kMinor = 1;

// Owners of tensors.
struct DeleteTensor {
  void operator()(::DLManagedTensor* tensor) const;
  void operator()(::DLManagedTensorVersioned* tensor) const;
};
using TensorPtr = std::unique_ptr<::DLManagedTensorVersioned, DeleteTensor>;
using LegacyTensorPtr = std::unique_ptr<::DLManagedTensor, DeleteTensor>;

namespace detail {

template <typename T>
consteval DataType builtIn() {
  constexpr auto bits = static_cast<std::uint8_t>(8 * sizeof(T));
  if constexpr (std::is_same_v<T, std::byte>) return {kUInt, bits, 1};
  else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
    return {std::is_signed_v<T> ? kInt : kUInt, bits, 1};
  else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>)
    return {kFloat, bits, 1};
  else if constexpr (alnilam::detail::ComplexLike<T> && sizeof(T) <= 16) return {kComplex, bits, 1};
  else return {0, 0, 0};
}

}  // namespace detail

// What DLPack calls T.  Specialise it for a type of one's own:
//   template <> inline constexpr alnilam::dlpack::DataType alnilam::dlpack::dataType<__half> =
//       {alnilam::dlpack::kFloat, 16, 1};
template <typename T>
inline constexpr DataType dataType = detail::builtIn<T>();

namespace detail {

// What a tensor is checked for.
struct Wanted {
  DataType type;
  std::size_t elementBytes, alignment;
  bool writable;
  alnilam::gpu::Context* gpu;  // where it must lie; null: on the host
};
struct Checked {
  void* data = nullptr;
  std::size_t count = 0;
  Shape shape;
};
Checked check(const ::DLManagedTensor* tensor, const Wanted& wanted);
Checked check(const ::DLManagedTensorVersioned* tensor, const Wanted& wanted);

// What a tensor is made of.  `shape` may be empty, for one dimension of `count`.
struct Given {
  void* data;
  std::size_t count;
  DataType type;
  DeviceOf device;
  bool readOnly;
  Shape shape;
  std::shared_ptr<const void> owner;  // the tensor alone
};
TensorPtr make(Given given);
LegacyTensorPtr makeLegacy(Given given);

DeviceOf deviceOf(alnilam::gpu::Context* gpu);  // throws InvalidError for none

template <typename T>
constexpr void checkType() {
  static_assert(Plain<T> && dataType<std::remove_const_t<T>>.bits != 0,
                "alnilam: DLPack has no name for this type; specialise alnilam::dlpack::dataType");
  static_assert(8 * sizeof(T) == std::size_t{dataType<std::remove_const_t<T>>.bits} *
                                     dataType<std::remove_const_t<T>>.lanes,
                "alnilam: dlpack::dataType says another size than the type has");
}
template <typename T>
Wanted wanted(alnilam::gpu::Context* gpu) {
  checkType<T>();
  return {dataType<std::remove_const_t<T>>, sizeof(T), alignof(T), !std::is_const_v<T>, gpu};
}
template <typename T>
Given give(std::vector<T> elements, Shape shape) {
  checkType<T>();
  auto kept = std::make_shared<std::vector<T>>(std::move(elements));  // the tensor's
  return {kept->data(), kept->size(), dataType<T>, {DeviceType::cpu, 0}, false,
          std::move(shape), kept};
}
template <typename T>
Given give(alnilam::gpu::Array<T> array, Shape shape) {
  checkType<T>();
  DeviceOf device = deviceOf(array.owner());
  array.lend();  // the context sees to it that it comes back
  auto kept = std::make_shared<alnilam::gpu::Array<T>>(std::move(array));  // the tensor's
  return {kept->data(), kept->size(), dataType<T>, device, false, std::move(shape), kept};
}

}  // namespace detail

// Out.  `shape` must have as many elements as the array; without one it has one dimension.
template <typename T>
TensorPtr toTensor(std::vector<T> elements, Shape shape = {}) {
  return detail::make(detail::give(std::move(elements), std::move(shape)));
}
template <typename T>
TensorPtr toTensor(alnilam::gpu::Array<T> array, Shape shape = {}) {
  return detail::make(detail::give(std::move(array), std::move(shape)));
}
template <typename T>
TensorPtr toTensor(const View<const T>& view, Shape shape = {}) {  // read-only
  detail::checkType<T>();
  auto kept = std::make_shared<View<const T>>(view);  // the tensor's
  return detail::make({const_cast<T*>(view.data()), view.size(), dataType<T>,
                       {DeviceType::cpu, 0}, true, std::move(shape), kept});
}
template <typename T>
LegacyTensorPtr toLegacyTensor(std::vector<T> elements, Shape shape = {}) {
  return detail::makeLegacy(detail::give(std::move(elements), std::move(shape)));
}
template <typename T>
LegacyTensorPtr toLegacyTensor(alnilam::gpu::Array<T> array, Shape shape = {}) {
  return detail::makeLegacy(detail::give(std::move(array), std::move(shape)));
}

// In, on the host: elements that this owns.  T is const for a tensor that may be read only.
template <typename T>
class HostTensor {
 public:
  HostTensor(detail::Checked checked, std::shared_ptr<const void> tensor)
      : checked_(std::move(checked)), tensor_(std::move(tensor)) {}

  std::span<T> elements() const { return {static_cast<T*>(checked_.data), checked_.count}; }
  const Shape& shape() const { return checked_.shape; }
  std::vector<std::remove_const_t<T>> copy() const {
    return {elements().begin(), elements().end()};
  }

 private:
  detail::Checked checked_;
  std::shared_ptr<const void> tensor_;  // owners: this and its copies
};

template <typename T, typename Managed>
HostTensor<T> fromHost(std::unique_ptr<Managed, DeleteTensor> tensor) {
  detail::Checked checked = detail::check(tensor.get(), detail::wanted<T>(nullptr));
  return {std::move(checked), std::shared_ptr<const void>(std::move(tensor))};
}

// In, on the device of `gpu`: good for what the task enqueues, and kept for as long as that runs.
template <typename T>
struct DeviceTensor {
  alnilam::gpu::View<T> view;
  Shape shape;
};

template <typename T, typename Managed>
DeviceTensor<T> fromDevice(alnilam::gpu::Context& gpu,
                           std::unique_ptr<Managed, DeleteTensor> tensor) {
  detail::Checked checked = detail::check(tensor.get(), detail::wanted<T>(&gpu));
  // The owner is the task, until its work has run.
  gpu.keep(std::shared_ptr<const void>(std::move(tensor)), checked.data);
  return {{static_cast<T*>(checked.data), checked.count}, std::move(checked.shape)};
}

}  // namespace alnilam::dlpack
