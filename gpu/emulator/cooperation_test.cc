// Barriers of every kind, matches, reductions of warps, atomics, half precision
// (testdata/cooperation.cu), against plain C++.

#include "gpu/emulator/emulator_fixture_test.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <random>

namespace alnilam::gpu {
namespace {

std::vector<int> smallInts(std::size_t count, int below, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<int> values(count);
  for (int& value : values) value = static_cast<int>(generator() % static_cast<unsigned>(below));
  return values;
}

TEST(Cooperation, ProducersAndConsumersTakeTurnsAtNamedBarriers) {
  Emulated gpu;
  Module module = gpu.loadFile("cooperation.ptx");
  auto in = smallInts(20 * 32, 1000, 1);
  CUdeviceptr din = gpu.upload(in), out = gpu.upload(std::vector<int>(in.size()));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "pipeline"), {1, 1, 64}, din, out, 20), CUDA_SUCCESS)
      << gpu.said();
  auto got = gpu.download<int>(out, in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    EXPECT_EQ(got[i], in[i / 32 * 32 + 31 - i % 32] * 3) << i;
  }
}

TEST(Cooperation, GroupsWaitForThemselvesOnly) {
  Emulated gpu;
  Module module = gpu.loadFile("cooperation.ptx");
  CUdeviceptr out = gpu.upload(std::vector<int>(256));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "partial"), {1, 1, 256}, out), CUDA_SUCCESS)
      << gpu.said();
  auto got = gpu.download<int>(out, 256);
  for (int i = 0; i < 256; ++i) {
    int group = 7 - i / 32;
    EXPECT_EQ(got[static_cast<std::size_t>(i)], group * (group + 1));
  }
}

TEST(Cooperation, BarriersCountAndCombinePredicates) {
  Emulated gpu;
  Module module = gpu.loadFile("cooperation.ptx");
  auto in = smallInts(4 * 100, 100, 2);
  for (int i = 0; i < 100; ++i) in[static_cast<std::size_t>(i)] = 50;
  for (int i = 100; i < 200; ++i) in[static_cast<std::size_t>(i)] = 99;
  CUdeviceptr din = gpu.upload(in), out = gpu.upload(std::vector<int>(12));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "barrierReductions"), {4, 1, 100}, din, out),
            CUDA_SUCCESS);
  std::vector<int> want;
  for (auto block = in.begin(); block != in.end(); block += 100) {
    auto most = [](int bound) { return [bound](int x) { return x > bound; }; };
    want.push_back(static_cast<int>(std::count_if(block, block + 100, most(10))));
    want.push_back(std::all_of(block, block + 100, most(0)));
    want.push_back(std::any_of(block, block + 100, most(90)));
  }
  EXPECT_EQ(gpu.download<int>(out, 12), want);
}

TEST(Cooperation, LanesFindWhoHoldsTheSame) {
  Emulated gpu;
  Module module = gpu.loadFile("cooperation.ptx");
  auto in = smallInts(96, 5, 3);
  for (std::size_t i = 32; i < 64; ++i) in[i] += i == 40 ? 700 : 0;  // one lane of warp 1 differs
  std::vector<long long> wide;
  for (int value : in) wide.push_back(static_cast<long long>(value % 3) << 40);
  CUdeviceptr din = gpu.upload(in), dwide = gpu.upload(wide);
  CUdeviceptr out = gpu.upload(std::vector<unsigned>(96 * 4));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "matches"), {1, 1, 96}, din, dwide, out),
            CUDA_SUCCESS);
  auto got = gpu.download<unsigned>(out, 96 * 4);
  for (std::size_t i = 0; i < 96; ++i) {
    SCOPED_TRACE(i);
    unsigned same = 0, sameWide = 0;
    for (std::size_t lane = 0; lane < 32; ++lane) {
      std::size_t other = i / 32 * 32 + lane;
      same |= (in[other] == in[i] ? 1u : 0u) << lane;
      sameWide |= (wide[other] == wide[i] ? 1u : 0u) << lane;
    }
    bool agree = i / 32 != 1;
    EXPECT_EQ(got[i * 4], same);
    EXPECT_EQ(got[i * 4 + 1], sameWide);
    EXPECT_EQ(got[i * 4 + 2], agree ? ~0u : 0u);
    EXPECT_EQ(got[i * 4 + 3], i % 2 == 0 ? same & 0x55555555u : agree ? 1u : 0u);
  }
}

TEST(Cooperation, ReductionsOfWarps) {
  Emulated gpu;
  Module module = gpu.loadFile("cooperation.ptx");
  std::mt19937 generator(4);
  std::vector<unsigned> in(128);
  for (unsigned& value : in) value = generator();
  CUdeviceptr din = gpu.upload(in), out = gpu.upload(std::vector<unsigned>(128 * 6));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "warpReductions"), {2, 1, 64}, din, out),
            CUDA_SUCCESS);
  auto got = gpu.download<unsigned>(out, 128 * 6);
  for (std::size_t warp = 0; warp < 4; ++warp) {
    unsigned add = 0, least = ~0u, every = ~0u, some = 0, odd = 0;
    int most = INT_MIN;
    for (std::size_t i = warp * 32; i < warp * 32 + 32; ++i) {
      add += in[i];
      least = std::min(least, in[i]);
      most = std::max(most, static_cast<int>(in[i]));
      every &= in[i];
      some |= in[i];
      odd ^= in[i];
    }
    std::vector<unsigned> want{add, least, static_cast<unsigned>(most), every, some, odd};
    for (std::size_t i = warp * 32; i < warp * 32 + 32; ++i) {
      EXPECT_EQ(std::vector<unsigned>(got.begin() + static_cast<std::ptrdiff_t>(i * 6),
                                      got.begin() + static_cast<std::ptrdiff_t>(i * 6 + 6)),
                want);
    }
  }
}

TEST(Cooperation, AtomicsOfEveryKindByAllThreadsAtOnce) {
  Emulated gpu;
  Module module = gpu.loadFile("cooperation.ptx");
  constexpr int kThreads = 16 * 96;
  CUdeviceptr s = gpu.upload(std::vector<int>{0, 0, 5, 5, 0});
  CUdeviceptr u = gpu.upload(std::vector<unsigned>{~0u, 0, 0, 0, 50, 0});
  CUdeviceptr l = gpu.upload(std::vector<unsigned long long>(3));
  CUdeviceptr f = gpu.upload(std::vector<float>{1}), d = gpu.upload(std::vector<double>{1});
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "atomics"), {16, 1, 96}, s, u, l, f, d),
            CUDA_SUCCESS)
      << gpu.said();
  int sum = kThreads * (kThreads - 1) / 2;
  unsigned mixed = 0, wrapped = 50;
  for (unsigned i = 0; i < kThreads; ++i) {
    mixed ^= i * 2654435761u;
    wrapped = wrapped == 0 || wrapped > 99 ? 99 : wrapped - 1;
  }
  EXPECT_EQ(gpu.download<int>(s, 5),
            (std::vector<int>{sum, -sum, 1 - kThreads, kThreads - 1, sum}));
  EXPECT_EQ(gpu.download<unsigned>(u, 6),
            (std::vector<unsigned>{1u << 31, (1u << 30) - 1, mixed, kThreads % 100, wrapped, 7}));
  EXPECT_EQ(gpu.download<unsigned long long>(l, 3),
            (std::vector<unsigned long long>{static_cast<unsigned long long>(sum) << 20,
                                             (kThreads - 1ull) << 33, 3ull * kThreads}));
  EXPECT_EQ(gpu.download<float>(f, 1)[0], 1 + kThreads * 0.5f);
  EXPECT_EQ(gpu.download<double>(d, 1)[0], 1 + kThreads * 0.25);
}

// Half precision: bits to a value, and a value to the nearest bits, ties to even.
float fromHalf(unsigned short bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double value = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  return static_cast<float>(bits & 0x8000 ? -value : value);
}
unsigned short toHalf(double value) {
  unsigned short best = 0;
  for (unsigned bits = 0; bits < 0x7c00; ++bits) {
    double now = std::fabs(fromHalf(static_cast<unsigned short>(bits)) - std::fabs(value));
    double held = std::fabs(fromHalf(best) - std::fabs(value));
    if (now < held || (now == held && bits % 2 == 0)) best = static_cast<unsigned short>(bits);
  }
  return static_cast<unsigned short>(best | (std::signbit(value) ? 0x8000 : 0));
}

TEST(Cooperation, HalfPrecisionIsRoundedToNearest) {
  Emulated gpu;
  Module module = gpu.loadFile("cooperation.ptx");
  std::mt19937 generator(5);
  std::vector<unsigned short> in(99);
  for (auto& bits : in) {
    bits = static_cast<unsigned short>(generator() % 0x5000 | (generator() & 1) << 15);
  }
  CUdeviceptr din = gpu.upload(in), out = gpu.upload(std::vector<unsigned short>(99 * 8));
  CUdeviceptr ints = gpu.upload(std::vector<int>(99));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "halfOps"), {1, 1, 128}, din, out, ints, 99),
            CUDA_SUCCESS)
      << gpu.said();
  auto got = gpu.download<unsigned short>(out, 99 * 8);
  auto whole = gpu.download<int>(ints, 99);
  for (std::size_t i = 0; i < 99; ++i) {
    SCOPED_TRACE(i);
    unsigned short x = in[i], y = in[(i + 1) % 99];
    double a = fromHalf(x), b = fromHalf(y);
    const unsigned short* o = &got[i * 8];
    EXPECT_EQ(o[0], toHalf(a + b));
    EXPECT_EQ(o[1], toHalf(a - b));
    EXPECT_EQ(o[2], toHalf(a * b));
    EXPECT_EQ(o[3], x ^ 0x8000);
    EXPECT_EQ(o[4], x & 0x7fff);
    EXPECT_EQ(o[5], a < b ? x : y);
    EXPECT_EQ(o[6], toHalf(a * 0.5));
    EXPECT_EQ(o[7], toHalf(static_cast<double>(i)));
    EXPECT_EQ(whole[i], static_cast<int>(std::trunc(a)));
  }
}

TEST(Cooperation, SaxpyInHalfPrecisionTwoAtATime) {
  Emulated gpu;
  Module module = gpu.loadFile("cooperation.ptx");
  std::vector<unsigned short> x, y;
  for (int i = 0; i < 33; ++i) {
    x.push_back(toHalf(i * 0.25));
    y.push_back(toHalf(100 - i));
  }
  CUdeviceptr dx = gpu.upload(x), dy = gpu.upload(y);
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "saxpyHalf"), {1, 1, 32}, 1.5f, dx, dy, 33),
            CUDA_SUCCESS)
      << gpu.said();
  auto got = gpu.download<unsigned short>(dy, 33);
  for (std::size_t i = 0; i < 33; ++i) {
    double scale = i % 2 == 0 ? 1.5 : 3;
    EXPECT_EQ(got[i], toHalf(scale * fromHalf(x[i]) + fromHalf(y[i]))) << i;
  }
}

TEST(Cooperation, ConversionsFlushSubnormalNumbersToZerosOfTheirSign) {
  Emulated gpu;
  Module module = gpu.loadFile("cooperation.ptx");
  std::vector<float> in{1.5f, -2.5f, 1e-40f, -1e-40f, 0.0f, -0.0f};
  std::vector<double> wide{1.5, -2.5, 1e-40, -1e-40, 0.0, -0.0};
  std::vector<float> want{1.5f, -2.5f, 0.0f, -0.0f, 0.0f, -0.0f};
  CUdeviceptr din = gpu.upload(in), dwide = gpu.upload(wide), out = gpu.upload(in),
              outWide = gpu.upload(wide), ints = gpu.upload(std::vector<int>(6));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "flushes"), {1, 1, 32}, din, dwide, out, outWide,
                ints, 6),
            CUDA_SUCCESS)
      << gpu.said();
  auto got = gpu.download<float>(out, 6);
  auto gotWide = gpu.download<double>(outWide, 6);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(got[i], want[i]);
    EXPECT_EQ(std::signbit(got[i]), std::signbit(want[i])) << i;
    EXPECT_EQ(gotWide[i], want[i]);
    EXPECT_EQ(std::signbit(gotWide[i]), std::signbit(want[i])) << i;
  }
  EXPECT_EQ(gpu.download<int>(ints, 6), (std::vector<int>{2, -2, 0, 0, 0, 0}));
}

TEST(Cooperation, BlocksAndGridsHaveThreeDimensions) {
  Emulated gpu;
  Module module = gpu.loadFile("cooperation.ptx");
  int width = 13, height = 7, depth = 5;
  std::size_t count = 13 * 7 * 5;
  CUdeviceptr out = gpu.upload(std::vector<int>(count));
  void* parameters[] = {&out, &width, &height, &depth};
  ASSERT_EQ(gpu.driver().launchKernel(gpu.find(module, "threeDimensional"), 4, 3, 2, 4, 3, 3, 0,
                                      nullptr, parameters, nullptr),
            CUDA_SUCCESS);
  auto got = gpu.download<int>(out, count);
  for (int i = 0; i < static_cast<int>(count); ++i) {
    EXPECT_EQ(got[static_cast<std::size_t>(i)], i % 13 + 100 * (i / 13 % 7) + 10000 * (i / 91));
  }
}

}  // namespace
}  // namespace alnilam::gpu
