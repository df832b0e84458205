// Kernels over matrices (testdata/planar.cu), against plain C++.

#include "gpu/emulator/emulator_fixture_test.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

namespace alnilam::gpu {
namespace {

std::vector<float> smallWholeNumbers(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(static_cast<int>(generator() % 21) - 10);
  return values;
}

TEST(Planar, TiledMatrixProduct) {
  Emulated gpu;
  Module module = gpu.loadFile("planar.ptx");
  struct Size {
    int m, n, k;
  };
  for (auto [m, n, k] : {Size{16, 16, 16}, Size{33, 47, 20}, Size{1, 5, 100}, Size{64, 64, 65}}) {
    SCOPED_TRACE(testing::Message() << m << "x" << n << "x" << k);
    auto a = smallWholeNumbers(static_cast<std::size_t>(m * k), 1);
    auto b = smallWholeNumbers(static_cast<std::size_t>(k * n), 2);
    CUdeviceptr da = gpu.upload(a), db = gpu.upload(b);
    CUdeviceptr dc = gpu.upload(std::vector<float>(static_cast<std::size_t>(m * n)));
    Shape shape{static_cast<unsigned>(n + 15) / 16, static_cast<unsigned>(m + 15) / 16, 16, 16};
    ASSERT_EQ(run(gpu.driver(), gpu.find(module, "gemm"), shape, da, db, dc, m, n, k),
              CUDA_SUCCESS);
    auto c = gpu.download<float>(dc, static_cast<std::size_t>(m * n));
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) {
        float want = 0;
        for (int l = 0; l < k; ++l)
          want += a[static_cast<std::size_t>(i * k + l)] * b[static_cast<std::size_t>(l * n + j)];
        ASSERT_EQ(c[static_cast<std::size_t>(i * n + j)], want) << i << "," << j;
      }
    }
  }
}

TEST(Planar, TransposeThroughSharedMemory) {
  Emulated gpu;
  Module module = gpu.loadFile("planar.ptx");
  for (auto [height, width] : {std::pair{32, 32}, std::pair{70, 45}, std::pair{1, 100}}) {
    std::vector<float> in(static_cast<std::size_t>(height * width));
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
    CUdeviceptr din = gpu.upload(in), dout = gpu.upload(in);
    Shape shape{static_cast<unsigned>(width + 31) / 32, static_cast<unsigned>(height + 31) / 32, 32,
                8};
    ASSERT_EQ(run(gpu.driver(), gpu.find(module, "transpose"), shape, din, dout, height, width),
              CUDA_SUCCESS);
    auto out = gpu.download<float>(dout, in.size());
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        ASSERT_EQ(out[static_cast<std::size_t>(x * height + y)],
                  in[static_cast<std::size_t>(y * width + x)]);
      }
    }
  }
}

TEST(Planar, StencilWithWeightsInConstantMemory) {
  Emulated gpu;
  Module module = gpu.loadFile("planar.ptx");
  const int height = 37, width = 53;
  auto in = smallWholeNumbers(height * width, 3);
  CUdeviceptr din = gpu.upload(in), dout = gpu.upload(in);
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "stencil"), {4, 5, 16, 8}, din, dout, height, width),
            CUDA_SUCCESS);
  auto out = gpu.download<float>(dout, in.size());
  const float weights[9] = {1, 2, 1, 2, 4, 2, 1, 2, 1};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      float want = 0;
      for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
          int sy = std::clamp(y + dy, 0, height - 1), sx = std::clamp(x + dx, 0, width - 1);
          want += weights[(dy + 1) * 3 + dx + 1] * in[static_cast<std::size_t>(sy * width + sx)];
        }
      }
      ASSERT_EQ(out[static_cast<std::size_t>(y * width + x)], want / 16) << y << "," << x;
    }
  }
}

TEST(Planar, SignatureComparison) {
  Emulated gpu;
  Module module = gpu.loadFile("planar.ptx");
  const int left = 19, right = 70, values = 128;
  std::mt19937 generator(4);
  std::vector<unsigned> a(left * values), b(right * values);
  for (auto& value : a) value = generator() % 4;
  for (auto& value : b) value = generator() % 4;
  CUdeviceptr da = gpu.upload(a), db = gpu.upload(b);
  CUdeviceptr equal = gpu.upload(std::vector<unsigned short>(left * right));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "signatureEqual"), {3, 3, 32, 8}, da, db, equal,
                left, right, values),
            CUDA_SUCCESS);
  auto got = gpu.download<unsigned short>(equal, left * right);
  for (int l = 0; l < left; ++l) {
    for (int r = 0; r < right; ++r) {
      unsigned short want = 0;
      for (int i = 0; i < values; ++i)
        want += a[static_cast<std::size_t>(l * values + i)] ==
                b[static_cast<std::size_t>(r * values + i)];
      ASSERT_EQ(got[static_cast<std::size_t>(l * right + r)], want) << l << "," << r;
    }
  }
}

TEST(Planar, HammingDistanceByPopulationCount) {
  Emulated gpu;
  Module module = gpu.loadFile("planar.ptx");
  const int left = 9, right = 33, words = 5;
  std::mt19937_64 generator(5);
  std::vector<unsigned long long> a(left * words), b(right * words);
  for (auto& value : a) value = generator();
  for (auto& value : b) value = generator();
  CUdeviceptr da = gpu.upload(a), db = gpu.upload(b);
  CUdeviceptr bits = gpu.upload(std::vector<int>(left * right));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "hamming"), {2, 3, 32, 4}, da, db, bits, left, right,
                words),
            CUDA_SUCCESS);
  auto got = gpu.download<int>(bits, left * right);
  for (int l = 0; l < left; ++l) {
    for (int r = 0; r < right; ++r) {
      int want = 0;
      for (int i = 0; i < words; ++i)
        want += std::popcount(a[static_cast<std::size_t>(l * words + i)] ^
                              b[static_cast<std::size_t>(r * words + i)]);
      ASSERT_EQ(got[static_cast<std::size_t>(l * right + r)], want);
    }
  }
}

}  // namespace
}  // namespace alnilam::gpu
