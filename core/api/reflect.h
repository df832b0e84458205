#pragma once
// The members of a plain struct, without macros.
//
// An aggregate (public members, no constructors) can be taken apart by a structured binding once
// its number of members is known, which the compiler tells by the number of empty
// braces it takes: T{{}, {}, {}} is well-formed for at least three members.  Braces count an array
// member as one.  A struct with a member that has no default is counted with placeholders that
// convert to anything.
//
// Not for: base classes, unions, bit-fields, more than kMaxMembers members.  `hasBase` and
// `memberCount` tell the first and the last, so that encode.h can say it in words.
//
// Threading: compile time only.

#include "core/api/reflect_split.h"

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace alnilam::reflect {

inline constexpr int kMaxMembers = 32;

// Converts to anything that could be a member of T.
template <typename T>
struct AnyMember {
  template <typename U>
    requires(!std::is_same_v<std::remove_cvref_t<U>, T>)
  operator U() const;
};

// Converts to the bases of T only.
template <typename T>
struct AnyBase {
  template <typename U>
    requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>)
  operator U() const;
};

template <typename T>
inline constexpr bool hasBase = requires { T{AnyBase<T>{}}; };

template <typename T, std::size_t... I>
consteval bool takesPlaceholders(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), AnyMember<T>{})...}; };
}

template <typename T, int n = kMaxMembers + 1>
consteval int countByPlaceholders() {
  if constexpr (takesPlaceholders<T>(std::make_index_sequence<n>{})) return n;
  else if constexpr (n > 0) return countByPlaceholders<T, n - 1>();
  else return 0;
}

// The largest n for which T{{}, ..., {}} with n braces is well-formed; 0 if there is none.
#define ALNILAM_BRACES_1 {},
#define ALNILAM_BRACES_2 ALNILAM_BRACES_1 ALNILAM_BRACES_1
#define ALNILAM_BRACES_4 ALNILAM_BRACES_2 ALNILAM_BRACES_2
#define ALNILAM_BRACES_8 ALNILAM_BRACES_4 ALNILAM_BRACES_4
#define ALNILAM_BRACES_16 ALNILAM_BRACES_8 ALNILAM_BRACES_8
#define ALNILAM_BRACES_32 ALNILAM_BRACES_16 ALNILAM_BRACES_16
template <typename T>
consteval int countByBraces() {
  if constexpr (requires { T{ALNILAM_BRACES_32 ALNILAM_BRACES_1}; }) return 33;
  else if constexpr (requires { T{ALNILAM_BRACES_32}; }) return 32;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_8 ALNILAM_BRACES_4
                                 ALNILAM_BRACES_2 ALNILAM_BRACES_1}; })
    return 31;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_8 ALNILAM_BRACES_4
                                 ALNILAM_BRACES_2}; })
    return 30;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_8 ALNILAM_BRACES_4
                                 ALNILAM_BRACES_1}; })
    return 29;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_8
                                 ALNILAM_BRACES_4}; })
    return 28;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_8 ALNILAM_BRACES_2
                                 ALNILAM_BRACES_1}; })
    return 27;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_8
                                 ALNILAM_BRACES_2}; })
    return 26;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_8
                                 ALNILAM_BRACES_1}; })
    return 25;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_8}; }) return 24;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_4 ALNILAM_BRACES_2
                                 ALNILAM_BRACES_1}; })
    return 23;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_4
                                 ALNILAM_BRACES_2}; })
    return 22;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_4
                                 ALNILAM_BRACES_1}; })
    return 21;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_4}; }) return 20;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_2
                                 ALNILAM_BRACES_1}; })
    return 19;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_2}; }) return 18;
  else if constexpr (requires { T{ALNILAM_BRACES_16 ALNILAM_BRACES_1}; }) return 17;
  else if constexpr (requires { T{ALNILAM_BRACES_16}; }) return 16;
  else if constexpr (requires { T{ALNILAM_BRACES_8 ALNILAM_BRACES_4 ALNILAM_BRACES_2
                                 ALNILAM_BRACES_1}; })
    return 15;
  else if constexpr (requires { T{ALNILAM_BRACES_8 ALNILAM_BRACES_4 ALNILAM_BRACES_2}; }) return 14;
  else if constexpr (requires { T{ALNILAM_BRACES_8 ALNILAM_BRACES_4 ALNILAM_BRACES_1}; }) return 13;
  else if constexpr (requires { T{ALNILAM_BRACES_8 ALNILAM_BRACES_4}; }) return 12;
  else if constexpr (requires { T{ALNILAM_BRACES_8 ALNILAM_BRACES_2 ALNILAM_BRACES_1}; }) return 11;
  else if constexpr (requires { T{ALNILAM_BRACES_8 ALNILAM_BRACES_2}; }) return 10;
  else if constexpr (requires { T{ALNILAM_BRACES_8 ALNILAM_BRACES_1}; }) return 9;
  else if constexpr (requires { T{ALNILAM_BRACES_8}; }) return 8;
  else if constexpr (requires { T{ALNILAM_BRACES_4 ALNILAM_BRACES_2 ALNILAM_BRACES_1}; }) return 7;
  else if constexpr (requires { T{ALNILAM_BRACES_4 ALNILAM_BRACES_2}; }) return 6;
  else if constexpr (requires { T{ALNILAM_BRACES_4 ALNILAM_BRACES_1}; }) return 5;
  else if constexpr (requires { T{ALNILAM_BRACES_4}; }) return 4;
  else if constexpr (requires { T{ALNILAM_BRACES_2 ALNILAM_BRACES_1}; }) return 3;
  else if constexpr (requires { T{ALNILAM_BRACES_2}; }) return 2;
  else if constexpr (requires { T{ALNILAM_BRACES_1}; }) return 1;
  else return 0;
}
#undef ALNILAM_BRACES_1
#undef ALNILAM_BRACES_2
#undef ALNILAM_BRACES_4
#undef ALNILAM_BRACES_8
#undef ALNILAM_BRACES_16
#undef ALNILAM_BRACES_32

// The number of members of the aggregate T; above kMaxMembers means "too many"; 0 for an empty
// struct, and for one that cannot be made from values at all (it has a reference).
template <typename T>
consteval int memberCount() {
  if constexpr (std::is_empty_v<T>) return 0;
  else if constexpr (countByBraces<T>() > 0) return countByBraces<T>();
  else return countByPlaceholders<T>();
}

// Calls f(members...) with references to the members of `value`, in order.
template <typename T, typename F>
constexpr decltype(auto) withMembers(T& value, F&& f) {
  return split(Count<memberCount<std::remove_const_t<T>>()>{}, value, std::forward<F>(f));
}

// The declared types of the members, references and arrays included, as a std::tuple that is only a
// list.
template <typename T>
using MemberTypes =
    typename decltype(typesOf(Count<memberCount<T>()>{}, std::declval<T&>()))::type;

}  // namespace alnilam::reflect
