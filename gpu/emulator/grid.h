#pragma once
// Runs the grid of a launch: its blocks, each with its warps, barriers and shared memory.
//
// Blocks are taken in order, by the thread that launches and by the threads of a pool, as many as
// the machine has cores, that all launches share.  A block stays on one thread, so its shared
// memory needs no care; global memory is shared by all, and atomics on it are the host's atomics.
// Blocks may wait for lower-numbered ones, which have been started before them, never for higher
// ones.
//
// Errors: the first fault ends the launch; blocks that have not started don't.
// Threading: run() may be called from several threads at once.

#include "gpu/emulator/access_log.h"
#include "gpu/emulator/ptx_program.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace alnilam::gpu::emulator {

struct Dim3 {
  std::uint32_t x = 1, y = 1, z = 1;
  std::uint64_t count() const { return std::uint64_t{x} * y * z; }
};

struct GridLaunch {
  const Program* program = nullptr;
  const KernelCode* kernel = nullptr;
  Dim3 grid, block;
  std::uint32_t dynamicShared = 0;
  std::uint32_t multiprocessors = 1;  // for %nsmid
  std::vector<std::byte> params;      // kernel->paramBytes
  const AddressSpace* memory = nullptr;
  AccessLog* accesses = nullptr;  // gets what the kernel touches; may be null
  const std::atomic<bool>* cancelled = nullptr;  // ends the launch early; may be null
};

struct GridOutcome {
  abi::CUresult code = abi::CUDA_SUCCESS;
  std::string message;         // of a fault: kernel, block, thread, line, instruction
  std::uint64_t executed = 0;  // instructions, counted once for each lane
};

class GridPool {
 public:
  // `threads` besides those that call run(); they start with the first grid that can use them.
  explicit GridPool(unsigned threads);
  ~GridPool();

  // Runs all blocks and returns when the last is done.
  GridOutcome run(const GridLaunch& launch);

 private:
  struct Job;

  void work();
  static void help(Job& job);

  const unsigned wanted_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> jobs_;  // with blocks left to take
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace alnilam::gpu::emulator
