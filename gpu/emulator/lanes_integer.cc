// Integer arithmetic, logic, comparison and selection.
//
// Signed arithmetic wraps in PTX, so it's done in unsigned types of at least 32 bits.  Division by
// zero gives all ones, as PTX leaves it open; shifts by the width or more give 0 or the sign.
//
// Source: PTX ISA 8.x, chapters "Integer Arithmetic" and "Logic and Shift Instructions".

#include "gpu/emulator/lanes_loop.h"

namespace alnilam::gpu::emulator::ALNILAM_LANES {
namespace {

using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

template <typename T>
using Wrapping = std::conditional_t<(sizeof(T) < 8), u32, u64>;
template <typename T>
using Unsigned = std::make_unsigned_t<T>;
template <typename T>
using Wide = std::conditional_t<std::is_signed_v<T>, std::conditional_t<sizeof(T) == 2, i32, i64>,
                                std::conditional_t<sizeof(T) == 2, u32, u64>>;
template <typename T>
constexpr unsigned kBits = sizeof(T) * 8;

template <typename T>
T highProduct(T a, T b) {
  if constexpr (sizeof(T) == 8) {
    using W = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
    return static_cast<T>((static_cast<W>(a) * b) >> 64);
  } else {
    return static_cast<T>((static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) >> kBits<T>);
  }
}
template <typename T>
T wrappingProduct(T a, T b) {
  using U = Wrapping<T>;
  return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
}
template <typename T>
T wrappingSum(T a, T b) {
  using U = Wrapping<T>;
  return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
}

struct Add {
  template <typename T>
  static T on(T a, T b) {
    return wrappingSum(a, b);
  }
};
struct Sub {
  template <typename T>
  static T on(T a, T b) {
    using U = Wrapping<T>;
    return static_cast<T>(static_cast<U>(a) - static_cast<U>(b));
  }
};
struct AddSaturating {
  static i32 on(i32 a, i32 b) {
    i64 sum = static_cast<i64>(a) + b;
    return static_cast<i32>(sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum);
  }
};
struct SubSaturating {
  static i32 on(i32 a, i32 b) {
    i64 sum = static_cast<i64>(a) - b;
    return static_cast<i32>(sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum);
  }
};
struct MulLo {
  template <typename T>
  static T on(T a, T b) {
    return wrappingProduct(a, b);
  }
};
struct MulHi {
  template <typename T>
  static T on(T a, T b) {
    return highProduct(a, b);
  }
};
struct MulWide {
  template <typename T>
  static Wide<T> on(T a, T b) {
    return static_cast<Wide<T>>(static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b));
  }
};
struct MadLo {
  template <typename T>
  static T on(T a, T b, T c) {
    return wrappingSum(wrappingProduct(a, b), c);
  }
};
struct MadHi {
  template <typename T>
  static T on(T a, T b, T c) {
    return wrappingSum(highProduct(a, b), c);
  }
};
struct MadWide {
  template <typename T>
  static Wide<T> on(T a, T b, Wide<T> c) {
    return wrappingSum(MulWide::on(a, b), c);
  }
};
template <typename T>
T low24(T a) {
  return static_cast<T>(static_cast<T>(static_cast<u32>(a) << 8) >> 8);
}
struct Mul24 {
  template <typename T>
  static T on(T a, T b) {
    return wrappingProduct(low24(a), low24(b));
  }
};
struct Mad24 {
  template <typename T>
  static T on(T a, T b, T c) {
    return wrappingSum(Mul24::on(a, b), c);
  }
};
struct Div {
  template <typename T>
  static T on(T a, T b) {
    if (b == 0) return static_cast<T>(-1);
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return Sub::on(T{0}, a);
    }
    return static_cast<T>(a / b);
  }
};
struct Rem {
  template <typename T>
  static T on(T a, T b) {
    if (b == 0) return a;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
    }
    return static_cast<T>(a % b);
  }
};
struct Min {
  template <typename T>
  static T on(T a, T b) {
    return a < b ? a : b;
  }
};
struct Max {
  template <typename T>
  static T on(T a, T b) {
    return a > b ? a : b;
  }
};
struct Neg {
  template <typename T>
  static T on(T a) {
    return Sub::on(T{0}, a);
  }
};
struct Abs {
  template <typename T>
  static T on(T a) {
    return a < 0 ? Neg::on(a) : a;
  }
};
struct Sad {
  template <typename T>
  static Unsigned<T> on(T a, T b, Unsigned<T> c) {
    return wrappingSum(c, static_cast<Unsigned<T>>(a < b ? Sub::on(b, a) : Sub::on(a, b)));
  }
};
struct And {
  template <typename T>
  static T on(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <typename T>
  static T on(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <typename T>
  static T on(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};
struct Not {
  template <typename T>
  static T on(T a) {
    return static_cast<T>(~a);
  }
};
struct LogicalNot {
  template <typename T>
  static T on(T a) {
    return a == 0;
  }
};
struct Shl {
  template <typename T>
  static T on(T a, u32 b) {
    return b >= kBits<T> ? T{0} : static_cast<T>(static_cast<Wrapping<T>>(a) << b);
  }
};
struct Shr {
  template <typename T>
  static T on(T a, u32 b) {
    u32 most = kBits<T> - 1;
    if constexpr (std::is_signed_v<T>) return static_cast<T>(a >> (b > most ? most : b));
    else return b > most ? T{0} : static_cast<T>(a >> b);
  }
};
// Extended precision.  The carry is a predicate at r[4]; flags bit 0: it comes in, bit 1: it goes
// out.  A borrow of subtraction is kept as its carry, inverted.
enum class Extended { sum, difference, productLow, productHigh };
template <typename T, Extended what>
void withCarry(Warp& warp, const Instruction& in, u32 mask) {
  using W = std::conditional_t<sizeof(T) == 4, u64, unsigned __int128>;
  T* d = row<T>(warp, in.r[0]);
  const T *a = row<T>(warp, in.r[1]), *b = row<T>(warp, in.r[2]);
  const T* c = in.r[3] == kNone ? nullptr : row<T>(warp, in.r[3]);
  u32 carries = *row<u32>(warp, in.r[4]);
  u32 out = 0;
  for (u32 m = mask; m; m &= m - 1) {
    unsigned i = static_cast<unsigned>(__builtin_ctz(m));
    W x = a[i], y = b[i];
    bool carry = (in.flags & 1) && (carries & kBit[i]);
    if constexpr (what == Extended::difference) {
      y = static_cast<T>(~b[i]);
      if (!(in.flags & 1)) carry = true;
    }
    if constexpr (what == Extended::productLow) {
      x = static_cast<T>(x * y);
      y = c[i];
    }
    if constexpr (what == Extended::productHigh) {
      x = (x * y) >> kBits<T>;
      y = c[i];
    }
    W sum = x + y + (carry ? 1u : 0u);
    d[i] = static_cast<T>(sum);
    if (sum >> kBits<T>) out |= kBit[i];
  }
  if (in.flags & 2) putPredicate(warp, in.r[4], out, mask);
}

struct Eq {
  template <typename T>
  static bool on(T a, T b) {
    return a == b;
  }
};
struct Ne {
  template <typename T>
  static bool on(T a, T b) {
    return a != b;
  }
};
struct Lt {
  template <typename T>
  static bool on(T a, T b) {
    return a < b;
  }
};
struct Le {
  template <typename T>
  static bool on(T a, T b) {
    return a <= b;
  }
};
struct Gt {
  template <typename T>
  static bool on(T a, T b) {
    return a > b;
  }
};
struct Ge {
  template <typename T>
  static bool on(T a, T b) {
    return a >= b;
  }
};

template <typename T>
Routine comparison(Compare compare) {
  switch (compare) {
    case Compare::eq:
      return setPredicate<Eq, T>;
    case Compare::ne:
      return setPredicate<Ne, T>;
    case Compare::lt:
      return setPredicate<Lt, T>;
    case Compare::le:
      return setPredicate<Le, T>;
    case Compare::gt:
      return setPredicate<Gt, T>;
    case Compare::ge:
      return setPredicate<Ge, T>;
    default:
      return nullptr;
  }
}

template <typename T>
void select(Warp& warp, const Instruction& in, u32 mask) {
  T* d = row<T>(warp, in.r[0]);
  const T *a = row<T>(warp, in.r[1]), *b = row<T>(warp, in.r[2]);
  u32 where = *row<u32>(warp, in.r[3]);
  forLanes(mask, [d, a, b, where](unsigned i) { d[i] = where & kBit[i] ? a[i] : b[i]; });
}

struct Mov {
  template <typename T>
  static T on(T a) {
    return a;
  }
};

template <typename T>
Routine ofAnyWidth(const Request& request) {
  switch (request.op) {
    case Op::mov:
      return unary<Mov, T, T>;
    case Op::selp:
      return select<T>;
    case Op::bitAnd:
      return binary<And, T, T, T>;
    case Op::bitOr:
      return binary<Or, T, T, T>;
    case Op::bitXor:
      return binary<Xor, T, T, T>;
    case Op::bitNot:
      return unary<Not, T, T>;
    case Op::logicalNot:
      return unary<LogicalNot, T, T>;
    case Op::shl:
      return binary<Shl, T, T, u32>;
    default:
      return nullptr;
  }
}

template <typename T>
Routine ofInteger(const Request& request) {
  switch (request.op) {
    case Op::add:
      if (request.saturate)
        return std::is_same_v<T, i32> ? binary<AddSaturating, i32, i32, i32> : nullptr;
      return binary<Add, T, T, T>;
    case Op::sub:
      if (request.saturate)
        return std::is_same_v<T, i32> ? binary<SubSaturating, i32, i32, i32> : nullptr;
      return binary<Sub, T, T, T>;
    case Op::mulLo:
      return binary<MulLo, T, T, T>;
    case Op::mulHi:
      return binary<MulHi, T, T, T>;
    case Op::madLo:
      return ternary<MadLo, T, T, T, T>;
    case Op::madHi:
      return ternary<MadHi, T, T, T, T>;
    case Op::mulWide:
      if constexpr (sizeof(T) < 8) return binary<MulWide, Wide<T>, T, T>;
      else return nullptr;
    case Op::madWide:
      if constexpr (sizeof(T) < 8) return ternary<MadWide, Wide<T>, T, T, Wide<T>>;
      else return nullptr;
    case Op::div:
      return binary<Div, T, T, T>;
    case Op::rem:
      return binary<Rem, T, T, T>;
    case Op::min:
      return binary<Min, T, T, T>;
    case Op::max:
      return binary<Max, T, T, T>;
    case Op::neg:
      return unary<Neg, T, T>;
    case Op::abs:
      return unary<Abs, T, T>;
    case Op::sad:
      return ternary<Sad, Unsigned<T>, T, T, Unsigned<T>>;
    case Op::shr:
      return binary<Shr, T, T, u32>;
    case Op::setp:
      return comparison<T>(request.compare);
    default:
      return ofAnyWidth<Unsigned<T>>(request);
  }
}

// Instructions that exist for 32 and 64 bits only.
template <typename T>
Routine ofWord(const Request& request) {
  switch (request.op) {
    case Op::addCarry:
      return withCarry<Unsigned<T>, Extended::sum>;
    case Op::subCarry:
      return withCarry<Unsigned<T>, Extended::difference>;
    case Op::madLoCarry:
      return withCarry<Unsigned<T>, Extended::productLow>;
    case Op::madHiCarry:
      // A signed product's high half differs; compilers carry through unsigned ones only.
      return std::is_signed_v<T> ? nullptr : withCarry<Unsigned<T>, Extended::productHigh>;
    default:
      return ofInteger<T>(request);
  }
}

template <typename T>
Routine of32(const Request& request) {
  switch (request.op) {
    case Op::mul24:
      return binary<Mul24, T, T, T>;
    case Op::mad24:
      return ternary<Mad24, T, T, T, T>;
    default:
      return ofWord<T>(request);
  }
}

}  // namespace

Routine findInteger(const Request& request) {
  switch (request.type) {
    case Type::u8:
    case Type::s8:
      return request.op == Op::mov ? unary<Mov, u8, u8> : nullptr;
    case Type::u16:
      return ofInteger<u16>(request);
    case Type::s16:
      return ofInteger<i16>(request);
    case Type::u32:
      return of32<u32>(request);
    case Type::s32:
      return of32<i32>(request);
    case Type::u64:
      return ofWord<u64>(request);
    case Type::s64:
      return ofWord<i64>(request);
    case Type::f16:
      return ofAnyWidth<u16>(request);
    case Type::f32:
    case Type::f16x2:
      return ofAnyWidth<u32>(request);
    case Type::f64:
      return ofAnyWidth<u64>(request);
    case Type::pred:
      return nullptr;
  }
  return nullptr;
}

}  // namespace alnilam::gpu::emulator::ALNILAM_LANES
