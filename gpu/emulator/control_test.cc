// Divergence, calls, votes, vectors, local arrays, locks (testdata/control.cu), against plain C++.

#include "gpu/emulator/emulator_fixture_test.h"

#include <algorithm>
#include <bit>
#include <random>

namespace alnilam::gpu {
namespace {

TEST(Control, LanesLeaveALoopEachAtItsTime) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  std::vector<unsigned> in(300), want(300);
  for (unsigned i = 0; i < 300; ++i) {
    in[i] = i + 1;
    for (unsigned long long x = in[i]; x != 1; ++want[i]) x = x & 1 ? 3 * x + 1 : x / 2;
  }
  CUdeviceptr din = gpu.upload(in), steps = gpu.upload(in);
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "collatz"), {3, 1, 128}, din, steps, 300),
            CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<unsigned>(steps, 300), want);
}

TEST(Control, VotesAndWarpAggregatedAtomics) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  std::vector<int> in(256);
  std::mt19937 generator(1);
  for (std::size_t i = 0; i < in.size(); ++i) {
    in[i] = i < 32 ? 2 : i < 64 ? 3 : static_cast<int>(generator() % 100);
  }
  std::vector<unsigned> wantBallots(8);
  int wantOdd = 0, wantAll = 0, wantAny = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!(in[i] & 1)) continue;
    ++wantOdd;
    wantBallots[i / 32] |= 1u << (i % 32);
  }
  for (unsigned ballot : wantBallots) {
    wantAll += ballot == ~0u;
    wantAny += ballot != 0;
  }
  CUdeviceptr din = gpu.upload(in), odd = gpu.upload(std::vector<int>(3));
  CUdeviceptr ballots = gpu.upload(std::vector<unsigned>(8));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "countOdd"), {2, 1, 128}, din, odd, ballots, 256),
            CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<int>(odd, 3), (std::vector<int>{wantOdd, wantAll, wantAny}));
  EXPECT_EQ(gpu.download<unsigned>(ballots, 8), wantBallots);
}

TEST(Control, DeviceFunctionsWithNumbersAndStructures) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  std::vector<int> in(100);
  for (int i = 0; i < 100; ++i) in[static_cast<std::size_t>(i)] = i - 50;
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(std::vector<double>(100));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "calls"), {2, 1, 64}, din, dout, 100), CUDA_SUCCESS);
  auto out = gpu.download<double>(dout, 100);
  for (int i = 0; i < 100; ++i) {
    int power = 1;
    for (int k = 0; k < i % 4; ++k) power *= in[static_cast<std::size_t>(i)];
    EXPECT_EQ(out[static_cast<std::size_t>(i)], power + i + power * 0.5) << i;
  }
}

TEST(Control, ArraysInLocalMemory) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  std::vector<int> in(50 * 8);
  std::mt19937 generator(2);
  for (int& value : in) value = static_cast<int>(generator() % 1000) - 500;
  auto want = in;
  for (std::size_t i = 0; i < in.size(); i += 8) {
    std::sort(want.begin() + static_cast<std::ptrdiff_t>(i),
              want.begin() + static_cast<std::ptrdiff_t>(i + 8));
  }
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(in);
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "localSort"), {1, 1, 64}, din, dout, 50),
            CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<int>(dout, in.size()), want);
}

TEST(Control, VectorLoadsAndStores) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  std::vector<float> in(40 * 4);
  std::vector<int> ins(40 * 2);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
  for (std::size_t i = 0; i < ins.size(); ++i) ins[i] = static_cast<int>(i) * 3;
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(in), dins = gpu.upload(ins),
              douts = gpu.upload(ins);
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "vectors"), {2, 1, 32}, din, dout, dins, douts, 40),
            CUDA_SUCCESS);
  auto out = gpu.download<float>(dout, in.size());
  auto outs = gpu.download<int>(douts, ins.size());
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(out[i * 4], in[i * 4 + 3]);
    EXPECT_EQ(out[i * 4 + 3], in[i * 4] + 1);
    EXPECT_EQ(outs[i * 2], ins[i * 2 + 1]);
    EXPECT_EQ(outs[i * 2 + 1], -ins[i * 2]);
  }
}

struct Options {
  int scale;
  short shift;
  float weights[3];
  CUdeviceptr counter;
};

TEST(Control, AStructureByValue) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  std::vector<float> in(60, 2.0f);
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(in);
  CUdeviceptr counter = gpu.upload(std::vector<long long>{0});
  Options options{3, -7, {1.0f, 0.5f, 0.25f}, counter};
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "structured"), {1, 1, 64}, options, din, dout, 60),
            CUDA_SUCCESS);
  auto out = gpu.download<float>(dout, in.size());
  for (std::size_t i = 0; i < in.size(); ++i) EXPECT_EQ(out[i], 6 * options.weights[i % 3] - 7);
  EXPECT_EQ(gpu.download<long long>(counter, 1)[0], 60);
}

TEST(Control, GlobalVariablesOfAModuleHaveInitialValuesAndAddresses) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "globals"), {1, 1, 64}), CUDA_SUCCESS);
  CUdeviceptr counters = 0;
  std::size_t size = 0;
  ASSERT_EQ(gpu.driver().moduleGetGlobal(&counters, &size, module.get(), "counters"), CUDA_SUCCESS);
  EXPECT_EQ(size, 16u);
  EXPECT_EQ(gpu.download<int>(counters, 4), (std::vector<int>{63, 26, 36, 46}));
  EXPECT_EQ(gpu.driver().moduleGetGlobal(&counters, &size, module.get(), "nobody"),
            CUDA_ERROR_NOT_FOUND);
}

TEST(Control, ALockHeldByOneLaneIsReleasedAlthoughOthersSpin) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  CUdeviceptr sum = gpu.upload(std::vector<int>{0});
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "locked"), {4, 1, 48}, sum), CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<int>(sum, 1)[0], 4 * 48);
}

TEST(Control, Switches) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  std::vector<int> in(200), want(200);
  for (int i = 0; i < 200; ++i) {
    int x = in[static_cast<std::size_t>(i)] = i * 37;
    unsigned reversed = 0;
    for (unsigned k = 0; k < 32; ++k) reversed |= ((static_cast<unsigned>(x) >> k) & 1) << (31 - k);
    int cases[7] = {x * 3,
                    x ^ 0x55,
                    x / 5,
                    x % 11,
                    static_cast<int>(reversed),
                    std::countl_zero(static_cast<unsigned>(x)),
                    -x};
    want[static_cast<std::size_t>(i)] = cases[x % 7];
  }
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(in);
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "switches"), {2, 1, 128}, din, dout, 200),
            CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<int>(dout, 200), want);
}

}  // namespace
}  // namespace alnilam::gpu
