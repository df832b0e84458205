#pragma once
// The codecs of the standard library's types; included by encode.h, whose essay gives the format.
//
// Containers are recognised by their interface and not by name, so that hashed containers, and
// other people's that look the same, need neither an include here nor a codec there.
//
// Threading and errors: as encode.h.

#include "core/api/encode.h"

namespace alnilam {

template <typename C, typename Traits, typename Allocator>
struct Codec<std::basic_string<C, Traits, Allocator>>
    : detail::RunCodec<std::basic_string<C, Traits, Allocator>> {};

template <typename T, typename Allocator>
struct Codec<std::vector<T, Allocator>>
    : std::conditional_t<Plain<T>, detail::RunCodec<std::vector<T, Allocator>>,
                         detail::SequenceCodec<std::vector<T, Allocator>>> {};

template <typename Allocator>
struct Codec<std::vector<bool, Allocator>> {
  using Bits = std::vector<bool, Allocator>;
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const Bits& bits) {
    out.size(bits.size());
    for (std::size_t i = 0; i < bits.size(); i += 8) {
      unsigned byte = 0;
      std::size_t end = std::min(i + 8, bits.size());
      for (std::size_t j = i; j < end; ++j) byte |= unsigned{bits[j]} << (j - i);
      out.byte(static_cast<std::uint8_t>(byte));
    }
  }

  static Bits read(Reader& in) {
    std::uint64_t n = in.size();
    if (n / 8 > in.remaining()) throwBadBytes("a length is more than they can hold");
    const std::byte* from = in.take(static_cast<std::size_t>(n / 8 + (n % 8 != 0)));
    Bits bits(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < n; ++i) {
      bits[i] = (static_cast<unsigned>(from[i / 8]) >> (i % 8)) & 1;
    }
    return bits;
  }
};

namespace detail {

// What all containers have.
template <typename T>
concept Container = std::is_class_v<T> && std::is_default_constructible_v<T> &&
                    requires(const T& some) {
                      typename T::value_type;
                      some.begin();
                      some.end();
                      { some.size() } -> std::convertible_to<std::size_t>;
                    };

template <typename T>
concept SequenceLike = Container<T> && requires(T& some) {
  some.push_back(std::declval<typename T::value_type>());
  requires !requires { typename T::key_type; };
};

template <typename T>
concept SetLike = Container<T> && requires(T& some) {
  typename T::key_type;
  requires std::is_same_v<typename T::key_type, typename T::value_type>;
  some.insert(some.end(), std::declval<typename T::key_type>());
};

template <typename T>
concept MapLike = Container<T> && requires(T& some) {
  typename T::key_type;
  typename T::mapped_type;
  some.emplace_hint(some.end(), std::declval<typename T::key_type>(),
                    std::declval<typename T::mapped_type>());
};

// std::filesystem::path by its shape.
template <typename T>
concept PathLike = std::is_class_v<T> && requires(const T& path) {
  typename T::string_type;
  { path.native() } -> std::convertible_to<const typename T::string_type&>;
  requires std::is_constructible_v<T, typename T::string_type>;
};

}  // namespace detail

template <typename T>
  requires(detail::SequenceLike<T> && !detail::PathLike<T>)
struct Codec<T> : detail::SequenceCodec<T> {};

template <detail::SetLike T>
struct Codec<T> {
  using Key = typename T::key_type;
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const T& set) {
    out.enter();
    out.size(set.size());
    for (const Key& key : set) alnilam::put(out, key);
    out.leave();
  }

  static T read(Reader& in) {
    in.enter();
    T set;
    std::size_t count = in.count(detail::leastSize<Key>());
    for (std::size_t i = 0; i < count; ++i) set.insert(set.end(), take<Key>(in));
    in.leave();
    return set;
  }
};

template <detail::MapLike T>
struct Codec<T> {
  using Key = typename T::key_type;
  using Mapped = typename T::mapped_type;
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const T& map) {
    out.enter();
    out.size(map.size());
    for (const auto& [key, mapped] : map) {
      alnilam::put<Key>(out, key);
      alnilam::put<Mapped>(out, mapped);
    }
    out.leave();
  }

  static T read(Reader& in) {
    in.enter();
    T map;
    std::size_t count = in.count(detail::leastSize<Key>() + detail::leastSize<Mapped>());
    for (std::size_t i = 0; i < count; ++i) {
      Key key = take<Key>(in);
      map.emplace_hint(map.end(), std::move(key), take<Mapped>(in));
    }
    in.leave();
    return map;
  }
};

template <detail::PathLike T>
struct Codec<T> {
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const T& path) {
    alnilam::put<typename T::string_type>(out, path.native());
  }
  static T read(Reader& in) { return T(take<typename T::string_type>(in)); }
};

// For elements that are not plain; of plain ones, an array or a pair is plain itself.
template <typename T, std::size_t n>
struct Codec<std::array<T, n>> {
  static constexpr bool kOwn = true;
  static constexpr std::size_t kLeast = n == 0 ? 1 : n * detail::leastSize<T>();

  template <typename Out>
  static void write(Out& out, const std::array<T, n>& array) {
    if constexpr (n == 0) out.byte(0);
    for (const T& element : array) alnilam::put(out, element);
  }

  static std::array<T, n> read(Reader& in) {
    if constexpr (n == 0) {
      in.byte();
      return {};
    } else {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return std::array<T, n>{(static_cast<void>(I), take<T>(in))...};
      }(std::make_index_sequence<n>{});
    }
  }
};

template <typename A, typename B>
struct Codec<std::pair<A, B>> {
  static constexpr bool kOwn = true;
  static constexpr std::size_t kLeast = detail::leastSize<A>() + detail::leastSize<B>();

  template <typename Out>
  static void write(Out& out, const std::pair<A, B>& pair) {
    alnilam::put(out, pair.first);
    alnilam::put(out, pair.second);
  }
  static std::pair<A, B> read(Reader& in) {
    A first = take<A>(in);
    return {std::move(first), take<B>(in)};
  }
};

template <typename... T>
struct Codec<std::tuple<T...>> {
  static constexpr bool kOwn = true;
  static constexpr std::size_t kLeast =
      std::max<std::size_t>(1, (std::size_t{0} + ... + detail::leastSize<T>()));

  template <typename Out>
  static void write(Out& out, const std::tuple<T...>& tuple) {
    if constexpr (sizeof...(T) == 0) out.byte(0);
    std::apply([&](const T&... element) { (alnilam::put(out, element), ...); }, tuple);
  }
  static std::tuple<T...> read(Reader& in) {
    if constexpr (sizeof...(T) == 0) in.byte();
    return std::tuple<T...>{take<T>(in)...};  // braces: in order
  }
};

template <typename T>
struct Codec<std::optional<T>> {
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const std::optional<T>& value) {
    out.byte(value.has_value());
    if (value) alnilam::put(out, *value);
  }
  static std::optional<T> read(Reader& in) {
    std::uint8_t has = in.byte();
    if (has > 1) throwBadBytes("an optional is neither empty nor full");
    if (has == 0) return std::nullopt;
    return take<T>(in);
  }
};

template <typename T, typename Deleter>
struct Codec<std::unique_ptr<T, Deleter>> {
  static_assert(std::is_same_v<Deleter, std::default_delete<T>> && !std::is_array_v<T> &&
                    !std::is_polymorphic_v<T>,
                "alnilam: only a std::unique_ptr to one value of exactly its type can be sent");
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const std::unique_ptr<T, Deleter>& pointer) {
    out.enter();
    out.byte(pointer != nullptr);
    if (pointer) alnilam::put<std::remove_cv_t<T>>(out, *pointer);
    out.leave();
  }
  static std::unique_ptr<T, Deleter> read(Reader& in) {
    in.enter();
    std::uint8_t has = in.byte();
    if (has > 1) throwBadBytes("a pointer is neither empty nor full");
    std::unique_ptr<T, Deleter> pointer;
    if (has == 1) pointer.reset(new T(take<std::remove_cv_t<T>>(in)));
    in.leave();
    return pointer;
  }
};

template <>
struct Codec<std::monostate> {
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const std::monostate&) {
    out.byte(0);
  }
  static std::monostate read(Reader& in) {
    in.byte();
    return {};
  }
};

template <typename... T>
struct Codec<std::variant<T...>> {
  using Variant = std::variant<T...>;
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const Variant& variant) {
    out.size(variant.index());
    // Throws std::bad_variant_access for one that an exception left without a value.
    std::visit([&](const auto& value) { alnilam::put(out, value); }, variant);
  }
  static Variant read(Reader& in) {
    return readFrom(in, in.size(), std::index_sequence_for<T...>{});
  }

 private:
  template <std::size_t... I>
  static Variant readFrom(Reader& in, std::uint64_t index, std::index_sequence<I...>) {
    using One = Variant (*)(Reader&);
    static constexpr One kOnes[] = {[](Reader& from) {
      return Variant(std::in_place_index<I>, take<std::variant_alternative_t<I, Variant>>(from));
    }...};
    if (index >= sizeof...(T)) throwBadBytes("a variant has no such alternative");
    return kOnes[index](in);
  }
};

}  // namespace alnilam
