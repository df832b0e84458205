#pragma once
// Runs the blocks of one launch, one after another, on one thread.
//
// What blocks of a launch have in common (registers that hold constants, thread indices) is set up
// once; then each block starts its warps, lets each run until it waits at a barrier, and releases
// barriers when all that they wait for have come.

#include "gpu/emulator/grid.h"
#include "gpu/emulator/warp.h"

#include <memory>
#include <optional>

namespace alnilam::gpu::emulator {

class BlockRun {
 public:
  explicit BlockRun(const GridLaunch& launch);

  // Runs block number `index` of the grid.  False: a fault, see message().
  bool run(std::uint64_t index);

  abi::CUresult code() const { return code_; }
  const std::string& message() const { return message_; }
  std::uint64_t executed() const;
  AccessLog* accesses() { return log_ ? &*log_ : nullptr; }  // null: nobody wants to know

 private:
  static constexpr unsigned kBarriers = 16;
  struct Barrier {
    std::uint64_t arrived = 0;
    std::uint64_t expected = 0;  // 0: all threads of the block
    std::uint32_t yes = 0;       // bar.red: threads whose predicate holds
    bool used = false;
  };
  struct FreeAligned {
    void operator()(std::byte* bytes) const;
  };
  using Memory = std::unique_ptr<std::byte[], FreeAligned>;

  static Memory allocate(std::size_t bytes);
  void fillRows(unsigned warp);
  void placeBlock(std::uint64_t index);
  bool settle(unsigned warp, WarpRun::Stop stop);
  void arrive(WarpRun& run, const Instruction& in, std::uint32_t mask);
  bool noteWaiting(unsigned warp);
  bool releaseBarriers();
  void release(unsigned number);
  bool fault(unsigned warp);
  std::string where(std::uint64_t address) const;
  bool fail(abi::CUresult code, std::string message);

  const GridLaunch& launch_;
  const KernelCode& kernel_;
  std::uint32_t threads_ = 0;
  std::uint32_t warps_ = 0;
  Dim3 at_;
  Memory registers_, shared_, local_;
  std::uint32_t sharedBytes_ = 0;
  std::vector<MemoryRange> ranges_;
  std::optional<AccessLog> log_;
  std::vector<WarpRun> runs_;
  std::vector<std::uint32_t> counted_;  // lanes of each warp that barriers have counted
  std::array<Barrier, kBarriers> barriers_;
  abi::CUresult code_ = abi::CUDA_SUCCESS;
  std::string message_;
};

}  // namespace alnilam::gpu::emulator
