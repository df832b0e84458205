#include "gpu/emulator/warp.h"

#include <algorithm>

namespace alnilam::gpu::emulator {
namespace {

// Jumps backwards that a group may make while others of its warp wait, and that a warp may make
// while others of its block do.
constexpr std::uint32_t kGroupPatience = 256;
constexpr std::uint32_t kWarpPatience = 20'000;

}  // namespace

void WarpRun::start(const KernelCode& kernel, std::uint32_t live) {
  kernel_ = &kernel;
  live_ = live;
  backward_ = 0;
  giveWay_ = false;
  groups_.clear();
  groups_.push_back({live, kernel.entry, Group::State::ready, 0});
  arrivals.clear();
}

// Makes one group of those that stand at the same place in the same state.
void WarpRun::merge() {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    for (std::size_t j = i + 1; j < groups_.size();) {
      Group &a = groups_[i], &b = groups_[j];
      bool waits = a.state == Group::State::atBarrier || a.state == Group::State::atWarpSync ||
                   b.state == Group::State::atBarrier || b.state == Group::State::atWarpSync;
      if (a.pc != b.pc || waits) {
        ++j;
        continue;
      }
      a.mask |= b.mask;
      a.state = Group::State::ready;  // a gathering group looks again at who is there
      groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
}

// Releases the groups at a bar.warp.sync whose lanes have all come to one.
bool WarpRun::releaseWarpSync() {
  std::uint32_t there = 0;
  for (const Group& group : groups_) {
    if (group.state == Group::State::atWarpSync) there |= group.mask;
  }
  bool released = false;
  for (Group& group : groups_) {
    if (group.state == Group::State::atWarpSync && (group.awaited & live_ & ~there) == 0) {
      group.state = Group::State::ready;
      released = true;
    }
  }
  return released;
}

// The ready group at the lowest address; after giving way, the next one above it.
bool WarpRun::choose(std::size_t& chosen) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::size_t lowest = groups_.size(), next = groups_.size();
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      if (groups_[i].state != Group::State::ready) continue;
      if (lowest == groups_.size() || groups_[i].pc < groups_[lowest].pc) {
        next = lowest;
        lowest = i;
      } else if (next == groups_.size() || groups_[i].pc < groups_[next].pc) {
        next = i;
      }
    }
    if (lowest != groups_.size()) {
      bool others = next != groups_.size();
      chosen = giveWay_ && others ? next : lowest;
      giveWay_ = false;
      return true;
    }
    if (!releaseWarpSync()) return false;
    merge();
  }
  return false;
}

// Where `group` next meets another one: the lowest place above it at which one stands.
std::uint32_t WarpRun::limitFor(const Group& group) const {
  std::uint32_t limit = kNone;
  for (const Group& other : groups_) {
    bool waits = other.state == Group::State::atBarrier || other.state == Group::State::atWarpSync;
    if (&other != &group && !waits && other.pc > group.pc) limit = std::min(limit, other.pc);
  }
  return limit;
}

WarpRun::Stop WarpRun::run() {
  const Instruction* code = kernel_->code.data();
  std::uint32_t turn = 0;
  for (;;) {
    if (groups_.size() > 1) merge();
    if (groups_.empty()) return Stop::finished;
    std::size_t chosen = 0;
    if (!choose(chosen)) {
      bool allAtBarrier = std::all_of(groups_.begin(), groups_.end(), [](const Group& group) {
        return group.state == Group::State::atBarrier;
      });
      if (allAtBarrier) return Stop::blocked;
      // Somebody waits for lanes that are held at a barrier: they never come.
      warp.fault = {abi::CUDA_ERROR_LAUNCH_FAILED, 0, 0,
                    "wait for lanes of the warp that never come"};
      for (const Group& group : groups_) {
        if (group.state == Group::State::atBarrier) continue;
        warp.fault.lane = static_cast<unsigned>(__builtin_ctz(group.mask));
        line_ = code[group.pc].line;
        break;
      }
      return Stop::faulted;
    }
    Next next = Next::stay;
    while (next == Next::stay) {
      Group& group = groups_[chosen];
      const std::uint32_t limit = limitFor(group);
      std::uint32_t pc = group.pc;
      const std::uint32_t active = group.mask;
      // The plain run of instructions up to the next one that decides something.
      for (;;) {
        const Instruction& in = code[pc];
        std::uint32_t mask = active;
        if (in.guard != kNone) {
          std::uint32_t bits = *row<std::uint32_t>(warp, in.guard);
          mask &= in.guardNegated ? ~bits : bits;
        }
        warp.executed +=
            mask == kAllLanes ? kLanes : static_cast<unsigned>(__builtin_popcount(mask));
        if (in.kind != Kind::lanes) {
          group.pc = pc;
          if (in.kind == Kind::branch) {
            bool backward = in.target <= pc && mask != 0;
            next = branch(group, mask, in.target);
            if (backward && ++backward_ % kGroupPatience == 0 && groups_.size() > 1) {
              giveWay_ = true;
              next = Next::reschedule;
            }
            if (backward && ++turn >= kWarpPatience) next = Next::turnOver;
          } else {
            next = control(in, group, mask);
          }
          break;
        }
        if (mask != 0) {
          in.run(warp, in, mask);
          if (warp.fault.code != abi::CUDA_SUCCESS) {
            line_ = in.line;
            return Stop::faulted;
          }
        }
        if (++pc >= limit) {
          group.pc = pc;
          next = Next::reschedule;
          break;
        }
      }
      if (next == Next::stay && groups_[chosen].pc >= limit) next = Next::reschedule;
    }
    if (next == Next::turnOver) return Stop::turnOver;
    if (next == Next::fault) return Stop::faulted;
  }
}

WarpRun::Next WarpRun::branch(Group& group, std::uint32_t taken, std::uint32_t target) {
  if (taken == group.mask) {
    group.pc = target;
    return Next::stay;
  }
  ++group.pc;
  if (taken == 0) return Next::stay;
  group.mask &= ~taken;
  groups_.push_back({taken, target, Group::State::ready, 0});
  return Next::reschedule;
}

// Sends each lane of `mask` to its own place; the others go on.
WarpRun::Next WarpRun::jumpByLane(Group& group, std::uint32_t mask, const std::uint32_t* targets) {
  std::uint32_t staying = group.mask & ~mask;
  std::vector<Group> apart;
  for (std::uint32_t left = mask; left;) {
    std::uint32_t target = targets[__builtin_ctz(left)], same = 0;
    for (std::uint32_t m = left; m; m &= m - 1) {
      if (targets[__builtin_ctz(m)] == target) same |= m & (~m + 1);
    }
    apart.push_back({same, target, Group::State::ready, 0});
    left &= ~same;
  }
  if (staying != 0) {
    group.mask = staying;
    ++group.pc;
  } else {
    group = apart.back();
    apart.pop_back();
    if (apart.empty()) return Next::stay;
  }
  groups_.insert(groups_.end(), apart.begin(), apart.end());
  return Next::reschedule;
}

// Shuffles and votes want all the lanes that they name, at the same instruction.
WarpRun::Next WarpRun::gather(const Instruction& in, Group& group, std::uint32_t mask) {
  if (mask == 0) {
    ++group.pc;
    return Next::stay;
  }
  const std::uint32_t* members = row<std::uint32_t>(warp, in.r[4]);
  std::uint32_t awaited = 0;
  for (std::uint32_t m = mask; m; m &= m - 1) awaited |= members[__builtin_ctz(m)];
  if ((awaited & live_ & ~group.mask) != 0) {
    group.state = Group::State::gathering;
    group.awaited = awaited;
    return Next::reschedule;
  }
  in.run(warp, in, mask);
  ++group.pc;
  return Next::stay;
}

WarpRun::Next WarpRun::trap(const Instruction& in, std::uint32_t mask) {
  warp.fault = {in.flags & 1 ? abi::CUDA_ERROR_ASSERT : abi::CUDA_ERROR_LAUNCH_FAILED,
                static_cast<unsigned>(__builtin_ctz(mask)), 0,
                in.flags & 1 ? "failed assertion" : "trap"};
  line_ = in.line;
  return Next::fault;
}

WarpRun::Next WarpRun::control(const Instruction& in, Group& group, std::uint32_t mask) {
  if (in.kind == Kind::together) return gather(in, group, mask);
  if (mask == 0) {
    ++group.pc;
    return Next::stay;
  }
  bool waits = in.kind == Kind::syncWarp || (in.kind == Kind::barrier && !(in.flags & 1));
  if (waits && mask != group.mask) {
    // Only some of the lanes wait; the others go on as a group of their own.
    Group others{group.mask & ~mask, group.pc + 1, Group::State::ready, 0};
    group.mask = mask;
    groups_.push_back(others);
    return Next::reschedule;  // to come here again, now with all lanes waiting
  }
  switch (in.kind) {
    case Kind::branchTable: {
      const std::vector<std::uint32_t>& table = kernel_->branchTables[in.target];
      const std::uint32_t* index = row<std::uint32_t>(warp, in.r[0]);
      std::uint32_t targets[kLanes] = {};
      for (std::uint32_t m = mask; m; m &= m - 1) {
        unsigned lane = static_cast<unsigned>(__builtin_ctz(m));
        if (index[lane] >= table.size()) {
          warp.fault = {abi::CUDA_ERROR_INVALID_PC, lane, index[lane], "branch out of its table"};
          line_ = in.line;
          return Next::fault;
        }
        targets[lane] = table[index[lane]];
      }
      return jumpByLane(group, mask, targets);
    }
    case Kind::call: {
      std::uint32_t* back = row<std::uint32_t>(warp, in.r[0]);
      for (std::uint32_t m = mask; m; m &= m - 1) back[__builtin_ctz(m)] = group.pc + 1;
      return branch(group, mask, in.target);
    }
    case Kind::ret:
      return jumpByLane(group, mask, row<std::uint32_t>(warp, in.r[0]));
    case Kind::exit:
      live_ &= ~mask;
      group.mask &= ~mask;
      ++group.pc;
      if (group.mask == 0) { groups_.erase(groups_.begin() + (&group - groups_.data())); }
      // Others may have waited for the lanes that are gone.
      for (Group& other : groups_) {
        if (other.state == Group::State::gathering) other.state = Group::State::ready;
      }
      return Next::reschedule;
    case Kind::barrier:
      if (in.flags & 1) {
        arrivals.push_back({group.pc, mask});
        ++group.pc;
        return Next::turnOver;
      }
      break;
    case Kind::syncWarp: {
      const std::uint32_t* members = row<std::uint32_t>(warp, in.r[4]);
      group.awaited = members[__builtin_ctz(mask)];
      group.state = Group::State::atWarpSync;
      ++group.pc;
      return Next::reschedule;
    }
    case Kind::pause:
      ++group.pc;
      giveWay_ = true;
      return groups_.size() > 1 ? Next::reschedule : Next::turnOver;
    case Kind::trap:
      return trap(in, mask);
    default:
      break;
  }
  group.state = Group::State::atBarrier;
  ++group.pc;
  return Next::reschedule;
}

}  // namespace alnilam::gpu::emulator
