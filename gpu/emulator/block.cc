#include "gpu/emulator/block.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace alnilam::gpu::emulator {
namespace {

constexpr std::size_t kAlign = 64;

template <typename T>
void broadcast(std::byte* row, T value) {
  for (unsigned i = 0; i < kLanes; ++i) std::memcpy(row + i * sizeof(T), &value, sizeof(T));
}

std::string show(const Dim3& dim) {
  return "(" + std::to_string(dim.x) + "," + std::to_string(dim.y) + "," + std::to_string(dim.z) +
         ")";
}

}  // namespace

void BlockRun::FreeAligned::operator()(std::byte* bytes) const {
  ::operator delete[](bytes, std::align_val_t{kAlign});
}
BlockRun::Memory BlockRun::allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  return Memory(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{kAlign})));
}

BlockRun::BlockRun(const GridLaunch& launch) : launch_(launch), kernel_(*launch.kernel) {
  threads_ = static_cast<std::uint32_t>(launch.block.count());
  warps_ = (threads_ + kLanes - 1) / kLanes;
  sharedBytes_ = kernel_.sharedBytes + launch.dynamicShared;
  registers_ = allocate(std::size_t{kernel_.registerBytes} * warps_);
  std::size_t localOfWarp = std::size_t{kernel_.localBytes} * kLanes;
  local_ = allocate(localOfWarp * warps_);
  shared_ = allocate(sharedBytes_);
  ranges_.resize(std::max(1u, kernel_.slots));
  counted_.resize(warps_);
  runs_.resize(warps_);
  if (launch.accesses) log_.emplace();
  // PTX leaves registers and memory undefined at the start; zeros make runs repeatable.
  if (registers_) std::memset(registers_.get(), 0, std::size_t{kernel_.registerBytes} * warps_);
  if (local_) std::memset(local_.get(), 0, localOfWarp * warps_);
  for (unsigned i = 0; i < warps_; ++i) {
    Warp& warp = runs_[i].warp;
    warp.registers = registers_.get() + std::size_t{kernel_.registerBytes} * i;
    warp.shared = shared_.get();
    warp.sharedSize = sharedBytes_;
    warp.local = local_.get() + localOfWarp * i;
    warp.localStride = kernel_.localBytes;
    warp.params = launch.params.data();
    warp.paramSize = static_cast<std::uint32_t>(launch.params.size());
    warp.memory = launch.memory;
    warp.ranges = ranges_.data();
    warp.log = log_ ? &*log_ : nullptr;
    fillRows(i);
  }
}

std::uint64_t BlockRun::executed() const {
  std::uint64_t sum = 0;
  for (const WarpRun& run : runs_) sum += run.warp.executed;
  return sum;
}

// The rows that are the same for every block: constants, and what depends on the thread alone.
void BlockRun::fillRows(unsigned number) {
  std::byte* registers = runs_[number].warp.registers;
  for (const KernelCode::Constant& constant : kernel_.constants) {
    std::byte* at = registers + constant.offset;
    switch (constant.width) {
      case 1:
        broadcast(at, static_cast<std::uint8_t>(constant.value));
        break;
      case 2:
        broadcast(at, static_cast<std::uint16_t>(constant.value));
        break;
      case 4:
        broadcast(at, static_cast<std::uint32_t>(constant.value));
        break;
      default:
        broadcast(at, constant.value);
        break;
    }
  }
  for (const KernelCode::SpecialRow& row : kernel_.specials) {
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      std::uint32_t thread = number * kLanes + lane, value = 0, bit = 1u << lane;
      const Dim3 &block = launch_.block, &grid = launch_.grid;
      switch (row.special) {
        case Special::tidX:
          value = thread % block.x;
          break;
        case Special::tidY:
          value = thread / block.x % block.y;
          break;
        case Special::tidZ:
          value = thread / block.x / block.y;
          break;
        case Special::ntidX:
          value = block.x;
          break;
        case Special::ntidY:
          value = block.y;
          break;
        case Special::ntidZ:
          value = block.z;
          break;
        case Special::nctaidX:
          value = grid.x;
          break;
        case Special::nctaidY:
          value = grid.y;
          break;
        case Special::nctaidZ:
          value = grid.z;
          break;
        case Special::laneId:
          value = lane;
          break;
        case Special::warpId:
          value = number;
          break;
        case Special::warpCount:
          value = warps_;
          break;
        case Special::smCount:
          value = launch_.multiprocessors;
          break;
        case Special::maskEq:
          value = bit;
          break;
        case Special::maskLt:
          value = bit - 1;
          break;
        case Special::maskLe:
          value = bit | (bit - 1);
          break;
        case Special::maskGt:
          value = ~(bit | (bit - 1));
          break;
        case Special::maskGe:
          value = ~(bit - 1);
          break;
        case Special::dynamicShared:
          value = launch_.dynamicShared;
          break;
        case Special::totalShared:
          value = sharedBytes_;
          break;
        default:
          break;  // the place of the block: placeBlock
      }
      std::memcpy(registers + row.offset + lane * sizeof value, &value, sizeof value);
    }
  }
}

void BlockRun::placeBlock(std::uint64_t index) {
  at_.x = static_cast<std::uint32_t>(index % launch_.grid.x);
  at_.y = static_cast<std::uint32_t>(index / launch_.grid.x % launch_.grid.y);
  at_.z = static_cast<std::uint32_t>(index / launch_.grid.x / launch_.grid.y);
  for (const KernelCode::SpecialRow& row : kernel_.specials) {
    std::uint32_t value = 0;
    if (row.special == Special::ctaidX) value = at_.x;
    else if (row.special == Special::ctaidY) value = at_.y;
    else if (row.special == Special::ctaidZ) value = at_.z;
    else if (row.special == Special::smId)
      value = static_cast<std::uint32_t>(index % launch_.multiprocessors);
    else continue;
    for (WarpRun& run : runs_) broadcast(run.warp.registers + row.offset, value);
  }
}

bool BlockRun::run(std::uint64_t index) {
  placeBlock(index);
  if (shared_) std::memset(shared_.get(), 0, sharedBytes_);
  barriers_ = {};
  std::fill(counted_.begin(), counted_.end(), 0);
  for (unsigned i = 0; i < warps_; ++i) {
    std::uint32_t lanes = std::min(kLanes, threads_ - i * kLanes);
    runs_[i].start(kernel_, lanes == kLanes ? kAllLanes : (1u << lanes) - 1);
  }
  for (;;) {
    bool progress = false, finished = true;
    for (unsigned i = 0; i < warps_; ++i) {
      WarpRun& run = runs_[i];
      if (run.live() == 0) continue;
      bool canRun = std::any_of(run.groups().begin(), run.groups().end(), [](auto& group) {
        return group.state != WarpRun::Group::State::atBarrier;
      });
      if (canRun) {
        progress = true;
        if (!settle(i, run.run())) return false;
      }
      finished = finished && run.live() == 0;
    }
    if (finished) return true;
    if (releaseBarriers()) progress = true;
    if (!progress) {
      return fail(abi::CUDA_ERROR_LAUNCH_FAILED, "threads of block " + show(at_) + " of kernel " +
                                                     kernel_.name +
                                                     " wait at a barrier that others never reach");
    }
    if (launch_.cancelled && launch_.cancelled->load(std::memory_order_relaxed)) {
      return fail(abi::CUDA_ERROR_UNKNOWN, "the device was lost while " + kernel_.name + " ran");
    }
  }
}

// Counts what has come to barriers since this warp ran last.
bool BlockRun::settle(unsigned number, WarpRun::Stop stop) {
  if (stop == WarpRun::Stop::faulted) return fault(number);
  WarpRun& run = runs_[number];
  for (const WarpRun::Arrival& arrival : run.arrivals) {
    arrive(run, kernel_.code[arrival.pc], arrival.mask);
  }
  run.arrivals.clear();
  for (const WarpRun::Group& group : run.groups()) {
    if (group.state != WarpRun::Group::State::atBarrier) continue;
    std::uint32_t isNew = group.mask & ~counted_[number];
    if (isNew == 0) continue;
    counted_[number] |= isNew;
    arrive(run, kernel_.code[group.pc - 1], isNew);
  }
  return true;
}

void BlockRun::arrive(WarpRun& run, const Instruction& in, std::uint32_t mask) {
  unsigned lane = static_cast<unsigned>(__builtin_ctz(mask));
  Barrier& barrier = barriers_[row<std::uint32_t>(run.warp, in.r[0])[lane] % kBarriers];
  barrier.used = true;
  if (in.r[1] != kNone) barrier.expected = row<std::uint32_t>(run.warp, in.r[1])[lane];
  // A count given in the instruction counts whole warps, ended lanes included.
  bool whole = barrier.expected != 0 && mask == run.live();
  barrier.arrived += whole ? kLanes : static_cast<unsigned>(__builtin_popcount(mask));
  if (in.flags >> 1) {
    std::uint32_t bits = *row<std::uint32_t>(run.warp, in.r[3]);
    if (in.flags & 8) bits = ~bits;
    barrier.yes += static_cast<unsigned>(__builtin_popcount(bits & mask));
  }
}

bool BlockRun::releaseBarriers() {
  std::uint64_t live = 0;
  for (const WarpRun& run : runs_) live += static_cast<unsigned>(__builtin_popcount(run.live()));
  bool released = false;
  for (unsigned i = 0; i < kBarriers; ++i) {
    Barrier& barrier = barriers_[i];
    if (!barrier.used) continue;
    std::uint64_t wanted = barrier.expected ? barrier.expected : live;
    if (barrier.arrived < wanted) continue;
    release(i);
    released = true;
  }
  return released;
}

void BlockRun::release(unsigned number) {
  const Barrier barrier = barriers_[number];
  barriers_[number] = {};
  for (unsigned i = 0; i < warps_; ++i) {
    WarpRun& run = runs_[i];
    for (WarpRun::Group& group : run.groups()) {
      if (group.state != WarpRun::Group::State::atBarrier) continue;
      const Instruction& in = kernel_.code[group.pc - 1];
      unsigned lane = static_cast<unsigned>(__builtin_ctz(group.mask));
      if (row<std::uint32_t>(run.warp, in.r[0])[lane] % kBarriers != number) continue;
      group.state = WarpRun::Group::State::ready;
      counted_[i] &= ~group.mask;
      unsigned reduction = (in.flags >> 1) & 3;
      if (reduction == 0) continue;
      std::uint32_t* d = row<std::uint32_t>(run.warp, in.r[2]);
      if (reduction == 3) {
        for (std::uint32_t m = group.mask; m; m &= m - 1) d[__builtin_ctz(m)] = barrier.yes;
      } else {
        bool holds = reduction == 1 ? barrier.yes >= barrier.arrived : barrier.yes > 0;
        *d = holds ? *d | group.mask : *d & ~group.mask;
      }
    }
  }
}

// What an address is that no memory is at, in words.
std::string BlockRun::where(std::uint64_t address) const {
  switch (address & kWindowMask) {
    case 0:
      return ", " + launch_.memory->explain(address);
    case kLocalWindow:
      return ", local memory, of which a thread has " + std::to_string(kernel_.localBytes) +
             " bytes";
    case kParamWindow:
      return ", the parameters, of " + std::to_string(kernel_.paramBytes) + " bytes";
    default:
      return ", shared memory, of which a block has " + std::to_string(sharedBytes_) + " bytes";
  }
}

bool BlockRun::fault(unsigned number) {
  const WarpRun& run = runs_[number];
  const Fault& fault = run.warp.fault;
  std::uint32_t thread = number * kLanes + fault.lane;
  const Dim3& block = launch_.block;
  Dim3 at{thread % block.x, thread / block.x % block.y, thread / block.x / block.y};
  char address[32];
  std::snprintf(address, sizeof address, "0x%llx", static_cast<unsigned long long>(fault.address));
  std::string what = fault.what;
  if (fault.code == abi::CUDA_ERROR_ILLEGAL_ADDRESS)
    what += std::string(" outside any allocation at ") + address + where(fault.address);
  if (fault.code == abi::CUDA_ERROR_MISALIGNED_ADDRESS)
    what += std::string(" at misaligned ") + address;
  return fail(fault.code, "kernel " + kernel_.name + ", block " + show(at_) + ", thread " +
                              show(at) + ": " + what + ", PTX line " + std::to_string(run.line()) +
                              ": " + launch_.program->line(run.line()));
}

bool BlockRun::fail(abi::CUresult code, std::string message) {
  code_ = code;
  message_ = std::move(message);
  return false;
}

}  // namespace alnilam::gpu::emulator
