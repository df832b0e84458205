#pragma once
// Values as bytes and back: for what users write as arguments and results.
//
//   Plan plan = planOf(value);                 // first pass: how many bytes
//   encode(value, plan, room);                 // second pass: into room, plan.total() bytes
//   T again = decode<T>(bytes);                // throws BadArgumentsError, never worse
//
// What can be encoded: plain types (plain.h), std::string, vector, array, pair, tuple, optional,
// variant, unique_ptr, every container with the interface of a standard sequence, set or map
// (deque, list, the hashed ones), filesystem::path, chrono, and aggregates of all these without any
// macro, nested as one likes.  What cannot (a pointer, a reference, a view that does not own its
// bytes, a class with private members) is refused by the compiler with a sentence.
//
// The format, without names or tags, since both sides are the same program (encode_stream.h tells
// of body, tail, size and block):
//
//   plain T            its bytes
//   run of plain T     size(count * 2 + outside), then the elements, or with outside = 1 a block:
//   (string, vector)     runs of kLeastBlock bytes and more lie outside
//   vector<bool>       size(count), then bits, least significant first
//   sequence, set, map size(count), then the elements; a map's are key, value
//   optional           byte 0, or 1 and the value; unique_ptr likewise
//   variant            size(index), then the value
//   array, tuple, pair, aggregate     the members in order; one byte 0 if there are none
//
// An object whose whole value is a std::vector of plain elements (not bool) is different: it has
// the layout of array_layout.h, so that a View or a device can use its elements where they lie.
//
// A class of one's own takes part through a codec:
//
//   template <> struct alnilam::Codec<Matrix> {
//     template <typename Out>
//     static void write(Out& out, const Matrix& m) {  // runs twice, equally
//       alnilam::put(out, m.rows());
//       alnilam::put(out, m.cells());
//     }
//     static Matrix read(alnilam::Reader& in) {
//       auto rows = alnilam::take<int>(in);
//       return Matrix(rows, alnilam::take<std::vector<double>>(in));
//     }
//   };
//
// Threading: a value must not change between the two passes.
// Errors: decode throws BadArgumentsError and allocates no more than a small multiple of the bytes.

#include "core/api/array_layout.h"
#include "core/api/encode_stream.h"
#include "core/api/plain.h"

#include <algorithm>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace alnilam {

template <typename T>
class Ref;

namespace detail {

template <typename T>
T readPlain(Reader& in) {
  alignas(T) std::byte room[sizeof(T)];
  std::memcpy(room, in.take(sizeof(T)), sizeof(T));
  const T& value = *std::launder(reinterpret_cast<const T*>(room));
  if (!boolsAreBools(value)) throwBadBytes("a bool is neither 0 nor 1");
  return value;
}

}  // namespace detail

// Appends `value`; for use in codecs.
template <typename T, typename Out>
void put(Out& out, const T& value) {
  if constexpr (Plain<T>) out.bytes(&value, sizeof value);
  else Codec<T>::write(out, value);
}

// The next value; for use in codecs.
template <typename T>
T take(Reader& in) {
  if constexpr (Plain<T>) return detail::readPlain<T>(in);
  else return Codec<T>::read(in);
}

namespace detail {

// The fewest bytes that a T takes in a body; at least 1, so that a count is bounded by the bytes.
template <typename T>
consteval std::size_t leastSize() {
  if constexpr (Plain<T>) return sizeof(T);
  else if constexpr (requires { Codec<T>::kLeast; }) return Codec<T>::kLeast;
  else return 1;
}

template <typename T>
inline constexpr bool isRawView = false;
template <typename C, typename Traits>
inline constexpr bool isRawView<std::basic_string_view<C, Traits>> = true;
template <typename T, std::size_t n>
inline constexpr bool isRawView<std::span<T, n>> = true;

template <typename T>
inline constexpr bool isRef = false;
template <typename T>
inline constexpr bool isRef<Ref<T>> = true;

template <typename T>
inline constexpr bool isSharedPtr = false;
template <typename T>
inline constexpr bool isSharedPtr<std::shared_ptr<T>> = true;

// Says in words why T cannot be encoded; true if it is an aggregate that can.
template <typename T>
consteval bool checkAggregate() {
  static_assert(!std::is_pointer_v<T> && !std::is_member_pointer_v<T> && !std::is_null_pointer_v<T>,
                "alnilam: a pointer cannot be sent: it means nothing in another process; "
                "send the value itself, a std::vector or a std::unique_ptr");
  static_assert(!std::is_reference_v<T>,
                "alnilam: a reference cannot be sent: it means nothing in another process; "
                "make the member a value");
  static_assert(!isRawView<T>,
                "alnilam: a std::string_view or std::span does not own its bytes and cannot be "
                "sent; use std::string, std::vector or alnilam::View<const T>");
  static_assert(!isRef<T>,
                "alnilam: a Ref inside a value is not followed; pass it as an argument of its own, "
                "or in a std::vector<Ref<T>>");
  static_assert(!isSharedPtr<T>,
                "alnilam: a std::shared_ptr cannot be sent, since sharing would end; "
                "send the value");
  static_assert(!std::is_union_v<T>,
                "alnilam: a union does not say which member is set; use std::variant");
  static_assert(!std::is_polymorphic_v<T>,
                "alnilam: a class with virtual functions cannot be sent; send plain values, or "
                "specialise alnilam::Codec for it");
  constexpr bool fundamental = std::is_pointer_v<T> || std::is_member_pointer_v<T> ||
                               std::is_null_pointer_v<T> || std::is_reference_v<T> ||
                               isRawView<T> || isRef<T> || isSharedPtr<T> || std::is_union_v<T> ||
                               std::is_polymorphic_v<T>;
  static_assert(fundamental || std::is_aggregate_v<T>,
                "alnilam: this class cannot be sent, since it has constructors or private members; "
                "make it a plain struct, or specialise alnilam::Codec (or goesAsBytes) for it");
  if constexpr (!fundamental && std::is_aggregate_v<T> && std::is_class_v<T>) {
    static_assert(!reflect::hasBase<T>,
                  "alnilam: a struct with a base class cannot be taken apart; make the base a "
                  "member, or specialise alnilam::Codec for it");
    if constexpr (!reflect::hasBase<T>) {
      constexpr int n = reflect::memberCount<T>();
      static_assert(n <= reflect::kMaxMembers,
                    "alnilam: a struct of more than 32 members cannot be taken apart; group some "
                    "of them, or specialise alnilam::Codec for it");
      static_assert(n > 0 || std::is_empty_v<T>,
                    "alnilam: this struct has a reference or another member that cannot be made "
                    "anew; it cannot be sent");
      return n <= reflect::kMaxMembers && (n > 0 || std::is_empty_v<T>);
    }
  }
  return false;
}

// Fills the array `to`, whose elements exist already.
template <typename T>
void readInto(Reader& in, T& to) {
  if constexpr (Plain<T>) {
    const std::byte* from = in.take(sizeof(T));
    std::memcpy(static_cast<void*>(&to), from, sizeof(T));
    if (!boolsAreBools(to)) throwBadBytes("a bool is neither 0 nor 1");
  } else if constexpr (std::is_array_v<T>) {
    for (auto& element : to) readInto(in, element);
  } else {
    to = take<T>(in);
  }
}

template <typename T, typename Out>
void putMember(Out& out, const T& value) {
  if constexpr (std::is_array_v<T> && !Plain<T>) {
    for (const auto& element : value) putMember(out, element);
  } else {
    alnilam::put(out, value);
  }
}

template <typename T, typename... M>
T readAggregate(Reader& in, std::type_identity<std::tuple<M...>>) {
  if constexpr ((std::is_array_v<M> || ...)) {
    T value{};
    reflect::withMembers(value, [&](auto&... member) { (readInto(in, member), ...); });
    return value;
  } else {
    return T{take<std::remove_cv_t<M>>(in)...};  // braces: in order
  }
}

template <typename... M>
consteval std::size_t leastOf(std::type_identity<std::tuple<M...>>) {
  return (std::size_t{0} + ... + leastSize<std::remove_cv_t<M>>());
}

}  // namespace detail

// Aggregates; and the sentences for what cannot be sent.
template <typename T>
struct Codec {
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const T& value) {
    if constexpr (detail::checkAggregate<T>()) {
      if constexpr (std::is_empty_v<T>) {
        out.byte(0);
      } else {
        reflect::withMembers(value, [&](const auto&... member) {
          checkMembers(std::type_identity<reflect::MemberTypes<T>>{});
          (detail::putMember(out, member), ...);
        });
      }
    }
  }

  static T read(Reader& in) {
    if constexpr (detail::checkAggregate<T>()) {
      if constexpr (std::is_empty_v<T>) {
        in.byte();
        return T{};
      } else {
        return detail::readAggregate<T>(in, std::type_identity<reflect::MemberTypes<T>>{});
      }
    } else {
      throwBadBytes("the type cannot be sent");
    }
  }

 private:
  template <typename... M>
  static constexpr void checkMembers(std::type_identity<std::tuple<M...>>) {
    static_assert((!std::is_reference_v<M> && ...),
                  "alnilam: a reference cannot be sent: it means nothing in another process; "
                  "make the member a value");
  }
};

namespace detail {

// Reads `n` plain elements that lie, perhaps unaligned, at `from`, into any vector or string.
template <typename Run>
Run runAt(const std::byte* from, std::size_t n) {
  using T = typename Run::value_type;
  Run run;
  if (reinterpret_cast<std::uintptr_t>(from) % alignof(T) == 0) {
    const T* first = reinterpret_cast<const T*>(from);
    run.assign(first, first + n);
  } else {
    run.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
      alignas(T) std::byte room[sizeof(T)];
      std::memcpy(room, from + i * sizeof(T), sizeof(T));
      run.push_back(*std::launder(reinterpret_cast<const T*>(room)));
    }
  }
  return run;
}

template <typename T>
void checkBools(const std::byte* from, std::size_t n) {
  if constexpr (hasBool<T>()) {
    for (std::size_t i = 0; i < n; ++i) {
      alignas(T) std::byte room[sizeof(T)];
      std::memcpy(room, from + i * sizeof(T), sizeof(T));
      if (!boolsAreBools(*std::launder(reinterpret_cast<const T*>(room)))) {
        throwBadBytes("a bool is neither 0 nor 1");
      }
    }
  }
}

// A vector or string of plain elements.
template <typename Run>
struct RunCodec {
  using T = typename Run::value_type;
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const Run& run) {
    std::size_t bytes = run.size() * sizeof(T);
    bool outside = bytes >= kLeastBlock;
    out.size(std::uint64_t{run.size()} * 2 + outside);
    if (outside) out.block(run.data(), bytes);
    else out.bytes(run.data(), bytes);
  }

  static Run read(Reader& in) {
    std::uint64_t word = in.size();
    std::uint64_t n = word / 2;
    if (n > SIZE_MAX / 2 / sizeof(T)) throwBadBytes("a length is more than they can hold");
    auto count = static_cast<std::size_t>(n);
    const std::byte* from =
        word % 2 != 0 ? in.block(count * sizeof(T)) : in.take(count * sizeof(T));
    checkBools<T>(from, count);
    return runAt<Run>(from, count);
  }
};

template <typename Sequence>
void reserveFor(Sequence& sequence, std::size_t count, const Reader& in) {
  using T = typename Sequence::value_type;
  if constexpr (requires { sequence.reserve(count); }) {
    // A T may be larger than its bytes: believe the count only as far as the bytes would fill Ts.
    sequence.reserve(std::min(count, std::max<std::size_t>(16, in.remaining() / sizeof(T))));
  }
}

// A sequence whose elements are written one by one.
template <typename Sequence>
struct SequenceCodec {
  using T = typename Sequence::value_type;
  static constexpr bool kOwn = true;

  template <typename Out>
  static void write(Out& out, const Sequence& sequence) {
    out.enter();
    out.size(sequence.size());
    for (const T& element : sequence) alnilam::put<T>(out, element);
    out.leave();
  }

  static Sequence read(Reader& in) {
    in.enter();
    Sequence sequence;
    std::size_t count = in.count(leastSize<T>());
    reserveFor(sequence, count, in);
    for (std::size_t i = 0; i < count; ++i) sequence.push_back(take<T>(in));
    in.leave();
    return sequence;
  }
};

}  // namespace detail
}  // namespace alnilam

#include "core/api/encode_std.h"  // the codecs of the standard library's other types

namespace alnilam {

namespace detail {

template <typename T>
inline constexpr bool isPlainVector = false;
template <Plain T, typename Allocator>
inline constexpr bool isPlainVector<std::vector<T, Allocator>> = !std::is_same_v<T, bool>;

}  // namespace detail

// How many bytes `value` takes as an object.  Throws InvalidError if it is nested too deep.
template <typename T>
Plan planOf(const T& value) {
  if constexpr (detail::isPlainVector<T>) {
    return {arrayLayout(sizeof(typename T::value_type), value.size()).total, 0};
  } else if constexpr (Plain<T>) {
    return {sizeof(T), 0};
  } else {
    Measure measure;
    alnilam::put(measure, value);
    return measure.plan();
  }
}

template <typename T>
std::size_t encodedSize(const T& value) {
  return planOf(value).total();
}

// Writes the array of `elements` as an object into `room`, arrayLayout(...).total bytes.
template <Plain T>
void encodeArray(std::span<const T> elements, std::span<std::byte> room) {
  ArrayLayout layout = arrayLayout(sizeof(T), elements.size());
  writeArrayHeader(room, sizeof(T), elements.size());
  if (!elements.empty()) {
    std::memcpy(room.data() + layout.offset, elements.data(), elements.size_bytes());
  }
}

// Writes `value`, whose plan is `plan`, into `room`, plan.total() bytes.
template <typename T>
void encode(const T& value, const Plan& plan, std::span<std::byte> room) {
  if constexpr (detail::isPlainVector<T>) {
    encodeArray<typename T::value_type>(value, room);
  } else {
    Writer writer(plan, room);
    alnilam::put(writer, value);
  }
}

// The same, measuring again.
template <typename T>
void encode(const T& value, std::span<std::byte> room) {
  encode(value, planOf(value), room);
}

// The value that is encoded in the whole of `object`.
template <typename T>
T decode(std::span<const std::byte> object) {
  if constexpr (detail::isPlainVector<T>) {
    using Element = typename T::value_type;
    ArrayPart part = readArray(object, sizeof(Element));
    const std::byte* from = object.data() + part.offset;
    detail::checkBools<Element>(from, part.count);
    return detail::runAt<T>(from, part.count);
  } else {
    Reader reader(object);
    T value = take<T>(reader);
    reader.finish();
    return value;
  }
}

}  // namespace alnilam
