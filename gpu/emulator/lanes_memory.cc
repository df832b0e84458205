// Loads, stores and atomics.
//
// A warp's 32 addresses usually are either consecutive (coalesced), or all the same, and are found
// to be so with a few vector operations; then one check of bounds and one copy do.  Otherwise each
// lane is checked and accessed on its own.
//
// Every access is checked: global addresses against the live allocations (the last one found is
// remembered for each instruction), shared, local and parameter memory against their sizes, and
// all against the alignment that a device demands.

#include "gpu/emulator/lanes_loop.h"

namespace alnilam::gpu::emulator::ALNILAM_LANES {
namespace {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

struct Places {
  enum Pattern { scattered, consecutive, same } pattern = scattered;
  std::byte* at[kLanes];  // only at[0], or that of the first lane, unless scattered
};

bool fail(Warp& warp, abi::CUresult code, unsigned lane, u64 address, const char* what) {
  if (warp.fault.code == abi::CUDA_SUCCESS) warp.fault = {code, lane, address, what};
  return false;
}

// Where `bytes` at a global address really are; null if they're in no live allocation.
std::byte* globalPlace(Warp& warp, const Instruction& in, u64 address, u64 bytes) {
  MemoryRange& range = warp.ranges[in.slot];
  u64 offset = address - range.base;
  if (offset >= range.size || range.size - offset < bytes) {
    MemoryRange found = warp.memory->find(address);
    offset = address - found.base;
    if (offset >= found.size || found.size - offset < bytes) return nullptr;
    range = found;
  }
  return range.storage + offset;
}

// Where `bytes` at an address of any space really are for one lane, or null.
std::byte* anyPlace(Warp& warp, const Instruction& in, Space space, unsigned lane, u64 address,
                    u64 bytes) {
  auto inside = [bytes](u64 offset, u64 size) { return offset < size && size - offset >= bytes; };
  if (space == Space::generic) {
    switch (address & kWindowMask) {
      case kSharedWindow:
        space = Space::shared;
        address -= kSharedWindow;
        break;
      case kLocalWindow:
        space = Space::local;
        address -= kLocalWindow;
        break;
      case kParamWindow:
        space = Space::param;
        address -= kParamWindow;
        break;
      default:
        space = Space::global;
    }
  }
  switch (space) {
    case Space::shared:
      return inside(address, warp.sharedSize) ? warp.shared + address : nullptr;
    case Space::local:
      return inside(address, warp.localStride)
                 ? warp.local + static_cast<u64>(lane) * warp.localStride + address
                 : nullptr;
    case Space::param:
      return inside(address, warp.paramSize) ? const_cast<std::byte*>(warp.params) + address
                                             : nullptr;
    default:
      return globalPlace(warp, in, address, bytes);
  }
}

void readAddresses(Warp& warp, const Instruction& in, u64* address) {
  u64 offset = static_cast<u64>(in.immediate);
  if (in.r[4] == kNone) {
    for (unsigned i = 0; i < kLanes; ++i) address[i] = offset;
  } else if (in.wideAddress) {
    const u64* a = row<u64>(warp, in.r[4]);
    for (unsigned i = 0; i < kLanes; ++i) address[i] = a[i] + offset;
  } else {
    const u32* a = row<u32>(warp, in.r[4]);
    for (unsigned i = 0; i < kLanes; ++i)
      address[i] = static_cast<u32>(a[i] + static_cast<u32>(offset));
  }
}

// Tells the log which lanes touch global memory, for `bytes` each.
void note(Warp& warp, const Instruction& in, u32 mask, u32 bytes, Access access) {
  if (in.space != Space::global && in.space != Space::generic) return;
  u64 address[kLanes];
  readAddresses(warp, in, address);
  for (u32 m = mask; m; m &= m - 1) {
    unsigned i = static_cast<unsigned>(__builtin_ctz(m));
    if (in.space == Space::generic && (address[i] & kWindowMask)) mask &= ~kBit[i];
  }
  if (mask) noteAccess(*warp.log, address, mask, bytes, in.strong ? Access::atomic : access);
}

// False, and a fault noted, if one lane of `mask` may not touch its `bytes` there.
bool resolve(Warp& warp, const Instruction& in, u32 mask, u64 bytes, const char* what,
             Places& places) {
  u64 address[kLanes];
  readAddresses(warp, in, address);
  Space space = in.space;
  if (mask == kAllLanes && !in.strong && space != Space::local) {
    u64 first = address[0], apart = 0, unequal = 0;
    for (unsigned i = 0; i < kLanes; ++i) {
      apart |= address[i] ^ (first + i * bytes);
      unequal |= address[i] ^ first;
    }
    bool together = apart == 0, equal = unequal == 0;
    bool generic = space == Space::generic && (first & kWindowMask) == kLocalWindow;
    if ((together || equal) && !generic && (first & (bytes - 1)) == 0) {
      places.at[0] = anyPlace(warp, in, space, 0, first, together ? bytes * kLanes : bytes);
      if (places.at[0]) {
        places.pattern = together ? Places::consecutive : Places::same;
        return true;
      }
      // Some lane is outside; the loop below finds which.
    }
  }
  places.pattern = Places::scattered;
  u64 misaligned = 0;
  for (unsigned i = 0; i < kLanes; ++i) {
    misaligned |= mask & kBit[i] ? address[i] & (bytes - 1) : 0;
  }
  bool allGlobal = space == Space::global;
  if (mask == kAllLanes && misaligned == 0 && (allGlobal || space == Space::shared)) {
    const MemoryRange range =
        allGlobal ? warp.ranges[in.slot] : MemoryRange{0, warp.sharedSize, warp.shared};
    if (range.size >= bytes) {
      u64 most = range.size - bytes, outside = 0;
      for (unsigned i = 0; i < kLanes; ++i) outside |= address[i] - range.base > most ? 1 : 0;
      if (outside == 0) {
        for (unsigned i = 0; i < kLanes; ++i) {
          places.at[i] = range.storage + (address[i] - range.base);
        }
        return true;
      }
    }
  }
  // Faults name generic addresses.
  u64 window = space == Space::shared  ? kSharedWindow
               : space == Space::local ? kLocalWindow
               : space == Space::param ? kParamWindow
                                       : 0;
  for (u32 m = mask; m; m &= m - 1) {
    unsigned i = static_cast<unsigned>(__builtin_ctz(m));
    if (address[i] & (bytes - 1)) {
      return fail(warp, abi::CUDA_ERROR_MISALIGNED_ADDRESS, i, address[i] + window, what);
    }
    places.at[i] = anyPlace(warp, in, space, i, address[i], bytes);
    if (!places.at[i]) {
      return fail(warp, abi::CUDA_ERROR_ILLEGAL_ADDRESS, i, address[i] + window, what);
    }
  }
  return true;
}

template <typename M>
M readOnce(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const M*>(at), __ATOMIC_SEQ_CST);
}

template <typename M, typename R>
void load(Warp& warp, const Instruction& in, u32 mask) {
  Places places;
  if (!resolve(warp, in, mask, sizeof(M) * in.count, "load", places)) return;
  if (warp.log) note(warp, in, mask, sizeof(M) * in.count, Access::read);
  for (unsigned k = 0; k < in.count; ++k) {
    if (in.r[k == 3 ? 5 : k] == kNone) continue;
    R* d = row<R>(warp, in.r[k == 3 ? 5 : k]);
    if (places.pattern == Places::consecutive) {
      const std::byte* at = places.at[0] + k * sizeof(M);
      if (in.count == 1 && sizeof(M) == sizeof(R)) {
        std::memcpy(d, at, sizeof(M) * kLanes);
      } else {
        u64 step = sizeof(M) * in.count;
        for (unsigned i = 0; i < kLanes; ++i) {
          d[i] = static_cast<R>(*reinterpret_cast<const M*>(at + i * step));
        }
      }
    } else if (places.pattern == Places::same) {
      R value = static_cast<R>(*reinterpret_cast<const M*>(places.at[0] + k * sizeof(M)));
      for (unsigned i = 0; i < kLanes; ++i) d[i] = value;
    } else if (in.strong) {
      for (u32 m = mask; m; m &= m - 1) {
        unsigned i = static_cast<unsigned>(__builtin_ctz(m));
        d[i] = static_cast<R>(readOnce<M>(places.at[i] + k * sizeof(M)));
      }
    } else if (mask == kAllLanes) {
      for (unsigned i = 0; i < kLanes; ++i) {
        d[i] = static_cast<R>(*reinterpret_cast<const M*>(places.at[i] + k * sizeof(M)));
      }
    } else {
      for (u32 m = mask; m; m &= m - 1) {
        unsigned i = static_cast<unsigned>(__builtin_ctz(m));
        d[i] = static_cast<R>(*reinterpret_cast<const M*>(places.at[i] + k * sizeof(M)));
      }
    }
  }
}

template <typename M, typename R>
void store(Warp& warp, const Instruction& in, u32 mask) {
  Places places;
  if (in.space == Space::param) {
    static_cast<void>(fail(warp, abi::CUDA_ERROR_ILLEGAL_ADDRESS, 0, 0, "store to parameters"));
    return;
  }
  if (!resolve(warp, in, mask, sizeof(M) * in.count, "store", places)) return;
  if (warp.log) note(warp, in, mask, sizeof(M) * in.count, Access::write);
  for (unsigned k = 0; k < in.count; ++k) {
    const R* a = row<R>(warp, in.r[k == 3 ? 5 : k]);
    if (places.pattern == Places::consecutive) {
      std::byte* at = places.at[0] + k * sizeof(M);
      if (in.count == 1 && sizeof(M) == sizeof(R)) {
        std::memcpy(at, a, sizeof(M) * kLanes);
      } else {
        u64 step = sizeof(M) * in.count;
        for (unsigned i = 0; i < kLanes; ++i) {
          *reinterpret_cast<M*>(at + i * step) = static_cast<M>(a[i]);
        }
      }
    } else if (places.pattern == Places::same) {
      // One of the lanes wins; which is left open.
      *reinterpret_cast<M*>(places.at[0] + k * sizeof(M)) = static_cast<M>(a[kLanes - 1]);
    } else {
      for (u32 m = mask; m; m &= m - 1) {
        unsigned i = static_cast<unsigned>(__builtin_ctz(m));
        auto* at = reinterpret_cast<M*>(places.at[i] + k * sizeof(M));
        if (in.strong) __atomic_store_n(at, static_cast<M>(a[i]), __ATOMIC_SEQ_CST);
        else *at = static_cast<M>(a[i]);
      }
    }
  }
}

template <typename T>
using BitsFor =
    std::conditional_t<sizeof(T) == 8, u64, std::conditional_t<sizeof(T) == 4, u32, u16>>;

template <typename T, Atomic op>
T combined(T old, T b, T c) {
  switch (op) {
    case Atomic::add:
      if constexpr (std::is_integral_v<T>) {
        using U = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<U>(old) + static_cast<U>(b));
      } else {
        return old + b;
      }
    case Atomic::min:
      return b < old ? b : old;
    case Atomic::max:
      return b > old ? b : old;
    case Atomic::exchange:
      return b;
    case Atomic::cas:
      return old == b ? c : old;
    case Atomic::inc:
      return old >= b ? T(0) : static_cast<T>(old + T(1));
    case Atomic::dec:
      return old == T(0) || old > b ? b : static_cast<T>(old - T(1));
    default:
      if constexpr (std::is_integral_v<T>) {
        if (op == Atomic::bitAnd) return old & b;
        if (op == Atomic::bitOr) return old | b;
        return old ^ b;
      } else {
        return old;
      }
  }
}

// r[0] gets the old value (or nothing: red), r[1] and r[2] are the operands.
template <typename T, Atomic op>
void atomic(Warp& warp, const Instruction& in, u32 mask) {
  Places places;
  if (!resolve(warp, in, mask, sizeof(T), "atomic", places)) return;
  if (warp.log) note(warp, in, mask, sizeof(T), Access::atomic);
  using Bits = BitsFor<T>;
  const T* b = row<T>(warp, in.r[1]);
  const T* c = in.r[2] == kNone ? b : row<T>(warp, in.r[2]);
  T* d = in.r[0] == kNone ? nullptr : row<T>(warp, in.r[0]);
  for (u32 m = mask; m; m &= m - 1) {
    unsigned i = static_cast<unsigned>(__builtin_ctz(m));
    auto* at = reinterpret_cast<Bits*>(places.at[i]);
    Bits old = __atomic_load_n(at, __ATOMIC_RELAXED);
    for (;;) {
      T wanted = combined<T, op>(__builtin_bit_cast(T, old), b[i], c[i]);
      if (__atomic_compare_exchange_n(at, &old, __builtin_bit_cast(Bits, wanted), false,
                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        break;
      }
    }
    if (d) d[i] = __builtin_bit_cast(T, old);
  }
}

template <typename T>
Routine atomicOf(Atomic op) {
  if constexpr (std::is_integral_v<T>) {
    switch (op) {
      case Atomic::bitAnd:
        return atomic<T, Atomic::bitAnd>;
      case Atomic::bitOr:
        return atomic<T, Atomic::bitOr>;
      case Atomic::bitXor:
        return atomic<T, Atomic::bitXor>;
      case Atomic::min:
        return atomic<T, Atomic::min>;
      case Atomic::max:
        return atomic<T, Atomic::max>;
      case Atomic::cas:
        return atomic<T, Atomic::cas>;
      case Atomic::inc:
        return atomic<T, Atomic::inc>;
      case Atomic::dec:
        return atomic<T, Atomic::dec>;
      default:
        break;
    }
  }
  if (op == Atomic::add) return atomic<T, Atomic::add>;
  if (op == Atomic::exchange && std::is_integral_v<T>) return atomic<T, Atomic::exchange>;
  return nullptr;
}

template <typename M, template <typename, typename> class Access>
Routine byRegister(Type registers) {
  switch (sizeOf(registers)) {
    case 1:
      if constexpr (sizeof(M) <= 1) return Access<M, u8>::routine;
      break;
    case 2:
      if constexpr (sizeof(M) <= 2)
        return Access<M, std::conditional_t<std::is_signed_v<M>, std::int16_t, u16>>::routine;
      break;
    case 4:
      if constexpr (sizeof(M) <= 4)
        return Access<M, std::conditional_t<std::is_signed_v<M>, std::int32_t, u32>>::routine;
      break;
    case 8:
      return Access<M, std::conditional_t<std::is_signed_v<M>, std::int64_t, u64>>::routine;
    default:
      break;
  }
  return nullptr;
}
template <typename M, typename R>
struct Load {
  static constexpr Routine routine = load<M, R>;
};
template <typename M, typename R>
struct Store {
  static constexpr Routine routine = store<M, R>;
};

template <template <typename, typename> class Access>
Routine access(const Request& request) {
  switch (request.type) {
    case Type::u8:
      return byRegister<u8, Access>(request.from);
    case Type::s8:
      return byRegister<std::int8_t, Access>(request.from);
    case Type::u16:
    case Type::f16:
      return byRegister<u16, Access>(request.from);
    case Type::s16:
      return byRegister<std::int16_t, Access>(request.from);
    case Type::u32:
    case Type::f32:
    case Type::f16x2:
      return byRegister<u32, Access>(request.from);
    case Type::s32:
      return byRegister<std::int32_t, Access>(request.from);
    case Type::u64:
    case Type::s64:
    case Type::f64:
      return byRegister<u64, Access>(request.from);
    case Type::pred:
      return nullptr;
  }
  return nullptr;
}

// Arguments and results of device functions: `immediate` bytes from r[1] to r[0] of each lane's
// local memory.
void copyFrame(Warp& warp, const Instruction& in, u32 mask) {
  for (u32 m = mask; m; m &= m - 1) {
    std::byte* lane = warp.local + static_cast<u64>(__builtin_ctz(m)) * warp.localStride;
    std::memcpy(lane + in.r[0], lane + in.r[1], static_cast<std::size_t>(in.immediate));
  }
}

}  // namespace

Routine findMemory(const Request& request) {
  switch (request.op) {
    case Op::load:
      return access<Load>(request);
    case Op::store:
      return access<Store>(request);
    case Op::copyFrame:
      return copyFrame;
    case Op::atomic:
      switch (request.type) {
        case Type::u16:
          return request.atomic == Atomic::cas ? atomic<u16, Atomic::cas> : nullptr;
        case Type::u32:
          return atomicOf<u32>(request.atomic);
        case Type::s32:
          return atomicOf<std::int32_t>(request.atomic);
        case Type::u64:
          return atomicOf<u64>(request.atomic);
        case Type::s64:
          return atomicOf<std::int64_t>(request.atomic);
        case Type::f32:
          return atomicOf<float>(request.atomic);
        case Type::f64:
          return atomicOf<double>(request.atomic);
        default:
          return nullptr;
      }
    default:
      return nullptr;
  }
}

}  // namespace alnilam::gpu::emulator::ALNILAM_LANES
