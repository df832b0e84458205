#pragma once
// ALNILAM_TASK(f): makes a plain function one that nodes can run.
//
//   std::vector<float> load(const std::string& path);
//   ALNILAM_TASK(load);                    // at namespace scope; ALNILAM_TASK(io::load) as well
//
// The macro registers f before main under the name as written, with a thunk that decodes the
// arguments, calls f and encodes what it returns (task_call.h has the seam).  Parameters may be
// values, const references or rvalue references of what encode.h can encode, and View<const T>;
// a leading gpu::Context& is the task's device.  An overloaded name is refused by the compiler:
// give the function that is meant a name of its own.
//
// Parameters and results that are not host values (gpu::View, gpu::Array) come in through two
// templates, which gpu/device specialises:
//
//   template <typename T> struct ArgumentCodec<gpu::View<const T>> {
//     // `object` is the encoding of a std::vector<T>, aligned to 8 at least and valid until the
//     // task has ended; readArray (array_layout.h) gives count and offset.  call.gpu is not null
//     // if the function takes a gpu::Context&.
//     static gpu::View<const T> take(std::span<const std::byte> object, TaskCall& call);
//     // It looks at the header alone: elements that a device is still making may be missing.
//     static constexpr bool kOnDevice = true;
//   };
//   template <typename T> struct ResultCodec<gpu::Array<T>> {
//     // Asks call.result->room(arrayLayout(sizeof(T), n).total) once, writes the header by
//     // writeArrayHeader and has the device copy the elements to layout.offset.  The copy may
//     // still be under way when it returns: whoever runs the task waits for its stream before he
//     // uses the room.
//     static void give(gpu::Array<T>&& result, TaskCall& call);
//   };
//
// What is behind take's result (device memory, say) must live as long as the returned value.
//
// Threading: thunks are reentrant.
// Errors: a thunk throws BadArgumentsError if the bytes are not f's parameters, DeviceError if f
//   takes a gpu::Context& and there is none, StoreFullError if the result has no room, and what f
//   throws.

#include "core/api/argument.h"
#include "core/api/encode.h"
#include "core/api/errors.h"
#include "core/api/registry.h"
#include "core/api/task_call.h"
#include "core/api/view.h"
#include "core/api/wire_type.h"

#include <tuple>
#include <type_traits>
#include <utility>

namespace alnilam {

// The default: a host value.
template <typename P>
struct ArgumentCodec {
  static P take(std::span<const std::byte> object, TaskCall&) { return decode<P>(object); }
};

template <typename T>
struct ArgumentCodec<View<T>> {
  static View<T> take(std::span<const std::byte> object, TaskCall&) {
    return View<T>::over(object, nullptr);
  }
};

template <typename R>
struct ResultCodec {
  static void give(R&& result, TaskCall& call) {
    Plan plan = planOf(result);
    encode(result, plan, call.result->room(plan.total()));
  }
};

// A view as a result is the array that it shows.
template <typename T>
struct ResultCodec<View<T>> {
  static void give(View<T>&& result, TaskCall& call) {
    auto room = call.result->room(arrayLayout(sizeof(T), result.size()).total);
    encodeArray<std::remove_const_t<T>>(result.span(), room);
  }
};

namespace detail {

// Goes through the bytes of a call's arguments.
class ArgumentCursor {
 public:
  struct Source {
    bool many = false;                                  // a run of inputs, else one value
    std::span<const std::byte> object;                  // of one value: its encoding
    std::span<const std::span<const std::byte>> inputs;  // of a run
    std::size_t first = 0, count = 0;  // which of the call's inputs it is made of
  };

  explicit ArgumentCursor(const TaskCall& call) : call_(call) {}
  Source next();
  void finish() const;  // throws if arguments are left over

 private:
  std::uint8_t byte();
  std::uint32_t word();
  void need(std::size_t n) const;

  const TaskCall& call_;
  std::size_t at_ = 0;
};

[[noreturn]] void throwNoDevice();

template <typename P>
P takeArgument(ArgumentCursor& cursor, TaskCall& call) {
  ArgumentCursor::Source source = cursor.next();
  using Element = typename ElementOf<P>::type;
  if constexpr (!std::is_void_v<Element>) {
    if (source.many) {
      P values;
      values.reserve(source.inputs.size());
      for (auto input : source.inputs) {
        values.push_back(ArgumentCodec<Element>::take(input, call));
      }
      return values;
    }
    // A vector of views is made of inputs only.
    if constexpr (!std::is_same_v<WireType<Element>, Element>) {
      throwBadBytes("a vector of views was sent as a value");
    } else {
      return ArgumentCodec<P>::take(source.object, call);
    }
  } else {
    if (source.many) throwBadBytes("several inputs were sent for one value");
    return ArgumentCodec<P>::take(source.object, call);
  }
}

template <typename P>
consteval void checkParameter() {
  static_assert(!std::is_lvalue_reference_v<P> || std::is_const_v<std::remove_reference_t<P>>,
                "alnilam: a task function cannot take a non-const reference: arguments never "
                "change; return the new value (gpu::Context& may only be the first parameter)");
}

template <auto f, typename R, bool gpu, typename... P>
void callTask(TaskCall& call, TypeList<P...>) {
  (checkParameter<P>(), ...);
  ArgumentCursor cursor(call);
  std::tuple<std::decay_t<P>...> values{takeArgument<std::decay_t<P>>(cursor, call)...};
  cursor.finish();
  auto run = [&]() -> R {
    return std::apply(
        [&](std::decay_t<P>&... value) -> R {
          if constexpr (gpu) return f(*call.gpu, std::forward<P>(value)...);
          else return f(std::forward<P>(value)...);
        },
        values);
  };
  if constexpr (std::is_void_v<R>) {
    run();
    call.result->room(0);
  } else {
    ResultCodec<std::decay_t<R>>::give(std::decay_t<R>(run()), call);
  }
}

template <auto f, typename R, typename... P>
void thunk(TaskCall& call) {
  using Gpu = TakesGpu<P...>;
  if (Gpu::value && call.gpu == nullptr) throwNoDevice();
  callTask<f, R, Gpu::value>(call, typename Gpu::Rest{});
}

// See TaskFunction::onDevice.
template <typename P>
consteval bool isOnDevice() {
  using Element = typename ElementOf<P>::type;
  if constexpr (!std::is_void_v<Element>) {
    return requires { ArgumentCodec<Element>::kOnDevice; };
  } else {
    return requires { ArgumentCodec<P>::kOnDevice; };
  }
}
template <typename... P>
std::vector<bool> areOnDevice(TypeList<P...>) {
  return {isOnDevice<std::decay_t<P>>()...};
}

template <auto f, typename R, typename... P>
TaskFunction taskFunction(const char* name, R (*address)(P...)) {
  using Gpu = TakesGpu<P...>;
  return {name, reinterpret_cast<const void*>(address), &thunk<f, R, P...>, Gpu::value,
          areOnDevice(typename Gpu::Rest{})};
}

// `F` is the function's type: naming it makes the compiler say "overloaded" where that is the case.
template <typename F, F f>
bool addTask(const char* name) {
  static_assert(std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>,
                "alnilam: ALNILAM_TASK takes a plain function, no lambda, member or object");
  if constexpr (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>) {
    registerTask(taskFunction<f>(name, f));
  }
  return true;
}

}  // namespace detail
}  // namespace alnilam

#define ALNILAM_JOIN_TOO(a, b) a##b
#define ALNILAM_JOIN(a, b) ALNILAM_JOIN_TOO(a, b)

// Registers the plain function `f`; use at namespace scope, once for each function.
#define ALNILAM_TASK(f)                                                     \
  [[maybe_unused]] static const bool ALNILAM_JOIN(alnilamTask, __COUNTER__) = \
      ::alnilam::detail::addTask<decltype(&f), &f>(#f)
