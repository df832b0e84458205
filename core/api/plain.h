#pragma once
// Which types travel as the bytes that they are.
//
// A *plain* type is one whose value is its bytes and nothing behind them: numbers, enums, bool,
// std::byte, complex numbers, chrono durations and times, std::pair and std::array and C arrays of
// plain, and aggregates all of whose members are plain.  A vector of a plain type is written and
// read by one memcpy and can be read in place.  Padding inside a struct goes along.
//
// A pointer is never plain, so what holds one is not.  A class with private members or constructors
// cannot be looked into, so it is not plain either unless its author says so:
//
//   template <> inline constexpr bool alnilam::goesAsBytes<Quaternion> = true;
//
// Every machine of a cluster runs the same program, so sizes and layouts agree; byte order is
// little-endian throughout.
//
// Threading: compile time, and one pure function.

#include "core/api/reflect.h"

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

namespace alnilam {

static_assert(std::endian::native == std::endian::little, "Alnilam's formats are little-endian");

// Specialise as true for a trivially copyable class without pointers that cannot be looked into.
template <typename T>
inline constexpr bool goesAsBytes = false;

// How a type is encoded; see encode.h, which also tells how to write one for a class of one's own.
template <typename T>
struct Codec;

namespace detail {

// kOwn is true in the codecs of encode.h only, so a user's own codec takes precedence over bytes.
template <typename T>
inline constexpr bool hasUserCodec = !requires { Codec<T>::kOwn; };

template <typename T>
inline constexpr bool isArray = false;
template <typename T, std::size_t n>
inline constexpr bool isArray<std::array<T, n>> = true;

template <typename T>
inline constexpr bool isPair = false;
template <typename A, typename B>
inline constexpr bool isPair<std::pair<A, B>> = true;

template <typename T>
inline constexpr bool isTime = false;
template <typename Rep, typename Period>
inline constexpr bool isTime<std::chrono::duration<Rep, Period>> = std::is_arithmetic_v<Rep>;
template <typename Clock, typename Span>
inline constexpr bool isTime<std::chrono::time_point<Clock, Span>> = isTime<Span>;

// std::complex by its shape, so that <complex> need not be included.
template <typename T>
concept ComplexLike = std::is_trivially_copyable_v<T> && requires(const T& value) {
  typename T::value_type;
  value.real();
  value.imag();
  requires std::is_floating_point_v<typename T::value_type>;
  requires sizeof(T) == 2 * sizeof(typename T::value_type);
};

template <typename T>
consteval bool plain();

template <typename... M>
consteval bool allPlain(std::type_identity<std::tuple<M...>>) {
  return (plain<std::remove_cv_t<M>>() && ...);
}

template <typename T>
consteval bool plain() {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    return true;
  } else if constexpr (std::is_array_v<T>) {
    return std::extent_v<T> > 0 && plain<std::remove_cv_t<std::remove_extent_t<T>>>();
  } else if constexpr (!std::is_class_v<T> || !std::is_trivially_destructible_v<T> ||
                       !std::is_trivially_copy_constructible_v<T>) {
    return false;
  } else if constexpr (goesAsBytes<T>) {
    static_assert(std::is_trivially_copyable_v<T>,
                  "alnilam: goesAsBytes is for trivially copyable classes");
    return true;
  } else if constexpr (isTime<T> || ComplexLike<T>) {
    return true;
  } else if constexpr (isArray<T>) {
    return std::tuple_size_v<T> > 0 && plain<typename T::value_type>();
  } else if constexpr (isPair<T>) {
    return plain<typename T::first_type>() && plain<typename T::second_type>();
  } else if constexpr (std::is_aggregate_v<T> && std::is_trivially_copyable_v<T>) {
    if constexpr (hasUserCodec<T> || std::is_empty_v<T> || reflect::hasBase<T>) {
      return false;
    } else if constexpr (constexpr int n = reflect::memberCount<T>();
                         n >= 1 && n <= reflect::kMaxMembers) {
      return allPlain(std::type_identity<reflect::MemberTypes<T>>{});
    } else {
      return false;
    }
  } else {
    return false;
  }
}

}  // namespace detail

template <typename T>
concept Plain = detail::plain<std::remove_cv_t<T>>();

namespace detail {

template <typename T>
consteval bool hasBool() {
  if constexpr (std::is_same_v<T, bool>) {
    return true;
  } else if constexpr (std::is_array_v<T>) {
    return hasBool<std::remove_cv_t<std::remove_extent_t<T>>>();
  } else if constexpr (isArray<T>) {
    return hasBool<typename T::value_type>();
  } else if constexpr (isPair<T>) {
    return hasBool<typename T::first_type>() || hasBool<typename T::second_type>();
  } else if constexpr (goesAsBytes<T> || isTime<T> || ComplexLike<T> || !std::is_class_v<T>) {
    return false;
  } else {
    return []<typename... M>(std::type_identity<std::tuple<M...>>) {
      return (hasBool<std::remove_cv_t<M>>() || ...);
    }(std::type_identity<reflect::MemberTypes<T>>{});
  }
}

// Whether each bool in the plain `value`, which came from outside, is 0 or 1; to read any other as
// a bool would be undefined.
template <typename T>
bool boolsAreBools(const T& value) {
  if constexpr (!hasBool<std::remove_cv_t<T>>()) {
    return true;
  } else if constexpr (std::is_same_v<std::remove_cv_t<T>, bool>) {
    unsigned char byte;
    std::memcpy(&byte, &value, 1);
    return byte <= 1;
  } else if constexpr (std::is_array_v<T> || isArray<std::remove_cv_t<T>>) {
    for (const auto& element : value) {
      if (!boolsAreBools(element)) return false;
    }
    return true;
  } else if constexpr (isPair<T>) {
    return boolsAreBools(value.first) && boolsAreBools(value.second);
  } else {
    return reflect::withMembers(
        value, [](const auto&... member) { return (boolsAreBools(member) && ...); });
  }
}

}  // namespace detail
}  // namespace alnilam
