// Kernels over one-dimensional data (testdata/linear.cu), against plain C++.

#include "gpu/emulator/emulator_fixture_test.h"

#include <cmath>
#include <numeric>
#include <random>

namespace alnilam::gpu {
namespace {

std::vector<float> randomFloats(std::size_t count, float low, float high, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(count);
  for (float& value : values) {
    value = low + (high - low) * static_cast<float>(generator() % 100'000) / 100'000.0f;
  }
  return values;
}
std::vector<int> randomInts(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<int> values(count);
  for (int& value : values) value = static_cast<int>(generator() % 2001) - 1000;
  return values;
}
unsigned blocksFor(std::size_t count, unsigned block) {
  return static_cast<unsigned>((count + block - 1) / block);
}

TEST(Linear, Saxpy) {
  Emulated gpu;
  Module module = gpu.loadFile("linear.ptx");
  for (int n : {1, 31, 32, 33, 1000, 4096}) {
    auto x = randomFloats(static_cast<std::size_t>(n), -5, 5, 1),
         y = randomFloats(x.size(), -5, 5, 2);
    CUdeviceptr dx = gpu.upload(x), dy = gpu.upload(y);
    ASSERT_EQ(run(gpu.driver(), gpu.find(module, "saxpy"), {blocksFor(x.size(), 128), 1, 128}, 2.5f,
                  dx, dy, n),
              CUDA_SUCCESS);
    auto got = gpu.download<float>(dy, y.size());
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(got[i], std::fma(2.5f, x[i], y[i])) << i;
  }
}

TEST(Linear, BlockReductionInSharedMemoryWithAtomics) {
  Emulated gpu;
  Module module = gpu.loadFile("linear.ptx");
  for (std::size_t n : {1u, 255u, 256u, 10'007u}) {
    auto in = randomInts(n, 3);
    CUdeviceptr din = gpu.upload(in), dout = gpu.upload(std::vector<int>{0});
    ASSERT_EQ(run(gpu.driver(), gpu.find(module, "blockSum"), {7, 1, 256, 1, 1024}, din, dout,
                  static_cast<int>(n)),
              CUDA_SUCCESS);
    EXPECT_EQ(gpu.download<int>(dout, 1)[0], std::accumulate(in.begin(), in.end(), 0)) << n;
  }
}

TEST(Linear, WarpShuffleReduction) {
  Emulated gpu;
  Module module = gpu.loadFile("linear.ptx");
  std::vector<float> in(5000);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i % 17);
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(std::vector<float>{0});
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "warpSum"), {3, 1, 192}, din, dout, 5000),
            CUDA_SUCCESS);
  // Small whole numbers: exact in any order.
  EXPECT_EQ(gpu.download<float>(dout, 1)[0], std::accumulate(in.begin(), in.end(), 0.0f));
}

TEST(Linear, InclusiveScanOfBlocks) {
  Emulated gpu;
  Module module = gpu.loadFile("linear.ptx");
  auto in = randomInts(1000, 4);
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(std::vector<int>(1000));
  CUdeviceptr totals = gpu.upload(std::vector<int>(4));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "scanBlock"), {4, 1, 256}, din, dout, totals, 1000),
            CUDA_SUCCESS);
  auto out = gpu.download<int>(dout, 1000), sums = gpu.download<int>(totals, 4);
  int sum = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    sum = i % 256 == 0 ? in[i] : sum + in[i];
    ASSERT_EQ(out[i], sum) << i;
    if (i % 256 == 255) { EXPECT_EQ(sums[i / 256], sum); }
  }
}

TEST(Linear, HistogramWithAtomicsInSharedMemory) {
  Emulated gpu;
  Module module = gpu.loadFile("linear.ptx");
  std::mt19937 generator(5);
  std::vector<unsigned char> in(20'000);
  std::vector<unsigned> want(256);
  for (auto& value : in) {
    value = static_cast<unsigned char>(generator() % 100 * (generator() % 3));
    ++want[value];
  }
  CUdeviceptr din = gpu.upload(in), bins = gpu.upload(std::vector<unsigned>(256));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "histogram"), {6, 1, 128}, din, bins, 20'000),
            CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<unsigned>(bins, 256), want);
}

TEST(Linear, GeluByTanhAndByErf) {
  Emulated gpu;
  Module module = gpu.loadFile("linear.ptx");
  auto in = randomFloats(777, -6, 6, 6);
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(in);
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "geluTanh"), {7, 1, 128}, din, dout, 777),
            CUDA_SUCCESS);
  auto byTanh = gpu.download<float>(dout, in.size());
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "geluErf"), {7, 1, 128}, din, dout, 777),
            CUDA_SUCCESS);
  auto byErf = gpu.download<float>(dout, in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    double x = in[i];
    EXPECT_NEAR(byTanh[i], 0.5 * x * (1 + std::tanh(0.7978845608 * (x + 0.044715 * x * x * x))),
                2e-6);
    EXPECT_NEAR(byErf[i], 0.5 * x * std::erfc(-x / std::sqrt(2.0)), 2e-6);
  }
}

TEST(Linear, MathFunctionsInFloat) {
  Emulated gpu;
  Module module = gpu.loadFile("linear.ptx");
  auto in = randomFloats(500, -20, 20, 7);
  in[0] = 0;
  in[1] = 100'000.0f;  // needs the long way of reducing an angle
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(std::vector<float>(in.size() * 16));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "mathFloat"), {4, 1, 128}, din, dout, 500),
            CUDA_SUCCESS);
  auto out = gpu.download<float>(dout, in.size() * 16);
  for (std::size_t i = 0; i < in.size(); ++i) {
    SCOPED_TRACE(in[i]);
    const float* o = &out[i * 16];
    double x = in[i], a = std::fabs(x);
    auto near = [](float got, double want, double ulps) {
      EXPECT_NEAR(got, want, std::fabs(want) * ulps * 6e-8 + 1e-30);
    };
    EXPECT_EQ(o[0], std::sqrt(std::fabs(in[i])));
    near(o[1], 1 / std::sqrt(a + 1), 4);
    if (a < 80) near(o[2], std::exp(x), 4);
    near(o[3], std::log(static_cast<double>(std::fabs(in[i]) + 1e-3f)), 40);
    EXPECT_NEAR(o[4], std::sin(x), 3e-7);
    EXPECT_NEAR(o[5], std::cos(x), 3e-7);
    near(o[6], std::pow(a + 0.5, 1.7f), 16);
    EXPECT_EQ(o[7], std::floor(in[i]));
    EXPECT_EQ(o[8], std::ceil(in[i]));
    EXPECT_EQ(o[9], std::nearbyint(in[i]));
    EXPECT_EQ(o[10], std::trunc(in[i]));
    EXPECT_EQ(o[11], std::fmod(in[i], 3.0f));
    EXPECT_EQ(o[12], in[i] / 3.0f);
    if (a < 80) near(o[13], std::exp(x), 64);
    if (a < 100) { EXPECT_NEAR(o[14], std::sin(x), 2e-6); }
    EXPECT_EQ(o[15], std::fmin(std::fmax(in[i], -1.0f), 1.0f));
  }
}

TEST(Linear, MathFunctionsInDouble) {
  Emulated gpu;
  Module module = gpu.loadFile("linear.ptx");
  std::vector<double> in;
  for (float value : randomFloats(300, -20, 20, 8)) in.push_back(value * 1.000000123);
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(std::vector<double>(in.size() * 8));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "mathDouble"), {3, 1, 128}, din, dout, 300),
            CUDA_SUCCESS);
  auto out = gpu.download<double>(dout, in.size() * 8);
  for (std::size_t i = 0; i < in.size(); ++i) {
    SCOPED_TRACE(in[i]);
    const double* o = &out[i * 8];
    double x = in[i], a = std::fabs(x);
    auto near = [](double got, double want) {
      EXPECT_NEAR(got, want, std::fabs(want) * 1e-14 + 1e-15);
    };
    EXPECT_EQ(o[0], std::sqrt(a));
    near(o[1], std::exp(x));
    near(o[2], std::log(a + 1e-3));
    near(o[3], std::sin(x));
    EXPECT_EQ(o[4], x / 3.0);
    EXPECT_EQ(o[5], std::floor(x));
    EXPECT_EQ(o[6], 1.0 / (a + 1.0));
    EXPECT_EQ(o[7], std::fma(x, x, 1.0));
  }
}

}  // namespace
}  // namespace alnilam::gpu
