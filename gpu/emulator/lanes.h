#pragma once
// What an instruction of a kernel does to the 32 lanes of a warp.
//
// A register is a row of 32 values, one a lane, so that an instruction on a full warp is a plain
// loop over two or three rows, which the compiler turns into vector instructions; that is where the
// emulator's speed comes from.  A predicate is one word, one bit a lane.  Immediates and special
// registers are rows too, filled once, so every operand is simply the offset of a row.
//
// The rows' loops live in lanes_*.cc, which are compiled several times for different instruction
// sets (see CMakeLists.txt); select() picks the set that this machine has.  What decides the order
// of instructions (branches, barriers, calls) is in warp.h.
//
// Threading: a Warp belongs to one thread at a time.
// Errors: a routine that meets a bad address notes a Fault in the warp and leaves its destination
//   undefined; the caller looks after each instruction.

#include "gpu/driver/abi.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace alnilam::gpu::emulator {

constexpr unsigned kLanes = 32;
constexpr std::uint32_t kAllLanes = ~0u;

// A value's type as PTX writes it; b-types are handled as unsigned ones.
enum class Type : std::uint8_t { u8, u16, u32, u64, s8, s16, s32, s64, f16, f32, f64, f16x2, pred };

constexpr unsigned sizeOf(Type type) {
  switch (type) {
    case Type::u8:
    case Type::s8:
      return 1;
    case Type::u16:
    case Type::s16:
    case Type::f16:
      return 2;
    case Type::u32:
    case Type::s32:
    case Type::f32:
    case Type::f16x2:
    case Type::pred:
      return 4;
    case Type::u64:
    case Type::s64:
    case Type::f64:
      return 8;
  }
  return 0;
}
constexpr bool isSigned(Type type) { return type >= Type::s8 && type <= Type::s64; }
constexpr bool isFloat(Type type) { return type >= Type::f16 && type <= Type::f16x2; }

// A run of device memory that a kernel may touch.  An empty one has size 0.
struct MemoryRange {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  std::byte* storage = nullptr;  // where the byte at `base` really is
};

// Which device addresses exist for a kernel: allocations of its device, of peers, pinned memory.
class AddressSpace {
 public:
  // The live allocation that holds `address`, or an empty range.  Any thread may ask.
  virtual MemoryRange find(std::uint64_t address) const = 0;
  // What there is at an address that find() doesn't find or that is too short, for people: "past
  // the end of the allocation at 0x7f.. of 40 bytes", "in memory that was freed".
  virtual std::string explain(std::uint64_t address) const = 0;

 protected:
  ~AddressSpace() = default;
};

// Shared, local and parameter memory have windows in the generic address space, at addresses that
// no host pointer can have.
constexpr std::uint64_t kSharedWindow = 1ull << 60;
constexpr std::uint64_t kLocalWindow = 2ull << 60;
constexpr std::uint64_t kParamWindow = 3ull << 60;
constexpr std::uint64_t kWindowMask = 15ull << 60;

struct Fault {
  abi::CUresult code = abi::CUDA_SUCCESS;
  unsigned lane = 0;
  std::uint64_t address = 0;
  const char* what = "";  // "load", "store", "atomic", "trap", ...
};

enum class Access : std::uint8_t { read, write, atomic };
class AccessLog;
// Lanes in `mask` access `bytes` each at their address; access_log.h.
void noteAccess(AccessLog& log, const std::uint64_t* addresses, std::uint32_t mask,
                std::uint32_t bytes, Access access);

struct Warp;
struct Instruction;
// Executes `in` for the lanes in `mask`, which is never empty.
using Routine = void (*)(Warp& warp, const Instruction& in, std::uint32_t mask);

// Who decides what comes next: the loop in warp.cc.
enum class Kind : std::uint8_t {
  lanes,        // `run` does it all
  together,     // the same, once all lanes named in row r[4] are here (shuffles, votes)
  branch,       // to `target`
  branchTable,  // to targets[row r[0]] of the program's table `target`, `immediate` long
  call,         // to `target`; row r[0] keeps where to return
  ret,          // to where row r[0] says
  exit,
  barrier,   // of the block; r[0] its number, r[1] how many threads or none; `run` may reduce
  syncWarp,  // lanes named in row r[4] wait for each other
  pause,     // let somebody else go on
  trap,
};

enum class Space : std::uint8_t { generic, global, shared, local, param };

constexpr std::uint32_t kNone = ~0u;

// One decoded instruction.  Rows are given by their byte offsets in the warp's register file.
struct Instruction {
  Routine run = nullptr;
  Kind kind = Kind::lanes;
  Space space = Space::generic;
  std::uint8_t count = 1;     // elements of a vector load or store
  std::uint8_t rounding = 0;  // an FE_ constant shifted right by 10 bits, see Rounding
  bool guardNegated = false;
  bool wideAddress = true;      // row r[4] holds 64-bit addresses, otherwise 32-bit ones
  bool strong = false;          // volatile or atomic: one access per lane, never merged
  std::uint8_t flags = 0;       // what a routine makes of it
  std::uint32_t guard = kNone;  // predicate
  std::uint32_t r[6] = {kNone, kNone, kNone, kNone, kNone, kNone};
  std::uint32_t slot = 0;  // which entry of Warp::ranges this instruction keeps its range in
  std::uint32_t target = 0;
  std::int64_t immediate = 0;
  std::uint32_t line = 0;  // in the PTX text, from 1
};

// The part of a warp that routines see.
struct Warp {
  std::byte* registers = nullptr;  // the register file, aligned to 64
  std::byte* shared = nullptr;
  std::byte* local = nullptr;  // `localStride` bytes for each of the 32 lanes
  const std::byte* params = nullptr;
  std::uint32_t sharedSize = 0;
  std::uint32_t localStride = 0;
  std::uint32_t paramSize = 0;
  const AddressSpace* memory = nullptr;
  AccessLog* log = nullptr;       // told of global memory that's touched; null: nobody wants it
  MemoryRange* ranges = nullptr;  // what each memory instruction touched last
  std::uint64_t executed = 0;     // instructions times lanes
  Fault fault;
};

template <typename T>
T* row(Warp& warp, std::uint32_t offset) {
  return reinterpret_cast<T*>(warp.registers + offset);
}

enum class Op : std::uint8_t {
  // integers, logic
  add,
  sub,
  mulLo,
  mulHi,
  mulWide,
  madLo,
  madHi,
  madWide,
  mul24,
  mad24,
  div,
  rem,
  min,
  max,
  abs,
  neg,
  sad,
  bitAnd,
  bitOr,
  bitXor,
  bitNot,
  logicalNot,
  shl,
  shr,
  bfe,
  bfi,
  bfind,
  bfindShift,
  popc,
  clz,
  brev,
  prmt,
  lop3,
  shfLeftWrap,
  shfLeftClamp,
  shfRightWrap,
  shfRightClamp,
  dp4a,
  addCarry,
  subCarry,
  madLoCarry,
  madHiCarry,
  // floats
  mul,
  fma,
  divApprox,
  sqrt,
  rcp,
  rsqrt,
  ex2,
  lg2,
  sin,
  cos,
  tanh,
  copysign,
  isFinite,
  isInfinite,
  isNumber,
  isNan,
  isNormal,
  isSubnormal,
  // any type
  mov,
  selp,
  slct,
  set,
  setp,
  pack,
  unpack,
  cvt,
  // memory and lanes of the warp
  load,
  store,
  atomic,
  copyFrame,
  shuffleUp,
  shuffleDown,
  shuffleXor,
  shuffleIndex,
  voteAll,
  voteAny,
  voteUniform,
  ballot,
  activeMask,
  matchAny,
  matchAll,
  reduceLanes,
  readClock,
  fence,
  barrierReduce,
  predicateAnd,
  predicateOr,
  predicateXor,
  predicateNot,
  predicateMov,
};

enum class Compare : std::uint8_t {
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  equ,
  neu,
  ltu,
  leu,
  gtu,
  geu,
  num,
  nan
};
enum class Atomic : std::uint8_t { add, min, max, bitAnd, bitOr, bitXor, exchange, cas, inc, dec };

// How a result that doesn't fit is rounded; the i-forms round to an integral value.
enum class Rounding : std::uint8_t { none, rn, rz, rm, rp, rni, rzi, rmi, rpi };

// What to look for.  Equal requests give equal routines.
struct Request {
  Op op;
  Type type = Type::u32;  // of the operation; for cvt of the result
  Type from = Type::u32;  // cvt: of the source; load, store: of the register row
  Rounding rounding = Rounding::none;
  Compare compare = Compare::eq;
  Atomic atomic = Atomic::add;
  bool flush = false;     // .ftz
  bool saturate = false;  // .sat
};

// The routine for a request in the best instruction set this machine has, or null: there is none.
Routine select(const Request& request);

}  // namespace alnilam::gpu::emulator
