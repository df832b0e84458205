#pragma once
// A kernel of the user's, with the types of its parameters.
//
//   // compare.cu:  extern "C" __global__ void compare(const unsigned* rows, unsigned count, ...)
//   #include "compare.ptx.h"  // made by alnilam_add_kernels(target compare.cu)
//   const gpu::Kernel<void(const unsigned*, unsigned)> kCompare{alnilam_kernels::compare_ptx,
//                                                               "compare"};
//   gpu.launch(kCompare, {grid}, {256}, 0, rows, count);
//
// The signature is the one promise that nobody can check: PTX has sizes and no types.  What is
// checked, at compile time, is that every launch passes what the signature says: as many arguments,
// device pointers or arrays of the right element where it has pointers, and nothing that would be
// cut off silently.
//
// The PTX is compiled by the driver once a device and process, at the first launch.
//
// Threading: a Kernel is a value; launch the same one from as many threads as you like.

#include "gpu/device/array.h"

#include <string_view>
#include <type_traits>

namespace alnilam::gpu {

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

template <typename... Parameters>
class Kernel<void(Parameters...)> {
 public:
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "alnilam: a kernel's parameters are plain values and device pointers");

  // `ptx` is text ended by a zero byte that stays where it is for the life of the process; `entry`
  // is the function's name in it, unmangled (extern "C").
  constexpr Kernel(std::string_view ptx, const char* entry) : ptx_(ptx), entry_(entry) {}

  std::string_view ptx() const { return ptx_; }
  const char* entry() const { return entry_; }

 private:
  std::string_view ptx_;
  const char* entry_;
};

namespace detail {

// Converts an argument of a launch to the parameter that the kernel has.
template <typename Parameter>
struct Pass {
  template <typename Argument>
  static Parameter from(const Argument& argument) {
    static_assert(std::is_convertible_v<const Argument&, Parameter>,
                  "alnilam: this argument is not what the kernel's signature says");
    static_assert(!(std::is_integral_v<Parameter> && std::is_floating_point_v<Argument>),
                  "alnilam: a floating-point argument for an integer parameter would be cut off");
    return static_cast<Parameter>(argument);
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

}  // namespace detail
}  // namespace alnilam::gpu
