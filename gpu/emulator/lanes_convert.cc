// Conversions between types, and packing of several values into one register.
//
// The source register may be wider than the source type (its low bytes count) and the destination
// wider than the destination type (the value is extended by its sign or by zeros): r[2] and r[3]
// hold the widths of the rows in bytes.  Floats become integers by the rounding asked for and are
// clamped to the range of the type, NaN becomes 0.
//
// Source: PTX ISA 8.x, "Data Movement and Conversion Instructions: cvt".

#include "gpu/emulator/half.h"
#include "gpu/emulator/lanes_loop.h"

#include <cfenv>
#include <limits>

namespace alnilam::gpu::emulator::ALNILAM_LANES {
namespace {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

struct Half {
  u16 bits;
};

template <typename T>
T integral(T value, Rounding rounding) {
  switch (rounding) {
    case Rounding::rni:
      return std::rint(value);
    case Rounding::rzi:
      return std::trunc(value);
    case Rounding::rmi:
      return std::floor(value);
    case Rounding::rpi:
      return std::ceil(value);
    default:
      return value;
  }
}

template <typename D, typename A>
D clampedInteger(A value) {
  // The limits of D as floats: max + 1 is a power of two and exact, min as well.
  constexpr A kTop = static_cast<A>(std::numeric_limits<D>::max() / 2 + 1) * 2;
  constexpr A kBottom = static_cast<A>(std::numeric_limits<D>::min());
  if (value != value) return 0;
  if (value >= kTop) return std::numeric_limits<D>::max();
  if (value <= kBottom) return std::numeric_limits<D>::min();
  return static_cast<D>(value);
}

template <typename D, typename A, bool saturate>
D converted(A a, Rounding rounding) {
  if constexpr (std::is_same_v<A, Half>) {
    return converted<D, float, saturate>(floatOf(a.bits), rounding);
  } else if constexpr (std::is_same_v<D, Half>) {
    if constexpr (std::is_floating_point_v<A>) a = integral(a, rounding);
    double value = static_cast<double>(a);
    if (saturate) value = value > 1 ? 1 : value > 0 ? value : 0;
    return Half{halfOf(value)};
  } else if constexpr (std::is_floating_point_v<A> && std::is_integral_v<D>) {
    return clampedInteger<D>(integral(a, rounding));
  } else if constexpr (std::is_floating_point_v<A>) {
    D value = static_cast<D>(integral(a, rounding));
    if (saturate) value = value > D(1) ? D(1) : value > D(0) ? value : D(0);
    return value;
  } else if constexpr (std::is_floating_point_v<D>) {
    D value = static_cast<D>(a);
    if (saturate) value = value > D(1) ? D(1) : value > D(0) ? value : D(0);
    return value;
  } else if constexpr (saturate) {
    // Compared as 65-bit numbers would be: the sign first, then the magnitude.
    if (std::is_signed_v<A> && a < 0) {
      if (!std::is_signed_v<D>) return 0;
      return static_cast<std::int64_t>(a) < static_cast<std::int64_t>(std::numeric_limits<D>::min())
                 ? std::numeric_limits<D>::min()
                 : static_cast<D>(a);
    }
    return static_cast<u64>(a) > static_cast<u64>(std::numeric_limits<D>::max())
               ? std::numeric_limits<D>::max()
               : static_cast<D>(a);
  } else {
    return static_cast<D>(a);
  }
}

// Writes `value` to a register of `width` bytes at lane i.
template <typename D>
void put(std::byte* at, unsigned width, D value) {
  if constexpr (std::is_integral_v<D>) {
    auto extended = static_cast<u64>(static_cast<std::int64_t>(value));
    if constexpr (!std::is_signed_v<D>) extended = static_cast<u64>(value);
    std::memcpy(at, &extended, width);
  } else {
    u64 bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    std::memcpy(at, &bits, width);
  }
}

template <typename D, typename A, bool saturate>
void convert(Warp& warp, const Instruction& in, u32 mask) {
  // flags: how to round to an integral value.  A rounding of the result is set for the loop.
  auto rounding = static_cast<Rounding>(in.flags);
  unsigned widthD = in.r[2], widthA = in.r[3];
  bool directed = in.rounding != 0;
  if (directed) {
    static constexpr int kModes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    std::fesetround(kModes[in.rounding & 3]);
  }
  if (widthD == sizeof(D) && widthA == sizeof(A)) {
    D* d = row<D>(warp, in.r[0]);
    const A* a = row<A>(warp, in.r[1]);
    if (rounding == Rounding::none) {
      forLanes(mask,
               [d, a](unsigned i) { d[i] = converted<D, A, saturate>(a[i], Rounding::none); });
    } else {
      forLanes(mask,
               [d, a, rounding](unsigned i) { d[i] = converted<D, A, saturate>(a[i], rounding); });
    }
  } else {
    std::byte* d = row<std::byte>(warp, in.r[0]);
    const std::byte* a = row<std::byte>(warp, in.r[1]);
    // Lane by lane into a copy first: rows of different widths may be the same register never, but
    // the compiler can't know.
    for (u32 m = mask; m; m &= m - 1) {
      unsigned i = static_cast<unsigned>(__builtin_ctz(m));
      A value;
      std::memcpy(&value, a + i * widthA, sizeof value);
      put(d + i * widthD, widthD, converted<D, A, saturate>(value, rounding));
    }
  }
  if (directed) std::fesetround(FE_TONEAREST);
}

template <typename D, bool saturate>
Routine from(Type type) {
  switch (type) {
    case Type::u8:
      return convert<D, u8, saturate>;
    case Type::u16:
      return convert<D, u16, saturate>;
    case Type::u32:
      return convert<D, u32, saturate>;
    case Type::u64:
      return convert<D, u64, saturate>;
    case Type::s8:
      return convert<D, std::int8_t, saturate>;
    case Type::s16:
      return convert<D, std::int16_t, saturate>;
    case Type::s32:
      return convert<D, std::int32_t, saturate>;
    case Type::s64:
      return convert<D, std::int64_t, saturate>;
    case Type::f16:
      return convert<D, Half, saturate>;
    case Type::f32:
      return convert<D, float, saturate>;
    case Type::f64:
      return convert<D, double, saturate>;
    case Type::f16x2:
    case Type::pred:
      return nullptr;
  }
  return nullptr;
}
template <bool saturate>
Routine conversion(const Request& request) {
  switch (request.type) {
    case Type::u8:
      return from<u8, saturate>(request.from);
    case Type::u16:
      return from<u16, saturate>(request.from);
    case Type::u32:
      return from<u32, saturate>(request.from);
    case Type::u64:
      return from<u64, saturate>(request.from);
    case Type::s8:
      return from<std::int8_t, saturate>(request.from);
    case Type::s16:
      return from<std::int16_t, saturate>(request.from);
    case Type::s32:
      return from<std::int32_t, saturate>(request.from);
    case Type::s64:
      return from<std::int64_t, saturate>(request.from);
    case Type::f16:
      return from<Half, saturate>(request.from);
    case Type::f32:
      return from<float, saturate>(request.from);
    case Type::f64:
      return from<double, saturate>(request.from);
    case Type::f16x2:
    case Type::pred:
      return nullptr;
  }
  return nullptr;
}

// mov.b64 d, {a, b} and the like: `count` rows of `flags` bytes each, r[1..] into r[0].
void pack(Warp& warp, const Instruction& in, u32 mask) {
  unsigned width = in.flags, whole = width * in.count;
  std::byte* d = row<std::byte>(warp, in.r[0]);
  for (u32 m = mask; m; m &= m - 1) {
    unsigned i = static_cast<unsigned>(__builtin_ctz(m));
    std::byte together[8] = {};
    for (unsigned k = 0; k < in.count; ++k) {
      std::memcpy(together + k * width, row<std::byte>(warp, in.r[1 + k]) + i * width, width);
    }
    std::memcpy(d + i * whole, together, whole);
  }
}
// mov.b64 {d, e}, a: r[0] into r[1..]; a part that nobody wants has no row.
void unpack(Warp& warp, const Instruction& in, u32 mask) {
  unsigned width = in.flags, whole = width * in.count;
  const std::byte* a = row<std::byte>(warp, in.r[0]);
  for (u32 m = mask; m; m &= m - 1) {
    unsigned i = static_cast<unsigned>(__builtin_ctz(m));
    std::byte together[8] = {};
    std::memcpy(together, a + i * whole, whole);
    for (unsigned k = 0; k < in.count; ++k) {
      if (in.r[1 + k] == kNone) continue;
      std::memcpy(row<std::byte>(warp, in.r[1 + k]) + i * width, together + k * width, width);
    }
  }
}

// set.d.a: r[0] becomes all ones (or 1.0 if flags bit 0) where predicate r[1] holds, else 0.
template <typename T>
void spread(Warp& warp, const Instruction& in, u32 mask) {
  T* d = row<T>(warp, in.r[0]);
  u32 where = *row<u32>(warp, in.r[1]);
  T yes = in.flags & 1 ? static_cast<T>(sizeof(T) == 8 ? 0x3ff0000000000000ull : 0x3f800000u)
                       : static_cast<T>(~T{0});
  forLanes(mask, [d, where, yes](unsigned i) { d[i] = where & kBit[i] ? yes : T{0}; });
}

}  // namespace

Routine findConvert(const Request& request) {
  switch (request.op) {
    case Op::cvt:
      return request.saturate ? conversion<true>(request) : conversion<false>(request);
    case Op::pack:
      return pack;
    case Op::unpack:
      return unpack;
    case Op::set:
      return sizeOf(request.type) == 8   ? spread<u64>
             : sizeOf(request.type) == 4 ? spread<u32>
                                         : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace alnilam::gpu::emulator::ALNILAM_LANES
