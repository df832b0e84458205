#include "gpu/device/dlpack.h"

#include "core/api/errors.h"

#include <iterator>
#include <limits>
#include <optional>
#include <string>

namespace alnilam::dlpack {
namespace {

constexpr std::int32_t kMostDimensions = 64;

// The layout of DLPack's structures, 64-bit.
static_assert(sizeof(Tensor) == 48 && offsetof(Tensor, device) == 8 &&
              offsetof(Tensor, dimensions) == 16 && offsetof(Tensor, type) == 20 &&
              offsetof(Tensor, shape) == 24 && offsetof(Tensor, strides) == 32 &&
              offsetof(Tensor, byteOffset) == 40);
static_assert(sizeof(ManagedTensor) == 64 && offsetof(ManagedTensor, owner) == 48);
static_assert(sizeof(ManagedTensorVersioned) == 80 &&
              offsetof(ManagedTensorVersioned, flags) == 24 &&
              offsetof(ManagedTensorVersioned, tensor) == 32);

ManagedTensor* layout(::DLManagedTensor* tensor) {
  return reinterpret_cast<ManagedTensor*>(tensor);
}
ManagedTensorVersioned* layout(::DLManagedTensorVersioned* tensor) {
  return reinterpret_cast<ManagedTensorVersioned*>(tensor);
}

[[noreturn]] void refuse(const std::string& why) { throw InvalidError("a DLPack tensor " + why); }

template <typename T>
std::string listed(const T* values, std::size_t n) {
  std::string text = "[";
  for (std::size_t i = 0; i < n; ++i) text += (i ? ", " : "") + std::to_string(values[i]);
  return text + "]";
}

std::string show(const DataType& type) {
  static constexpr const char* kNames[] = {"int", "uint", "float", "opaque", "bfloat", "complex",
                                           "bool"};
  std::string text = type.code < std::size(kNames) ? kNames[type.code]
                                                   : "type " + std::to_string(type.code) + " of ";
  text += std::to_string(type.bits);
  if (type.lanes != 1) text += " in " + std::to_string(type.lanes) + " lanes";
  return text;
}

std::string show(const DeviceOf& device) {
  std::string id = " " + std::to_string(device.id);
  switch (device.type) {
    case DeviceType::cpu: return "the host";
    case DeviceType::cuda: return "CUDA device" + id;
    case DeviceType::cudaHost: return "the host (pinned)";
    case DeviceType::extension: return "extension device" + id;
    case DeviceType::cudaManaged: return "CUDA device" + id + " (managed)";
  }
  return "a device of type " + std::to_string(static_cast<std::int32_t>(device.type));
}

// The product of a shape's sizes times `elementBytes`; nullopt where that is beyond any memory.
std::optional<std::size_t> countOf(std::span<const std::int64_t> shape,
                                   std::size_t elementBytes) {
  std::size_t count = 1;
  bool none = false;
  for (std::int64_t size : shape) {
    none = none || size == 0;
    if (size > 0 && __builtin_mul_overflow(count, static_cast<std::size_t>(size), &count)) {
      count = std::numeric_limits<std::size_t>::max();
    }
  }
  if (none) return 0;
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, elementBytes, &bytes) ||
      bytes > static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max())) {
    return std::nullopt;
  }
  return count;
}

void checkStrides(const Tensor& tensor, std::size_t count) {
  if (!tensor.strides || count == 0) return;
  std::int64_t wanted = 1;
  bool contiguous = true;
  std::vector<std::int64_t> all;
  for (std::int32_t i = tensor.dimensions - 1; i >= 0; --i) {
    // Along a dimension of one element nobody ever steps.
    contiguous = contiguous && (tensor.shape[i] == 1 || tensor.strides[i] == wanted);
    all.insert(all.begin(), wanted);
    wanted *= tensor.shape[i];
  }
  if (contiguous) return;
  auto n = static_cast<std::size_t>(tensor.dimensions);
  refuse("of shape " + listed(tensor.shape, n) + " has strides " + listed(tensor.strides, n) +
         "; only contiguous row-major ones are taken, whose strides are " + listed(all.data(), n) +
         ": let the producer copy it first");
}

void checkDevice(const Tensor& tensor, gpu::Context* gpu) {
  const DeviceOf& device = tensor.device;
  if (!gpu) {
    if (device.type != DeviceType::cpu && device.type != DeviceType::cudaHost) {
      refuse("lies on " + show(device) + " and is taken as one of the host");
    }
    return;
  }
  DeviceOf here = detail::deviceOf(gpu);
  bool same = device.id == here.id &&
              (device.type == here.type ||
               (here.type == DeviceType::cuda && device.type == DeviceType::cudaManaged));
  if (!same) {
    refuse("lies on " + show(device) + " and is taken as one of " + show(here) + ", " +
           gpu->name());
  }
}

detail::Checked checkTensor(const Tensor& tensor, const detail::Wanted& wanted) {
  if (tensor.dimensions < 0 || tensor.dimensions > kMostDimensions) {
    refuse("has " + std::to_string(tensor.dimensions) + " dimensions; 0 to " +
           std::to_string(kMostDimensions) + " are taken");
  }
  auto n = static_cast<std::size_t>(tensor.dimensions);
  if (n > 0 && !tensor.shape) refuse("of " + std::to_string(n) + " dimensions has no shape");
  if (tensor.type != wanted.type) {
    refuse("has elements of " + show(tensor.type) + " and is taken as one of " +
           show(wanted.type));
  }
  std::span<const std::int64_t> shape(tensor.shape, n);
  for (std::int64_t size : shape) {
    if (size < 0) refuse("has the negative size " + std::to_string(size) + " in its shape");
  }
  auto count = countOf(shape, wanted.elementBytes);
  if (!count) {
    refuse("of shape " + listed(tensor.shape, n) + " has more elements than fit into memory");
  }
  checkDevice(tensor, wanted.gpu);
  checkStrides(tensor, *count);
  detail::Checked checked{nullptr, *count, Shape(shape.begin(), shape.end())};
  if (*count == 0) return checked;
  if (!tensor.data) refuse("of " + std::to_string(*count) + " elements has no data");
  std::uintptr_t address = 0, end = 0;
  if (__builtin_add_overflow(reinterpret_cast<std::uintptr_t>(tensor.data), tensor.byteOffset,
                             &address) ||
      __builtin_add_overflow(address, *count * wanted.elementBytes, &end)) {
    refuse("has the byte offset " + std::to_string(tensor.byteOffset) +
           ", which is beyond any memory");
  }
  if (address % wanted.alignment != 0) {
    refuse("begins at an address that is not a multiple of " + std::to_string(wanted.alignment) +
           ", as its elements need");
  }
  checked.data = reinterpret_cast<void*>(address);
  return checked;
}

// The tensor and what it points to.
template <typename Managed>
struct Holder {
  Managed managed{};
  Shape shape, strides;
  std::shared_ptr<const void> owner;  // the tensor alone
};

// Fills all but the deleter and what only one of the structures has.
template <typename Managed>
std::unique_ptr<Holder<Managed>> hold(detail::Given given) {
  if (given.shape.empty()) given.shape = {static_cast<std::int64_t>(given.count)};
  bool negative = false;
  for (std::int64_t size : given.shape) negative = negative || size < 0;
  auto wanted = negative ? std::nullopt : countOf(given.shape, 1);
  if (wanted != given.count || given.shape.size() > kMostDimensions) {
    throw InvalidError("the shape " + listed(given.shape.data(), given.shape.size()) +
                       " is not one of " + std::to_string(given.count) + " elements");
  }
  auto holder = std::make_unique<Holder<Managed>>();
  holder->shape = std::move(given.shape);
  holder->strides.resize(holder->shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = holder->shape.size(); i-- > 0;) {
    holder->strides[i] = stride;
    if (holder->shape[i] > 0) stride *= holder->shape[i];
  }
  holder->owner = std::move(given.owner);
  holder->managed.owner = holder.get();
  holder->managed.tensor = {given.data,
                            given.device,
                            static_cast<std::int32_t>(holder->shape.size()),
                            given.type,
                            holder->shape.data(),
                            holder->strides.data(),
                            0};
  return holder;
}

}  // namespace

void DeleteTensor::operator()(::DLManagedTensor* tensor) const {
  if (auto* deleter = layout(tensor)->deleter) deleter(tensor);
}
void DeleteTensor::operator()(::DLManagedTensorVersioned* tensor) const {
  if (auto* deleter = layout(tensor)->deleter) deleter(tensor);
}

namespace detail {

DeviceOf deviceOf(gpu::Context* gpu) {
  if (!gpu) {
    throw InvalidError("an array of no running task cannot be given out as a DLPack tensor");
  }
  return {gpu->emulated() ? DeviceType::extension : DeviceType::cuda, gpu->cudaDevice()};
}

Checked check(const ::DLManagedTensor* tensor, const Wanted& wanted) {
  if (!tensor) refuse("is wanted, and there is none");
  return checkTensor(reinterpret_cast<const ManagedTensor*>(tensor)->tensor, wanted);
}

Checked check(const ::DLManagedTensorVersioned* tensor, const Wanted& wanted) {
  if (!tensor) refuse("is wanted, and there is none");
  auto* managed = reinterpret_cast<const ManagedTensorVersioned*>(tensor);
  // Of another major version only the head of the structure is known.
  if (managed->major != kMajor) {
    refuse("is of version " + std::to_string(managed->major) + "." +
           std::to_string(managed->minor) + "; 1 is taken");
  }
  if (wanted.writable && (managed->flags & kReadOnly)) {
    refuse("is read-only, and is taken as one to write to; take it as one of const elements");
  }
  return checkTensor(managed->tensor, wanted);
}

TensorPtr make(Given given) {
  bool readOnly = given.readOnly;
  auto holder = hold<ManagedTensorVersioned>(std::move(given));
  holder->managed.major = kMajor;
  holder->managed.minor = kMinor;
  holder->managed.flags = readOnly ? kReadOnly : 0;
  holder->managed.deleter = [](::DLManagedTensorVersioned* tensor) {
    delete static_cast<Holder<ManagedTensorVersioned>*>(layout(tensor)->owner);
  };
  return TensorPtr(reinterpret_cast<::DLManagedTensorVersioned*>(&holder.release()->managed));
}

LegacyTensorPtr makeLegacy(Given given) {
  auto holder = hold<ManagedTensor>(std::move(given));
  holder->managed.deleter = [](::DLManagedTensor* tensor) {
    delete static_cast<Holder<ManagedTensor>*>(layout(tensor)->owner);
  };
  return LegacyTensorPtr(reinterpret_cast<::DLManagedTensor*>(&holder.release()->managed));
}

}  // namespace detail
}  // namespace alnilam::dlpack
