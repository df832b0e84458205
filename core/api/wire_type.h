#pragma once
// Which encoding stands behind a type that is only a way to look at it.
//
// View<const T>, gpu::View<const T>, gpu::Array<T> and std::vector<T> are four ways to hold one
// array; on the wire they are the same bytes, those of std::vector<T>.  So a result returned as
// gpu::Array<float> can be an argument taken as View<const float>, and no rule says so but this:
//
//   a Ref<U> goes where a P is wanted     if  WireType<U> is WireType<P>
//   a value of type A goes there          if  A converts to WireType<P>
//   get(Ref<U>) returns                   WireType<U>
//
// gpu:: types are only declared here: core/ may not include gpu/.
//
// Threading: compile time only.

#include <type_traits>
#include <vector>

namespace alnilam {

template <typename T>
class View;
template <typename T>
class Ref;

namespace gpu {
class Context;
template <typename T>
class Array;
template <typename T>
class View;
}  // namespace gpu

namespace detail {

template <typename T>
struct WireTypeOf {
  using type = T;
};
template <typename T>
struct WireTypeOf<View<T>> {
  using type = std::vector<std::remove_const_t<T>>;
};
template <typename T>
struct WireTypeOf<gpu::View<T>> {
  using type = std::vector<std::remove_const_t<T>>;
};
template <typename T>
struct WireTypeOf<gpu::Array<T>> {
  using type = std::vector<std::remove_const_t<T>>;
};

}  // namespace detail

template <typename T>
using WireType = typename detail::WireTypeOf<std::decay_t<T>>::type;

}  // namespace alnilam
