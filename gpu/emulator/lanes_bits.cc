// Fields of bits, counts, permutations: instructions on words of 32 or 64 bits.
//
// Source: PTX ISA 8.x, chapters "Integer Arithmetic" and "Logic and Shift Instructions".

#include "gpu/emulator/lanes_loop.h"

namespace alnilam::gpu::emulator::ALNILAM_LANES {
namespace {

using i8 = std::int8_t;
using i32 = std::int32_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

template <typename T>
using Unsigned = std::make_unsigned_t<T>;
template <typename T>
constexpr unsigned kBits = sizeof(T) * 8;

struct Bfe {
  template <typename T>
  static T on(T a, u32 b, u32 c) {
    using U = Unsigned<T>;
    u32 position = b & 0xff, length = c & 0xff;
    if (length == 0) return 0;
    u32 last = position + length - 1;
    if (last > kBits<T> - 1) last = kBits<T> - 1;
    bool sign = std::is_signed_v<T> && ((static_cast<U>(a) >> last) & 1);
    U field = position >= kBits<T> ? U{0} : static_cast<U>(static_cast<U>(a) >> position);
    u32 kept = position >= kBits<T> ? 0 : last - position + 1;
    U mask = kept >= kBits<T> ? static_cast<U>(~U{0}) : static_cast<U>((U{1} << kept) - 1);
    return static_cast<T>((field & mask) | (sign ? static_cast<U>(~mask) : U{0}));
  }
};
struct Bfi {  // a is inserted into b at bit c, d bits long
  template <typename T>
  static T on(T a, T b, u32 c, u32 d) {
    u32 position = c & 0xff, length = d & 0xff;
    if (length == 0 || position >= kBits<T>) return b;
    T mask = length >= kBits<T> ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << length) - 1);
    mask = static_cast<T>(mask << position);
    return static_cast<T>((b & ~mask) | ((a << position) & mask));
  }
};
struct Popc {
  template <typename T>
  static u32 on(T a) {
    return static_cast<u32>(sizeof(T) == 8 ? __builtin_popcountll(a)
                                           : __builtin_popcount(static_cast<u32>(a)));
  }
};
struct Clz {
  template <typename T>
  static u32 on(T a) {
    if (a == 0) return kBits<T>;
    return static_cast<u32>(sizeof(T) == 8 ? __builtin_clzll(a)
                                           : __builtin_clz(static_cast<u32>(a)));
  }
};
struct Bfind {
  template <typename T>
  static u32 on(T a) {
    using U = Unsigned<T>;
    U bits = static_cast<U>(std::is_signed_v<T> && a < 0 ? ~a : a);
    return bits == 0 ? ~0u : kBits<T> - 1 - Clz::on(bits);
  }
};
struct BfindShift {
  template <typename T>
  static u32 on(T a) {
    u32 at = Bfind::on(a);
    return at == ~0u ? at : kBits<T> - 1 - at;
  }
};
struct Brev {
  template <typename T>
  static T on(T a) {
    if constexpr (sizeof(T) == 8) {
      return (static_cast<u64>(on(static_cast<u32>(a))) << 32) | on(static_cast<u32>(a >> 32));
    } else {
      a = ((a >> 1) & 0x55555555u) | ((a & 0x55555555u) << 1);
      a = ((a >> 2) & 0x33333333u) | ((a & 0x33333333u) << 2);
      a = ((a >> 4) & 0x0f0f0f0fu) | ((a & 0x0f0f0f0fu) << 4);
      return __builtin_bswap32(a);
    }
  }
};
struct Prmt {
  static u32 on(u32 a, u32 b, u32 selector) {
    u64 bytes = (static_cast<u64>(b) << 32) | a;
    u32 result = 0;
    for (unsigned i = 0; i < 4; ++i) {
      u32 pick = (selector >> (4 * i)) & 15;
      u32 byte = static_cast<u32>(bytes >> (8 * (pick & 7))) & 0xff;
      if (pick & 8) byte = byte & 0x80 ? 0xff : 0;
      result |= byte << (8 * i);
    }
    return result;
  }
};
struct ShfLeftWrap {
  static u32 on(u32 a, u32 b, u32 c) {
    u64 both = (static_cast<u64>(b) << 32) | a;
    return static_cast<u32>((both << (c & 31)) >> 32);
  }
};
struct ShfLeftClamp {
  static u32 on(u32 a, u32 b, u32 c) { return c >= 32 ? a : ShfLeftWrap::on(a, b, c); }
};
struct ShfRightWrap {
  static u32 on(u32 a, u32 b, u32 c) {
    u64 both = (static_cast<u64>(b) << 32) | a;
    return static_cast<u32>(both >> (c & 31));
  }
};
struct ShfRightClamp {
  static u32 on(u32 a, u32 b, u32 c) { return c >= 32 ? b : ShfRightWrap::on(a, b, c); }
};

// flags bit 0: a's bytes are signed; bit 1: b's are.
void dotProduct(Warp& warp, const Instruction& in, u32 mask) {
  u32* d = row<u32>(warp, in.r[0]);
  const u32 *a = row<u32>(warp, in.r[1]), *b = row<u32>(warp, in.r[2]),
            *c = row<u32>(warp, in.r[3]);
  auto byteOf = [](u32 word, unsigned k, bool isSignedByte) {
    u32 byte = (word >> (8 * k)) & 0xff;
    return isSignedByte ? static_cast<i32>(static_cast<i8>(byte)) : static_cast<i32>(byte);
  };
  for (; mask; mask &= mask - 1) {
    unsigned i = static_cast<unsigned>(__builtin_ctz(mask));
    u32 sum = c[i];
    for (unsigned k = 0; k < 4; ++k) {
      sum += static_cast<u32>(byteOf(a[i], k, in.flags & 1) * byteOf(b[i], k, in.flags & 2));
    }
    d[i] = sum;
  }
}

template <typename T>
void insertBits(Warp& warp, const Instruction& in, u32 mask) {
  T* d = row<T>(warp, in.r[0]);
  const T *a = row<T>(warp, in.r[1]), *b = row<T>(warp, in.r[2]);
  const u32 *c = row<u32>(warp, in.r[3]), *e = row<u32>(warp, in.r[4]);
  forLanes(mask, [d, a, b, c, e](unsigned i) { d[i] = Bfi::on(a[i], b[i], c[i], e[i]); });
}

void lookup3(Warp& warp, const Instruction& in, u32 mask) {
  u32* d = row<u32>(warp, in.r[0]);
  const u32 *a = row<u32>(warp, in.r[1]), *b = row<u32>(warp, in.r[2]),
            *c = row<u32>(warp, in.r[3]);
  u32 pick[8];
  for (unsigned k = 0; k < 8; ++k) pick[k] = (in.immediate >> k) & 1 ? ~0u : 0u;
  forLanes(mask, [d, a, b, c, &pick](unsigned i) {
    u32 x = a[i], y = b[i], z = c[i];
    d[i] = (~x & ~y & ~z & pick[0]) | (~x & ~y & z & pick[1]) | (~x & y & ~z & pick[2]) |
           (~x & y & z & pick[3]) | (x & ~y & ~z & pick[4]) | (x & ~y & z & pick[5]) |
           (x & y & ~z & pick[6]) | (x & y & z & pick[7]);
  });
}

// Instructions that exist for 32 and 64 bits only.
template <typename T>
Routine ofWord(const Request& request) {
  switch (request.op) {
    case Op::bfe:
      return ternary<Bfe, T, T, u32, u32>;
    case Op::bfi:
      return insertBits<Unsigned<T>>;
    case Op::bfind:
      return unary<Bfind, u32, T>;
    case Op::bfindShift:
      return unary<BfindShift, u32, T>;
    case Op::popc:
      return unary<Popc, u32, Unsigned<T>>;
    case Op::clz:
      return unary<Clz, u32, Unsigned<T>>;
    case Op::brev:
      return unary<Brev, Unsigned<T>, Unsigned<T>>;
    default:
      return nullptr;
  }
}

template <typename T>
Routine of32(const Request& request) {
  switch (request.op) {
    case Op::prmt:
      return ternary<Prmt, u32, u32, u32, u32>;
    case Op::lop3:
      return lookup3;
    case Op::shfLeftWrap:
      return ternary<ShfLeftWrap, u32, u32, u32, u32>;
    case Op::shfLeftClamp:
      return ternary<ShfLeftClamp, u32, u32, u32, u32>;
    case Op::shfRightWrap:
      return ternary<ShfRightWrap, u32, u32, u32, u32>;
    case Op::shfRightClamp:
      return ternary<ShfRightClamp, u32, u32, u32, u32>;
    case Op::dp4a:
      return dotProduct;
    default:
      return ofWord<T>(request);
  }
}

}  // namespace

Routine findBits(const Request& request) {
  switch (request.type) {
    case Type::u32:
      return of32<u32>(request);
    case Type::s32:
      return of32<i32>(request);
    case Type::u64:
      return ofWord<u64>(request);
    case Type::s64:
      return ofWord<std::int64_t>(request);
    default:
      return nullptr;
  }
}

}  // namespace alnilam::gpu::emulator::ALNILAM_LANES
