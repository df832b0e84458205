// What lanes of a warp do with each other: shuffles, votes, matches, reductions; and predicates,
// which are one word for the whole warp.
//
// The caller has made sure that all lanes named by the instruction are here.  A shuffle from a lane
// that isn't gives what that lane's register holds; PTX leaves it open.
//
// Source: PTX ISA 8.x, "shfl.sync", "vote.sync", "match.sync", "redux.sync".

#include "gpu/emulator/lanes_loop.h"

#include <atomic>

namespace alnilam::gpu::emulator::ALNILAM_LANES {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

// d[|p], a, b, c: r[0], r[3] the predicate, r[1], r[2], r[5].
template <Op op>
void shuffle(Warp& warp, const Instruction& in, u32 mask) {
  u32* d = in.r[0] == kNone ? nullptr : row<u32>(warp, in.r[0]);
  const u32 *b = row<u32>(warp, in.r[2]), *c = row<u32>(warp, in.r[5]);
  u32 a[kLanes];
  std::memcpy(a, row<u32>(warp, in.r[1]), sizeof a);
  u32 valid = 0;
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    int by = static_cast<int>(b[lane] & 31), clamp = static_cast<int>(c[lane] & 31);
    int segment = static_cast<int>((c[lane] >> 8) & 31);
    int most = (lane & segment) | (clamp & ~segment), least = lane & segment;
    int from = lane;
    bool inside = false;
    if constexpr (op == Op::shuffleUp) {
      from = lane - by;
      inside = from >= most;
    } else if constexpr (op == Op::shuffleDown) {
      from = lane + by;
      inside = from <= most;
    } else if constexpr (op == Op::shuffleXor) {
      from = lane ^ by;
      inside = from <= most;
    } else {
      from = least | (by & ~segment);
      inside = from <= most;
    }
    if (!inside) from = lane;
    if (d) d[lane] = a[from];
    if (inside) valid |= kBit[lane];
  }
  putPredicate(warp, in.r[3], valid, mask);
}

// Which lanes of `mask` have predicate r[1] (negated if flags bit 0).
u32 votes(Warp& warp, const Instruction& in, u32 mask) {
  u32 bits = *row<u32>(warp, in.r[1]);
  return (in.flags & 1 ? ~bits : bits) & mask;
}
void voteAll(Warp& warp, const Instruction& in, u32 mask) {
  putPredicate(warp, in.r[0], votes(warp, in, mask) == mask ? kAllLanes : 0, mask);
}
void voteAny(Warp& warp, const Instruction& in, u32 mask) {
  putPredicate(warp, in.r[0], votes(warp, in, mask) ? kAllLanes : 0, mask);
}
void voteUniform(Warp& warp, const Instruction& in, u32 mask) {
  u32 yes = votes(warp, in, mask);
  putPredicate(warp, in.r[0], yes == 0 || yes == mask ? kAllLanes : 0, mask);
}
void ballot(Warp& warp, const Instruction& in, u32 mask) {
  u32 yes = votes(warp, in, mask);
  u32* d = row<u32>(warp, in.r[0]);
  forLanes(mask, [d, yes](unsigned i) { d[i] = yes; });
}
void activeMask(Warp& warp, const Instruction& in, u32 mask) {
  u32* d = row<u32>(warp, in.r[0]);
  forLanes(mask, [d, mask](unsigned i) { d[i] = mask; });
}

// match.any: for each lane, who has the same value.  match.all: everybody or nobody, and r[3].
template <typename T, bool all>
void match(Warp& warp, const Instruction& in, u32 mask) {
  u32* d = row<u32>(warp, in.r[0]);
  T a[kLanes];
  std::memcpy(a, row<T>(warp, in.r[1]), sizeof a);
  u32 agree = mask;
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    u32 same = 0;
    for (u32 n = mask; n; n &= n - 1) {
      if (a[__builtin_ctz(n)] == a[lane]) same |= kBit[__builtin_ctz(n)];
    }
    if (!all) d[lane] = same;
    if (same != mask) agree = 0;
  }
  if (all) {
    forLanes(mask, [d, agree](unsigned i) { d[i] = agree; });
    putPredicate(warp, in.r[3], agree ? kAllLanes : 0, mask);
  }
}

template <typename T, Atomic op>
void reduceLanes(Warp& warp, const Instruction& in, u32 mask) {
  const T* a = row<T>(warp, in.r[1]);
  T sum = a[__builtin_ctz(mask)];
  for (u32 m = mask & (mask - 1); m; m &= m - 1) {
    T b = a[__builtin_ctz(m)];
    switch (op) {
      case Atomic::add:
        sum = static_cast<T>(static_cast<u32>(sum) + static_cast<u32>(b));
        break;
      case Atomic::min:
        sum = b < sum ? b : sum;
        break;
      case Atomic::max:
        sum = b > sum ? b : sum;
        break;
      case Atomic::bitAnd:
        sum &= b;
        break;
      case Atomic::bitOr:
        sum |= b;
        break;
      default:
        sum ^= b;
        break;
    }
  }
  T* d = row<T>(warp, in.r[0]);
  forLanes(mask, [d, sum](unsigned i) { d[i] = sum; });
}
template <typename T>
Routine reduction(Atomic op) {
  switch (op) {
    case Atomic::add:
      return reduceLanes<T, Atomic::add>;
    case Atomic::min:
      return reduceLanes<T, Atomic::min>;
    case Atomic::max:
      return reduceLanes<T, Atomic::max>;
    case Atomic::bitAnd:
      return reduceLanes<T, Atomic::bitAnd>;
    case Atomic::bitOr:
      return reduceLanes<T, Atomic::bitOr>;
    case Atomic::bitXor:
      return reduceLanes<T, Atomic::bitXor>;
    default:
      return nullptr;
  }
}

template <Op op>
void predicates(Warp& warp, const Instruction& in, u32 mask) {
  u32 a = *row<u32>(warp, in.r[1]);
  u32 b = in.r[2] == kNone ? 0 : *row<u32>(warp, in.r[2]);
  if (in.flags & 1) a = ~a;
  if (in.flags & 2) b = ~b;
  u32 result = op == Op::predicateAnd   ? a & b
               : op == Op::predicateOr  ? a | b
               : op == Op::predicateXor ? a ^ b
               : op == Op::predicateNot ? ~a
                                        : a;
  putPredicate(warp, in.r[0], result, mask);
}

// %clock and its like count what this thread of the emulator has executed: they grow, and say
// nothing about time.
template <typename T>
void readClock(Warp& warp, const Instruction& in, u32 mask) {
  T* d = row<T>(warp, in.r[0]);
  T now = static_cast<T>(warp.executed / kLanes);
  forLanes(mask, [d, now](unsigned i) { d[i] = now; });
}

#if defined(__SANITIZE_THREAD__)
// The thread sanitizer doesn't know fences: one location that everybody writes orders as much.
std::atomic<unsigned> fenced{0};
void fence(Warp&, const Instruction&, u32) { fenced.fetch_add(1, std::memory_order_seq_cst); }
#else
void fence(Warp&, const Instruction&, u32) { std::atomic_thread_fence(std::memory_order_seq_cst); }
#endif

}  // namespace

Routine findWarp(const Request& request) {
  switch (request.op) {
    case Op::shuffleUp:
      return shuffle<Op::shuffleUp>;
    case Op::shuffleDown:
      return shuffle<Op::shuffleDown>;
    case Op::shuffleXor:
      return shuffle<Op::shuffleXor>;
    case Op::shuffleIndex:
      return shuffle<Op::shuffleIndex>;
    case Op::voteAll:
      return voteAll;
    case Op::voteAny:
      return voteAny;
    case Op::voteUniform:
      return voteUniform;
    case Op::ballot:
      return ballot;
    case Op::activeMask:
      return activeMask;
    case Op::matchAny:
      return sizeOf(request.type) == 8 ? match<u64, false> : match<u32, false>;
    case Op::matchAll:
      return sizeOf(request.type) == 8 ? match<u64, true> : match<u32, true>;
    case Op::reduceLanes:
      return request.type == Type::s32 ? reduction<std::int32_t>(request.atomic)
                                       : reduction<u32>(request.atomic);
    case Op::predicateAnd:
      return predicates<Op::predicateAnd>;
    case Op::predicateOr:
      return predicates<Op::predicateOr>;
    case Op::predicateXor:
      return predicates<Op::predicateXor>;
    case Op::predicateNot:
      return predicates<Op::predicateNot>;
    case Op::predicateMov:
      return predicates<Op::predicateMov>;
    case Op::readClock:
      return sizeOf(request.type) == 8 ? readClock<u64> : readClock<u32>;
    case Op::fence:
      return fence;
    default:
      return nullptr;
  }
}

Routine find(const Request& request) {
  if (Routine routine = findWarp(request)) return routine;
  if (Routine routine = findMemory(request)) return routine;
  if (Routine routine = findConvert(request)) return routine;
  if (Routine routine = findFloat(request)) return routine;
  if (Routine routine = findBits(request)) return routine;
  return findInteger(request);
}

}  // namespace alnilam::gpu::emulator::ALNILAM_LANES
