// Floating-point arithmetic in float and double, and half by way of float.
//
// Rounding other than to nearest changes the host's rounding mode around the loop; this file is
// compiled with -frounding-math so that nothing is folded or moved across that.  .ftz flushes
// subnormal inputs and results to zero of the same sign; .sat clamps to [0, 1] and NaN to 0.
//
// The approximate functions of a GPU (sin.approx, ex2.approx, ...) are computed as exactly as the
// host's library does: their results differ from a device's in the last bits, within the bounds
// that PTX gives.
//
// Source: PTX ISA 8.x, chapter "Floating Point Instructions".

#include "gpu/emulator/half.h"
#include "gpu/emulator/lanes_loop.h"

#include <cfenv>

namespace alnilam::gpu::emulator::ALNILAM_LANES {
namespace {

using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

template <typename T>
struct BitsOf;
template <>
struct BitsOf<float> {
  using Type = u32;
  static constexpr u32 kSign = 1u << 31, kExponent = 0x7f800000u;
};
template <>
struct BitsOf<double> {
  using Type = u64;
  static constexpr u64 kSign = 1ull << 63, kExponent = 0x7ff0000000000000ull;
};
template <typename T>
typename BitsOf<T>::Type bitsOf(T value) {
  return __builtin_bit_cast(typename BitsOf<T>::Type, value);
}
template <typename T>
T fromBits(typename BitsOf<T>::Type bits) {
  return __builtin_bit_cast(T, bits);
}

template <bool flush, typename T>
T flushed(T value) {
  if constexpr (flush) {
    bool tiny = (bitsOf(value) & BitsOf<T>::kExponent) == 0;
    return tiny ? fromBits<T>(bitsOf(value) & BitsOf<T>::kSign) : value;
  } else {
    return value;
  }
}
template <bool saturate, typename T>
T saturated(T value) {
  if constexpr (saturate) return value > T(1) ? T(1) : value > T(0) ? value : T(0);
  else return value;
}

// An operation on flushed inputs, its result flushed and saturated.
template <typename Operation, bool flush, bool saturate>
struct Dressed {
  template <typename T>
  static T on(T a) {
    return saturated<saturate>(flushed<flush>(Operation::on(flushed<flush>(a))));
  }
  template <typename T>
  static T on(T a, T b) {
    return saturated<saturate>(flushed<flush>(Operation::on(flushed<flush>(a), flushed<flush>(b))));
  }
  template <typename T>
  static T on(T a, T b, T c) {
    return saturated<saturate>(
        flushed<flush>(Operation::on(flushed<flush>(a), flushed<flush>(b), flushed<flush>(c))));
  }
};

struct Add {
  template <typename T>
  static T on(T a, T b) {
    return a + b;
  }
};
struct Sub {
  template <typename T>
  static T on(T a, T b) {
    return a - b;
  }
};
struct Mul {
  template <typename T>
  static T on(T a, T b) {
    return a * b;
  }
};
struct Div {
  template <typename T>
  static T on(T a, T b) {
    return a / b;
  }
};
struct Fma {
  template <typename T>
  static T on(T a, T b, T c) {
    return std::fma(a, b, c);
  }
};
struct Sqrt {
  template <typename T>
  static T on(T a) {
    return std::sqrt(a);
  }
};
struct Rcp {
  template <typename T>
  static T on(T a) {
    return T(1) / a;
  }
};
struct Rsqrt {
  template <typename T>
  static T on(T a) {
    return T(1) / std::sqrt(a);
  }
};
struct Ex2 {
  template <typename T>
  static T on(T a) {
    return std::exp2(a);
  }
};
struct Lg2 {
  template <typename T>
  static T on(T a) {
    return std::log2(a);
  }
};
struct Sin {
  template <typename T>
  static T on(T a) {
    return std::sin(a);
  }
};
struct Cos {
  template <typename T>
  static T on(T a) {
    return std::cos(a);
  }
};
struct Tanh {
  template <typename T>
  static T on(T a) {
    return std::tanh(a);
  }
};
struct Neg {
  template <typename T>
  static T on(T a) {
    return fromBits<T>(bitsOf(a) ^ BitsOf<T>::kSign);
  }
};
struct Abs {
  template <typename T>
  static T on(T a) {
    return fromBits<T>(bitsOf(a) & ~BitsOf<T>::kSign);
  }
};
// PTX writes copysign.f32 d, a, b: b with the sign of a.
struct Copysign {
  template <typename T>
  static T on(T a, T b) {
    return fromBits<T>((bitsOf(b) & ~BitsOf<T>::kSign) | (bitsOf(a) & BitsOf<T>::kSign));
  }
};
// -0 is less than +0; a NaN gives the other operand.
struct Min {
  template <typename T>
  static T on(T a, T b) {
    T less = a < b ? a : b < a ? b : fromBits<T>(bitsOf(a) | bitsOf(b));
    return a != a ? b : b != b ? a : less;
  }
};
struct Max {
  template <typename T>
  static T on(T a, T b) {
    T more = a > b ? a : b > a ? b : fromBits<T>(bitsOf(a) & bitsOf(b));
    return a != a ? b : b != b ? a : more;
  }
};

struct ToMode {  // for a scope; FE_TONEAREST is what the process runs with
  explicit ToMode(std::uint8_t rounding) {
    static constexpr int kModes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    std::fesetround(kModes[rounding & 3]);
  }
  ~ToMode() { std::fesetround(FE_TONEAREST); }
};
template <Routine routine>
void rounded(Warp& warp, const Instruction& in, u32 mask) {
  ToMode mode(in.rounding);
  routine(warp, in, mask);
}

template <typename Operation, typename T, int arity>
constexpr Routine plain() {
  if constexpr (arity == 1) return unary<Operation, T, T>;
  else if constexpr (arity == 2) return binary<Operation, T, T, T>;
  else return ternary<Operation, T, T, T, T>;
}
template <typename Operation, typename T, int arity>
constexpr Routine dressed(const Request& request) {
  if constexpr (std::is_same_v<T, float>) {
    if (request.flush && request.saturate) return plain<Dressed<Operation, true, true>, T, arity>();
    if (request.flush) return plain<Dressed<Operation, true, false>, T, arity>();
    if (request.saturate) return plain<Dressed<Operation, false, true>, T, arity>();
  } else if (request.flush || request.saturate) {
    return nullptr;
  }
  return plain<Operation, T, arity>();
}
// For operations whose rounding can be chosen.
template <typename Operation, typename T, int arity>
constexpr Routine choosable(const Request& request) {
  if (request.rounding == Rounding::none || request.rounding == Rounding::rn) {
    return dressed<Operation, T, arity>(request);
  }
  if (request.flush || request.saturate) {
    if constexpr (std::is_same_v<T, float>) {
      if (request.saturate) return nullptr;
      return rounded<plain<Dressed<Operation, true, false>, T, arity>()>;
    }
    return nullptr;
  }
  return rounded<plain<Operation, T, arity>()>;
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
    return a < b || a > b;
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
struct Num {
  template <typename T>
  static bool on(T a, T b) {
    return a == a && b == b;
  }
};
template <typename Test>
struct OrNot {  // the unordered form: true as well where an operand is NaN
  template <typename T>
  static bool on(T a, T b) {
    return !Test::on(a, b);
  }
};

template <typename Test>
struct OnFlushed {
  template <typename T>
  static bool on(T a, T b) {
    return Test::on(flushed<true>(a), flushed<true>(b));
  }
};
template <typename Test>
struct AsTheyAre : Test {};
template <typename Test>
struct AsFloats {  // halves
  template <typename T>
  static bool on(T a, T b) {
    return Test::on(floatOf(a), floatOf(b));
  }
};

template <template <typename> class Seen, typename T>
Routine comparison(Compare compare) {
  switch (compare) {
    case Compare::eq:
      return setPredicate<Seen<Eq>, T>;
    case Compare::ne:
      return setPredicate<Seen<Ne>, T>;
    case Compare::lt:
      return setPredicate<Seen<Lt>, T>;
    case Compare::le:
      return setPredicate<Seen<Le>, T>;
    case Compare::gt:
      return setPredicate<Seen<Gt>, T>;
    case Compare::ge:
      return setPredicate<Seen<Ge>, T>;
    case Compare::equ:
      return setPredicate<Seen<OrNot<Ne>>, T>;
    case Compare::neu:
      return setPredicate<Seen<OrNot<Eq>>, T>;
    case Compare::ltu:
      return setPredicate<Seen<OrNot<Ge>>, T>;
    case Compare::leu:
      return setPredicate<Seen<OrNot<Gt>>, T>;
    case Compare::gtu:
      return setPredicate<Seen<OrNot<Le>>, T>;
    case Compare::geu:
      return setPredicate<Seen<OrNot<Lt>>, T>;
    case Compare::num:
      return setPredicate<Seen<Num>, T>;
    case Compare::nan:
      return setPredicate<Seen<OrNot<Num>>, T>;
  }
  return nullptr;
}

template <typename T, Op op>
void testProperty(Warp& warp, const Instruction& in, u32 mask) {
  const T* a = row<T>(warp, in.r[1]);
  u32 bits = 0;
  for (u32 m = mask; m; m &= m - 1) {
    unsigned i = static_cast<unsigned>(__builtin_ctz(m));
    auto magnitude = bitsOf(a[i]) & ~BitsOf<T>::kSign;
    constexpr auto kTop = BitsOf<T>::kExponent;
    bool is = op == Op::isFinite     ? magnitude < kTop
              : op == Op::isInfinite ? magnitude == kTop
              : op == Op::isNumber   ? magnitude <= kTop
              : op == Op::isNan      ? magnitude > kTop
              : op == Op::isNormal   ? magnitude < kTop && (magnitude & kTop) != 0
                                     : magnitude != 0 && (magnitude & kTop) == 0;
    if (is) bits |= kBit[i];
  }
  putPredicate(warp, in.r[0], bits, mask);
}

template <typename T>
Routine ofFloat(const Request& request) {
  switch (request.op) {
    case Op::add:
      return choosable<Add, T, 2>(request);
    case Op::sub:
      return choosable<Sub, T, 2>(request);
    case Op::mul:
      return choosable<Mul, T, 2>(request);
    case Op::fma:
      return choosable<Fma, T, 3>(request);
    case Op::div:
      return choosable<Div, T, 2>(request);
    case Op::sqrt:
      return choosable<Sqrt, T, 1>(request);
    case Op::rcp:
      return choosable<Rcp, T, 1>(request);
    case Op::rsqrt:
      return dressed<Rsqrt, T, 1>(request);
    case Op::ex2:
      return dressed<Ex2, T, 1>(request);
    case Op::lg2:
      return dressed<Lg2, T, 1>(request);
    case Op::sin:
      return dressed<Sin, T, 1>(request);
    case Op::cos:
      return dressed<Cos, T, 1>(request);
    case Op::tanh:
      return dressed<Tanh, T, 1>(request);
    case Op::min:
      return dressed<Min, T, 2>(request);
    case Op::max:
      return dressed<Max, T, 2>(request);
    case Op::neg:
      return dressed<Neg, T, 1>(request);
    case Op::abs:
      return dressed<Abs, T, 1>(request);
    case Op::copysign:
      return dressed<Copysign, T, 2>(request);
    case Op::setp:
      if (!request.flush) return comparison<AsTheyAre, T>(request.compare);
      if constexpr (sizeof(T) == 4) return comparison<OnFlushed, T>(request.compare);
      return nullptr;
    case Op::isFinite:
      return testProperty<T, Op::isFinite>;
    case Op::isInfinite:
      return testProperty<T, Op::isInfinite>;
    case Op::isNumber:
      return testProperty<T, Op::isNumber>;
    case Op::isNan:
      return testProperty<T, Op::isNan>;
    case Op::isNormal:
      return testProperty<T, Op::isNormal>;
    case Op::isSubnormal:
      return testProperty<T, Op::isSubnormal>;
    default:
      return nullptr;
  }
}

// Half: computed in float and rounded once, which is exact for + - * and, in double, for fma.
template <typename Operation>
struct InFloat {
  static u16 on(u16 a) { return halfOf(Operation::on(floatOf(a))); }
  static u16 on(u16 a, u16 b) { return halfOf(Operation::on(floatOf(a), floatOf(b))); }
  static u16 on(u16 a, u16 b, u16 c) {
    double exact = static_cast<double>(floatOf(a)) * floatOf(b) + floatOf(c);
    return halfOf(exact);
  }
};
Routine ofHalf(const Request& request) {
  if (request.flush || request.saturate) return nullptr;
  if (request.rounding != Rounding::none && request.rounding != Rounding::rn) return nullptr;
  switch (request.op) {
    case Op::add:
      return binary<InFloat<Add>, u16, u16, u16>;
    case Op::sub:
      return binary<InFloat<Sub>, u16, u16, u16>;
    case Op::mul:
      return binary<InFloat<Mul>, u16, u16, u16>;
    case Op::fma:
      return ternary<InFloat<Fma>, u16, u16, u16, u16>;
    case Op::min:
      return binary<InFloat<Min>, u16, u16, u16>;
    case Op::max:
      return binary<InFloat<Max>, u16, u16, u16>;
    case Op::neg:
      return unary<InFloat<Neg>, u16, u16>;
    case Op::abs:
      return unary<InFloat<Abs>, u16, u16>;
    case Op::ex2:
      return unary<InFloat<Ex2>, u16, u16>;
    case Op::tanh:
      return unary<InFloat<Tanh>, u16, u16>;
    case Op::setp:
      return comparison<AsFloats, u16>(request.compare);
    default:
      return nullptr;
  }
}

// Two halves in one register.
template <typename Operation>
struct OnBoth {
  using One = InFloat<Operation>;
  static u32 joined(u16 low, u16 high) { return low | static_cast<u32>(high) << 16; }
  static u16 low(u32 pair) { return static_cast<u16>(pair); }
  static u16 high(u32 pair) { return static_cast<u16>(pair >> 16); }

  static u32 on(u32 a) { return joined(One::on(low(a)), One::on(high(a))); }
  static u32 on(u32 a, u32 b) {
    return joined(One::on(low(a), low(b)), One::on(high(a), high(b)));
  }
  static u32 on(u32 a, u32 b, u32 c) {
    return joined(One::on(low(a), low(b), low(c)), One::on(high(a), high(b), high(c)));
  }
};
Routine ofHalves(const Request& request) {
  if (request.flush || request.saturate) return nullptr;
  if (request.rounding != Rounding::none && request.rounding != Rounding::rn) return nullptr;
  switch (request.op) {
    case Op::add:
      return binary<OnBoth<Add>, u32, u32, u32>;
    case Op::sub:
      return binary<OnBoth<Sub>, u32, u32, u32>;
    case Op::mul:
      return binary<OnBoth<Mul>, u32, u32, u32>;
    case Op::fma:
      return ternary<OnBoth<Fma>, u32, u32, u32, u32>;
    case Op::min:
      return binary<OnBoth<Min>, u32, u32, u32>;
    case Op::max:
      return binary<OnBoth<Max>, u32, u32, u32>;
    case Op::neg:
      return unary<OnBoth<Neg>, u32, u32>;
    case Op::abs:
      return unary<OnBoth<Abs>, u32, u32>;
    default:
      return nullptr;
  }
}

}  // namespace

Routine findFloat(const Request& request) {
  switch (request.type) {
    case Type::f16:
      return ofHalf(request);
    case Type::f16x2:
      return ofHalves(request);
    case Type::f32:
      return ofFloat<float>(request);
    case Type::f64:
      return ofFloat<double>(request);
    default:
      return nullptr;
  }
}

}  // namespace alnilam::gpu::emulator::ALNILAM_LANES
