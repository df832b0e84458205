#pragma once
// A module ready to run: for each kernel, dense code and the layout of what it needs.
//
// A kernel is compiled together with every device function it calls.  Since PTX without recursion
// needs no stack, each function has one frame at a fixed place in the kernel's register file and
// local memory, and one row that keeps where its callers want it to return to; a call copies
// arguments between frames.  Callees stand before their callers: a warp whose lanes have parted
// runs those at the lowest address first, so lanes inside a function catch up with those past the
// call.
//
// Lifetime: a Program is immutable, and shared by all launches of its kernels.

#include "gpu/emulator/lanes.h"
#include "gpu/emulator/ptx_module.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace alnilam::gpu::emulator {

enum class Special : std::uint8_t {
  tidX,
  tidY,
  tidZ,
  ntidX,
  ntidY,
  ntidZ,
  ctaidX,
  ctaidY,
  ctaidZ,
  nctaidX,
  nctaidY,
  nctaidZ,
  laneId,
  warpId,
  warpCount,
  smId,
  smCount,
  gridId,
  maskEq,
  maskLt,
  maskLe,
  maskGt,
  maskGe,
  dynamicShared,
  totalShared,
  zero,
};

struct KernelCode {
  struct Constant {  // a row whose lanes all hold `value`
    std::uint32_t offset;
    std::uint32_t width;
    std::uint64_t value;
  };
  struct SpecialRow {  // a row of 32-bit values that the launch fills
    std::uint32_t offset;
    Special special;
  };
  struct Param {
    std::uint32_t offset;
    std::uint32_t size;
  };

  std::string name;
  std::vector<Instruction> code;
  std::uint32_t entry = 0;          // index of the first instruction
  std::uint32_t registerBytes = 0;  // of one warp
  std::uint32_t registerCount = 0;  // as written, for people
  std::vector<Constant> constants;
  std::vector<SpecialRow> specials;
  std::vector<Param> params;
  std::uint32_t paramBytes = 0;
  std::uint32_t sharedBytes = 0;  // static; dynamic shared memory starts there, aligned
  std::uint32_t localBytes = 0;   // of one thread
  std::uint32_t slots = 0;        // how many entries Warp::ranges needs
  std::uint32_t maxThreads = 1024;
  std::vector<std::vector<std::uint32_t>> branchTables;
};

struct Program {
  std::vector<std::unique_ptr<KernelCode>> kernels;
  std::vector<std::string> lines;  // the text, for messages
  std::uint32_t version = 0;

  const KernelCode* find(std::string_view name) const;
  // "st.global.u32 [%rd4], %r2;", without the white space around it.
  std::string line(std::uint32_t number) const;
};

// Where a module's .global and .const variables are put, in one block of device memory.
struct GlobalLayout {
  struct Place {
    std::uint64_t offset = 0;
    const Variable* variable = nullptr;
  };
  std::map<std::string, Place> places;
  std::uint64_t size = 0;
};
GlobalLayout layOutGlobals(const Module& module);

// The initial bytes of that block once it stands at `base`; or which address nobody knows.
Result<std::vector<std::byte>> initialGlobals(const Module& module, const GlobalLayout& layout,
                                              std::uint64_t base);

// Compiles every kernel.  Refuses, naming line and instruction, whatever the emulator doesn't know:
// a kernel never runs in part.
Result<std::shared_ptr<const Program>> compileProgram(const Module& module, std::string_view text,
                                                      const GlobalLayout& layout,
                                                      std::uint64_t base);

}  // namespace alnilam::gpu::emulator
