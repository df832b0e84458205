#pragma once
// A kernel of the user's, with the types of its parameters.
//
//   // compare.cu:  extern "C" __global__ void compare(const unsigned* rows, unsigned count, ...)
//   #include "compare.ptx.h"  // made by alnilam_add_kernels(target compare.cu)
//   const gpu::Kernel<void(const unsigned*, unsigned)> kCompare{alnilam_kernels::compare_ptx,
//                                                               "compare"};
//   kCompare(grid, block)(gpu, rows, count);                 // or (gpu.stream(), rows, count)
//
// The signature is held to both sides.  At compile time, every launch passes what it says: as many
// arguments, device pointers or arrays of the right element where it has pointers, and no
// floating-point value for an integer.  At the first launch on a device, the kernel there must have
// as many parameters, of the same sizes; PTX has sizes and no types, so that a float for an int of
// four bytes is what remains unseen.
//
// Threading: a Kernel is a value; launch the same one from as many threads as you like.
// Errors: InvalidError for a signature that is not the kernel's, for a number that does not fit its
//   parameter, and for a launch that the device's limits do not allow; it names value and limit.

#include "gpu/device/array.h"
#include "gpu/device/kernel_image.h"

#include <array>
#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

struct CUstream_st;  // what a cudaStream_t points to

namespace alnilam::gpu {

// A stream of a running task: a cudaStream_t that still knows whose it is.
class TaskStream {
 public:
  TaskStream(Context& context, CUstream_st* stream) : context_(&context), stream_(stream) {}

  operator CUstream_st*() const { return stream_; }
  Context& context() const { return *context_; }

 private:
  Context* context_;
  CUstream_st* stream_;
};

// Threads or blocks along x, y and z.
struct Dim {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
};

// How many blocks of `each` cover `all`.
constexpr unsigned blocksFor(std::size_t all, unsigned each) {
  return static_cast<unsigned>((all + each - 1) / each);
}

template <typename Signature>
class Kernel;

// A kernel with the shape of a launch; call it with a gpu::Context, or with its stream(), and the
// kernel's arguments.
template <typename Signature>
class ShapedKernel;

template <typename... Parameters>
class Kernel<void(Parameters...)> {
 public:
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "alnilam: a kernel's parameters are plain values and device pointers");

  // `entry` is the function's name in the image, unmangled (extern "C").
  constexpr Kernel(const KernelImage& image, const char* entry) : image_(image), entry_(entry) {}
  // PTX from elsewhere: text ended by a zero byte that stays where it is for the life of the
  // process.
  constexpr Kernel(std::string_view ptx, const char* entry)
      : image_{.ptx = ptx}, entry_(entry) {}

  // Shared memory is in bytes a block, beyond what the kernel declares itself; more than the 48 KiB
  // that every kernel may have is asked for where the device has it.
  ShapedKernel<void(Parameters...)> operator()(Dim grid, Dim block,
                                               unsigned sharedBytes = 0) const& {
    return {*this, grid, block, sharedBytes};
  }
  void operator()(Dim, Dim, unsigned = 0) const&& = delete;  // a launch needs its kernel to live

  const KernelImage& image() const { return image_; }
  const char* entry() const { return entry_; }
  static std::span<const std::size_t> parameterSizes() { return kSizes; }

 private:
  static constexpr std::array<std::size_t, sizeof...(Parameters)> kSizes{sizeof(Parameters)...};

  KernelImage image_;
  const char* entry_;
};

template <typename... Parameters>
class ShapedKernel<void(Parameters...)> {
 public:
  ShapedKernel(const Kernel<void(Parameters...)>& kernel, Dim grid, Dim block, unsigned sharedBytes)
      : kernel_(kernel), grid_(grid), block_(block), sharedBytes_(sharedBytes) {}

  template <std::same_as<Context> Gpu, typename... Arguments>
  void operator()(Gpu& gpu, const Arguments&... arguments) const {
    gpu.launch(kernel_, grid_, block_, sharedBytes_, arguments...);
  }
  template <std::same_as<TaskStream> Stream, typename... Arguments>
  void operator()(Stream stream, const Arguments&... arguments) const {
    stream.context().launch(kernel_, grid_, block_, sharedBytes_, arguments...);
  }

 private:
  const Kernel<void(Parameters...)>& kernel_;
  Dim grid_, block_;
  unsigned sharedBytes_;
};

// One launch, without its types.
struct Launch {
  const KernelImage& image;
  const char* entry;
  std::span<const std::size_t> sizes;  // of the parameters, in bytes
  Dim grid, block;
  unsigned sharedBytes;
  void** parameters;  // where each parameter's value is
};

namespace detail {

[[noreturn]] void throwCutOff(const std::string& value, std::size_t bytes);

// Converts an argument of a launch to the parameter that the kernel has.
template <typename Parameter>
struct Pass {
  template <typename Argument>
  static Parameter from(const Argument& argument) {
    static_assert(std::is_convertible_v<const Argument&, Parameter>,
                  "alnilam: this argument is not what the kernel's signature says");
    static_assert(!(std::is_integral_v<Parameter> && std::is_floating_point_v<Argument>),
                  "alnilam: a floating-point argument for an integer parameter would be cut off");
    auto parameter = static_cast<Parameter>(argument);
    if constexpr (std::is_integral_v<Parameter> && std::is_integral_v<Argument>) {
      bool kept = static_cast<Argument>(parameter) == argument;
      if constexpr (std::is_signed_v<Parameter> != std::is_signed_v<Argument>) {
        if constexpr (std::is_signed_v<Parameter>) kept = kept && parameter >= 0;
        else kept = kept && argument >= 0;
      }
      if (!kept) throwCutOff(std::to_string(argument), sizeof(Parameter));
    }
    return parameter;
  }
};

template <typename T>
struct Pass<T*> {
  using Element = std::remove_const_t<T>;

  static T* from(T* pointer) { return pointer; }
  static T* from(View<T> view) { return view.data(); }
  static T* from(const Array<Element>& array) { return array.data(); }
  static T* from(View<Element> view)
    requires std::is_const_v<T>
  {
    return view.data();
  }
};

template <typename Parameter, typename Argument>
concept Passes = requires(const Argument& argument) { Pass<Parameter>::from(argument); };

}  // namespace detail
}  // namespace alnilam::gpu
