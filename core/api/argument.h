#pragma once
// One argument of a submission: checked against its parameter, then without its type.
//
// Argument is what cluster.cc works on: a value that can be measured and written, one handle, or a
// run of handles.  Binding<P, A> makes it from an argument of type A for a parameter of type P, or
// says at compile time why it cannot (wire_type.h has the rule):
//
//   A value         converted to WireType<P> unless it is one already, then encoded
//   A Ref<U>        if U and P have the same wire type
//   A run of Refs   (vector, array or span of Ref<U>) if P is a vector of what has U's wire type
//
// Threading and lifetime: an Argument points into its Binding and the caller's argument; all live
//   until submit returns.

#include "core/api/encode.h"
#include "core/api/ref.h"
#include "core/api/view.h"
#include "core/api/wire_type.h"

#include <concepts>
#include <ranges>
#include <span>

namespace alnilam {

struct Argument {
  using Write = void (*)(const void* value, const Plan& plan, std::span<std::byte> room);
  using At = const Handle& (*)(const void* refs, std::size_t index);

  enum class Kind : std::uint8_t { value, ref, refs };

  Kind kind = Kind::value;
  const void* object = nullptr;  // the value, the Handle, or the run of refs
  Plan plan{};                   // of a value
  Write write = nullptr;         // of a value
  std::size_t count = 0;         // of a run
  At at = nullptr;               // of a run
};

namespace detail {

template <typename A>
concept RefRun = std::ranges::random_access_range<const A> && std::ranges::sized_range<const A> &&
                 isRef<std::ranges::range_value_t<const A>>;

template <typename P>
struct ElementOf {
  using type = void;
};
template <typename T, typename Allocator>
struct ElementOf<std::vector<T, Allocator>> {
  using type = T;
};

// Whether an argument of type A (without reference and const) may stand for a parameter of type P.
template <typename P, typename A>
consteval bool fits() {
  using Wanted = std::decay_t<P>;
  if constexpr (isRef<A>) {
    return std::is_same_v<WireType<typename A::Value>, WireType<Wanted>>;
  } else if constexpr (RefRun<A>) {
    using Element = typename ElementOf<Wanted>::type;
    using Made = typename std::ranges::range_value_t<const A>::Value;
    if constexpr (std::is_void_v<Element>) return false;
    else return std::is_same_v<WireType<Made>, WireType<Element>>;
  } else {
    return std::is_convertible_v<const A&, WireType<Wanted>> ||
           std::is_same_v<WireType<A>, WireType<Wanted>>;
  }
}

template <typename... T>
struct TypeList {};

// The parameters without a leading gpu::Context&, which the runtime supplies.
template <typename... P>
struct TakesGpu : std::false_type {
  using Rest = TypeList<P...>;
};
template <typename... P>
struct TakesGpu<gpu::Context&, P...> : std::true_type {
  using Rest = TypeList<P...>;
};

// Says in words why A may not stand for P; in the compiler's output, the two types are the template
// arguments of this function.
template <typename P, typename A>
consteval bool checkArgument() {
  static_assert(!isRef<A> || fits<P, A>(),
                "alnilam: submit: this Ref's type is not the parameter's; a Ref<T> goes where a T, "
                "or a view of it, is wanted");
  static_assert(isRef<A> || !RefRun<A> || fits<P, A>(),
                "alnilam: submit: Refs in a vector go where a std::vector of their values, or of "
                "views of them, is wanted");
  static_assert(isRef<A> || RefRun<A> || fits<P, A>(),
                "alnilam: submit: an argument cannot be converted to the function's parameter");
  return fits<P, A>();
}

template <typename T>
Argument valueArgument(const T& value) {
  Argument argument;
  argument.object = &value;
  argument.plan = planOf(value);
  argument.write = [](const void* object, const Plan& plan, std::span<std::byte> room) {
    encode(*static_cast<const T*>(object), plan, room);
  };
  return argument;
}

// The default: a value of another type, converted.
template <typename P, typename A>
struct Binding {
  using Wire = WireType<P>;
  explicit Binding(const A& value) : converted(static_cast<Wire>(value)) {}
  Argument argument() const { return valueArgument<Wire>(converted); }
  Wire converted;
};

// A value of the very type.
template <typename P, typename A>
  requires std::same_as<WireType<P>, A>
struct Binding<P, A> {
  explicit Binding(const A& given) : value(given) {}
  Argument argument() const { return valueArgument<A>(value); }
  const A& value;
};

template <typename P, typename A>
  requires isRef<A>
struct Binding<P, A> {
  explicit Binding(const A& given) : ref(given) {}
  Argument argument() const {
    Argument argument;
    argument.kind = Argument::Kind::ref;
    argument.object = &ref.handle();
    return argument;
  }
  const A& ref;
};

template <typename P, RefRun A>
struct Binding<P, A> {
  explicit Binding(const A& given) : refs(given) {}
  Argument argument() const {
    Argument argument;
    argument.kind = Argument::Kind::refs;
    argument.object = &refs;
    argument.count = std::ranges::size(refs);
    argument.at = [](const void* run, std::size_t index) -> const Handle& {
      const A& all = *static_cast<const A*>(run);
      return std::ranges::begin(all)[static_cast<std::ptrdiff_t>(index)].handle();
    };
    return argument;
  }
  const A& refs;
};

}  // namespace detail
}  // namespace alnilam
