#pragma once
// Decides which instruction a warp executes next, and for which of its lanes.
//
// Lanes that stand at the same instruction form a group and run together.  A branch on which lanes
// disagree splits a group in two; groups that meet at an instruction become one again.  The group
// at the lowest address runs first: compilers lay code out so that this brings lanes together again
// where their paths join, and at the latest after a loop that some have left.
//
// Since lanes may wait for each other (a lock that another lane of the warp holds), nobody is left
// behind for ever: a group that keeps jumping backwards gives way to the others after a while, and
// a warp to the other warps of its block.
//
//   ready --shuffle/vote, lanes missing--> gathering --they come to the same place--> ready
//   ready --bar.warp.sync--> atWarpSync --all named lanes are there--> ready
//   ready --bar.sync--> atBarrier --the block releases it--> ready
//
// Threading: a WarpRun belongs to one thread at a time.

#include "gpu/emulator/ptx_program.h"

#include <vector>

namespace alnilam::gpu::emulator {

class WarpRun {
 public:
  enum class Stop : std::uint8_t {
    finished,  // no lane is left
    blocked,   // every group waits at a barrier of the block
    turnOver,  // others should run; call again
    faulted,   // see warp.fault and line()
  };

  struct Group {
    enum class State : std::uint8_t { ready, gathering, atWarpSync, atBarrier };
    std::uint32_t mask = 0;
    std::uint32_t pc = 0;
    State state = State::ready;
    std::uint32_t awaited = 0;  // lanes that a gathering group or one atWarpSync waits for
  };

  // Starts the lanes in `live` at the kernel's entry.
  void start(const KernelCode& kernel, std::uint32_t live);
  // Runs until something in Stop happens.
  Stop run();

  Warp warp;
  // Groups at a barrier have their pc past it; the block looks at them, and makes them ready.
  std::vector<Group>& groups() { return groups_; }
  std::uint32_t live() const { return live_; }
  std::uint32_t line() const { return line_; }  // of the instruction that faulted

  // A bar.arrive: counted by the block, nobody waits.
  struct Arrival {
    std::uint32_t pc;
    std::uint32_t mask;
  };
  std::vector<Arrival> arrivals;

 private:
  enum class Next : std::uint8_t { stay, reschedule, turnOver, fault };

  bool choose(std::size_t& chosen);
  bool releaseWarpSync();
  void merge();
  std::uint32_t limitFor(const Group& group) const;
  Next control(const Instruction& in, Group& group, std::uint32_t mask);
  Next branch(Group& group, std::uint32_t taken, std::uint32_t target);
  Next jumpByLane(Group& group, std::uint32_t mask, const std::uint32_t* targets);
  Next gather(const Instruction& in, Group& group, std::uint32_t mask);
  Next trap(const Instruction& in, std::uint32_t mask);

  const KernelCode* kernel_ = nullptr;
  std::vector<Group> groups_;
  std::uint32_t live_ = 0;
  std::uint32_t line_ = 0;
  std::uint32_t backward_ = 0;  // jumps since the last time somebody else was chosen
  bool giveWay_ = false;
};

}  // namespace alnilam::gpu::emulator
