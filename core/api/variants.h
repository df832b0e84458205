#pragma once
// ALNILAM_VARIANTS(name, cpu(f), cuda(g)): one task, several implementations.
//
//   std::vector<float> blurOnCpu(View<const float> image, int radius);
//   gpu::Array<float> blurOnGpu(gpu::Context& gpu, gpu::View<const float> image, int radius);
//
//   ALNILAM_VARIANTS(blur, cpu(blurOnCpu, {.cpus = 4}),
//                    cuda(blurOnGpu, {.gpus = 0.25, .gpuMemory = 512_MiB}));   // namespace scope
//   ...
//   auto soft = cluster.submit(blur, image, 5);
//
// Each run is of one variant, the one that is expected to finish it first where it runs, by what
// runs took before for inputs of about that size.  To learn that, every variant is tried a few
// times; `alnilam task explain` and Cluster::explain tell what is known and what was chosen.
// Variants must therefore do the same: which one made a value must not matter to the program.
// While nothing is known the first variant in the list is preferred.
//
// All variants take and return the same, but for how arrays are held: View<const T>,
// gpu::View<const T>, gpu::Array<T> and std::vector<T> are one type here (wire_type.h), and cuda
// variants have a gpu::Context& before the rest.  The functions become tasks, as by ALNILAM_TASK.
// What a variant needs may stand beside it (variant_set.h); the kinds are cpu and cuda, of each
// there may be several, in all at most eight.

#include "core/api/task.h"
#include "core/api/variant_set.h"

namespace alnilam::detail {

// A variant with its types, while a set is put together.
template <typename R, typename Parameters, bool gpu>
struct TypedVariant {
  VariantSet::One one;
};

template <typename R, typename... P>
TypedVariant<WireType<R>, typename TakesGpu<P...>::Rest, TakesGpu<P...>::value> typeOf(R (*)(P...));

template <typename T>
inline constexpr bool takesGpu = false;
template <typename R, typename Parameters>
inline constexpr bool takesGpu<TypedVariant<R, Parameters, true>> = true;

// Where a function may stand that `F`, a function pointer type, is of.
template <VariantKind kind, typename F, F f>
auto variant(const char* function, VariantNeeds needs = {}) {
  constexpr bool kIsPlain = std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>;
  static_assert(kIsPlain,
                "alnilam: ALNILAM_VARIANTS takes plain functions, no lambdas, members or objects");
  if constexpr (kIsPlain) {
    using Typed = decltype(typeOf(f));
    static_assert(kind != VariantKind::cpu || !takesGpu<Typed>,
                  "alnilam: ALNILAM_VARIANTS: a cpu variant has no gpu::Context&; write cuda(...)");
    static_assert(kind != VariantKind::cuda || takesGpu<Typed>,
                  "alnilam: ALNILAM_VARIANTS: a cuda variant takes gpu::Context& first");
    addTask<F, f>(function);
    return Typed{{kind, function, needs}};
  }
}

// Whether two parameters are the same bytes: values of one wire type, or runs of such.
template <typename P, typename Q>
consteval bool isSameOnWire() {
  using Left = typename ElementOf<std::decay_t<P>>::type;
  using Right = typename ElementOf<std::decay_t<Q>>::type;
  if constexpr (std::is_same_v<WireType<P>, WireType<Q>>) return true;
  else if constexpr (std::is_void_v<Left> || std::is_void_v<Right>) return false;
  else return std::is_same_v<WireType<Left>, WireType<Right>>;
}

template <typename... P, typename... Q>
consteval bool takeEqually(TypeList<P...>, TypeList<Q...>) {
  static_assert(sizeof...(P) == sizeof...(Q),
                "alnilam: ALNILAM_VARIANTS: all variants take the same number of arguments (a "
                "leading gpu::Context& is not counted)");
  if constexpr (sizeof...(P) == sizeof...(Q)) {
    static_assert((isSameOnWire<P, Q>() && ...),
                  "alnilam: ALNILAM_VARIANTS: all variants take the same types of arguments "
                  "(View<const T>, gpu::View<const T> and std::vector<T> are the same)");
  }
  return true;
}

template <typename R, typename Parameters, bool gpu, typename... Rs, typename... Others,
          bool... gpus>
Variants<R, Parameters> variants(const char* name, TypedVariant<R, Parameters, gpu> first,
                                 TypedVariant<Rs, Others, gpus>... others) {
  static_assert((std::is_same_v<R, Rs> && ...),
                "alnilam: ALNILAM_VARIANTS: all variants return the same type (std::vector<T>, "
                "View<const T> and gpu::Array<T> are the same)");
  static_assert((takeEqually(Parameters{}, Others{}) && ...));
  static_assert(1 + sizeof...(Others) <= TaskClass::kMaxVariants,
                "alnilam: ALNILAM_VARIANTS: a task has at most eight variants");
  return Variants<R, Parameters>(VariantSet{name, {first.one, others.one...}});
}

}  // namespace alnilam::detail

// cpu(f), cpu(f, {...}) and cuda(...) become these by a paste: no macro has so short a name.
#define ALNILAM_VARIANT_OF(kind, f, ...)                                            \
  ::alnilam::detail::variant<::alnilam::VariantKind::kind, decltype(&f), &f>( \
      #f __VA_OPT__(, ::alnilam::VariantNeeds __VA_ARGS__))
#define ALNILAM_VARIANT_cpu(...) ALNILAM_VARIANT_OF(cpu, __VA_ARGS__)
#define ALNILAM_VARIANT_cuda(...) ALNILAM_VARIANT_OF(cuda, __VA_ARGS__)

#define ALNILAM_VARIANTS_1(one) ALNILAM_VARIANT_##one
#define ALNILAM_VARIANTS_2(one, ...) ALNILAM_VARIANT_##one, ALNILAM_VARIANTS_1(__VA_ARGS__)
#define ALNILAM_VARIANTS_3(one, ...) ALNILAM_VARIANT_##one, ALNILAM_VARIANTS_2(__VA_ARGS__)
#define ALNILAM_VARIANTS_4(one, ...) ALNILAM_VARIANT_##one, ALNILAM_VARIANTS_3(__VA_ARGS__)
#define ALNILAM_VARIANTS_5(one, ...) ALNILAM_VARIANT_##one, ALNILAM_VARIANTS_4(__VA_ARGS__)
#define ALNILAM_VARIANTS_6(one, ...) ALNILAM_VARIANT_##one, ALNILAM_VARIANTS_5(__VA_ARGS__)
#define ALNILAM_VARIANTS_7(one, ...) ALNILAM_VARIANT_##one, ALNILAM_VARIANTS_6(__VA_ARGS__)
#define ALNILAM_VARIANTS_8(one, ...) ALNILAM_VARIANT_##one, ALNILAM_VARIANTS_7(__VA_ARGS__)
#define ALNILAM_VARIANTS_PICK(a, b, c, d, e, f, g, h, picked, ...) picked
#define ALNILAM_VARIANTS_ALL(...)                                                            \
  ALNILAM_VARIANTS_PICK(__VA_ARGS__, ALNILAM_VARIANTS_8, ALNILAM_VARIANTS_7,                 \
                        ALNILAM_VARIANTS_6, ALNILAM_VARIANTS_5, ALNILAM_VARIANTS_4,          \
                        ALNILAM_VARIANTS_3, ALNILAM_VARIANTS_2, ALNILAM_VARIANTS_1, unused)  \
  (__VA_ARGS__)

// Makes `name` a task with these variants; use at namespace scope.
#define ALNILAM_VARIANTS(name, ...)                  \
  [[maybe_unused]] static const auto name =          \
      ::alnilam::detail::variants(#name, ALNILAM_VARIANTS_ALL(__VA_ARGS__))
