#pragma once
// The loops over lanes that lanes_*.cc are written with.
//
// These files are compiled once for each instruction set, each time in a namespace of its own
// (ALNILAM_LANES), so that the linker can't mix code for a newer processor into what runs on an
// older one.  For the same reason nothing here calls a standard library function that isn't
// compiled away.
//
// A destination row may be the same as a source row, never partly overlap it: rows are read and
// written at the same index, so the loops are free of dependences, and say so.

#include "gpu/emulator/lanes.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#if defined(__clang__)
#define ALNILAM_NO_DEPENDENCE _Pragma("clang loop vectorize(assume_safety)")
#else
#define ALNILAM_NO_DEPENDENCE _Pragma("GCC ivdep")
#endif

namespace alnilam::gpu::emulator::ALNILAM_LANES {

inline constexpr std::uint32_t kBit[kLanes] = {
    1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,
    1u << 8,  1u << 9,  1u << 10, 1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15,
    1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21, 1u << 22, 1u << 23,
    1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31};

template <typename F>
inline __attribute__((always_inline)) void forLanes(std::uint32_t mask, const F& f) {
  if (mask == kAllLanes) {
    ALNILAM_NO_DEPENDENCE
    for (unsigned i = 0; i < kLanes; ++i) f(i);
  } else {
    for (; mask; mask &= mask - 1) f(static_cast<unsigned>(__builtin_ctz(mask)));
  }
}

// d = Operation(a), d = Operation(a, b), d = Operation(a, b, c), lane by lane.
template <typename Operation, typename D, typename A>
void unary(Warp& warp, const Instruction& in, std::uint32_t mask) {
  D* d = row<D>(warp, in.r[0]);
  const A* a = row<A>(warp, in.r[1]);
  forLanes(mask, [d, a](unsigned i) { d[i] = Operation::on(a[i]); });
}
template <typename Operation, typename D, typename A, typename B>
void binary(Warp& warp, const Instruction& in, std::uint32_t mask) {
  D* d = row<D>(warp, in.r[0]);
  const A* a = row<A>(warp, in.r[1]);
  const B* b = row<B>(warp, in.r[2]);
  forLanes(mask, [d, a, b](unsigned i) { d[i] = Operation::on(a[i], b[i]); });
}
template <typename Operation, typename D, typename A, typename B, typename C>
void ternary(Warp& warp, const Instruction& in, std::uint32_t mask) {
  D* d = row<D>(warp, in.r[0]);
  const A* a = row<A>(warp, in.r[1]);
  const B* b = row<B>(warp, in.r[2]);
  const C* c = row<C>(warp, in.r[3]);
  forLanes(mask, [d, a, b, c](unsigned i) { d[i] = Operation::on(a[i], b[i], c[i]); });
}

// The lanes for which Test(a, b) holds, as bits.
template <typename Test, typename T>
inline std::uint32_t lanesWhere(const T* a, const T* b, std::uint32_t mask) {
  std::uint32_t bits = 0;
  if (mask == kAllLanes) {
    for (unsigned i = 0; i < kLanes; ++i) bits |= Test::on(a[i], b[i]) ? kBit[i] : 0u;
  } else {
    for (std::uint32_t m = mask; m; m &= m - 1) {
      unsigned i = static_cast<unsigned>(__builtin_ctz(m));
      bits |= Test::on(a[i], b[i]) ? kBit[i] : 0u;
    }
  }
  return bits;
}

inline void putPredicate(Warp& warp, std::uint32_t offset, std::uint32_t bits, std::uint32_t mask) {
  if (offset == kNone) return;
  std::uint32_t* p = row<std::uint32_t>(warp, offset);
  *p = (*p & ~mask) | (bits & mask);
}

// setp: bits to r[0] and their complement to r[3], each combined with predicate r[4] as flags bits
// 0 and 1 say (1 and, 2 or, 3 xor); bit 2: the predicate comes in negated.
template <typename Test, typename T>
void setPredicate(Warp& warp, const Instruction& in, std::uint32_t mask) {
  std::uint32_t bits = lanesWhere<Test>(row<T>(warp, in.r[1]), row<T>(warp, in.r[2]), mask);
  std::uint32_t other = ~bits;
  if (std::uint32_t combine = in.flags & 3) {
    std::uint32_t with = *row<std::uint32_t>(warp, in.r[4]);
    if (in.flags & 4) with = ~with;
    auto joined = [combine, with](std::uint32_t x) {
      return combine == 1 ? x & with : combine == 2 ? x | with : x ^ with;
    };
    bits = joined(bits);
    other = joined(other);
  }
  putPredicate(warp, in.r[0], bits, mask);
  putPredicate(warp, in.r[3], other, mask);
}

// Each returns null for what it doesn't have; `find` asks them in turn.
Routine findInteger(const Request& request);
Routine findBits(const Request& request);
Routine findFloat(const Request& request);
Routine findConvert(const Request& request);
Routine findMemory(const Request& request);
Routine findWarp(const Request& request);
Routine find(const Request& request);

}  // namespace alnilam::gpu::emulator::ALNILAM_LANES
