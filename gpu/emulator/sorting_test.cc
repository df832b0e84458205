// Scans over blocks, radix and bitonic sorts, histograms (testdata/sorting.cu), against plain C++.

#include "gpu/emulator/emulator_fixture_test.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace alnilam::gpu {
namespace {

std::vector<unsigned> randomWords(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<unsigned> values(count);
  for (unsigned& value : values) value = generator();
  return values;
}

TEST(Sorting, AScanWhoseBlocksWaitForTheOneBefore) {
  Emulated gpu;
  Module module = gpu.loadFile("sorting.ptx");
  for (std::size_t n : {1u, 127u, 128u, 20'001u}) {
    auto in = randomWords(n, 1);
    for (unsigned& value : in) value %= 1000;
    unsigned blocks = static_cast<unsigned>((n + 127) / 128);
    CUdeviceptr din = gpu.upload(in), out = gpu.upload(in);
    CUdeviceptr sums = gpu.upload(std::vector<unsigned>(blocks));
    ASSERT_EQ(run(gpu.driver(), gpu.find(module, "scanChained"), {blocks, 1, 128, 1, 512}, din, out,
                  sums, static_cast<int>(n)),
              CUDA_SUCCESS);
    std::vector<unsigned> want(n);
    std::partial_sum(in.begin(), in.end(), want.begin());
    EXPECT_EQ(gpu.download<unsigned>(out, n), want) << n;
  }
}

// Eight passes of four bits over keys with values, the counts scanned on the device as well.
TEST(Sorting, RadixSortOfKeysWithValuesIsStable) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  Module module = gpu.loadFile("sorting.ptx");
  CUfunction count = gpu.find(module, "radixCount"), scan = gpu.find(module, "scanChained"),
             scatter = gpu.find(module, "radixScatter");
  for (std::size_t n : {1u, 32u, 130u, 5'003u}) {
    SCOPED_TRACE(n);
    auto keys = randomWords(n, 2);
    for (std::size_t i = 0; i < n; i += 3) keys[i] %= 5;  // many that are equal
    std::vector<unsigned> values(n);
    std::iota(values.begin(), values.end(), 0);
    unsigned blocks = static_cast<unsigned>((n + 127) / 128), counters = 16 * blocks;
    CUdeviceptr ka = gpu.upload(keys), va = gpu.upload(values), kb = gpu.upload(keys),
                vb = gpu.upload(values);
    CUdeviceptr counts = gpu.upload(std::vector<unsigned>(counters));
    // Exclusive sums are inclusive ones shifted by one: the word before them is 0.
    CUdeviceptr starts = gpu.upload(std::vector<unsigned>(counters + 1));
    unsigned scanBlocks = (counters + 127) / 128;
    CUdeviceptr sums = gpu.upload(std::vector<unsigned>(scanBlocks));
    for (int shift = 0; shift < 32; shift += 4) {
      driver.memsetD32Async(sums, 0, scanBlocks, nullptr);
      enqueue(driver, count, {blocks, 1, 128}, nullptr, ka, counts, static_cast<int>(n), shift);
      enqueue(driver, scan, {scanBlocks, 1, 128, 1, 512}, nullptr, counts, starts + 4, sums,
              static_cast<int>(counters));
      ASSERT_EQ(run(driver, scatter, {blocks, 1, 128}, ka, va, starts, kb, vb, static_cast<int>(n),
                    shift),
                CUDA_SUCCESS)
          << gpu.said();
      std::swap(ka, kb);
      std::swap(va, vb);
    }
    std::stable_sort(values.begin(), values.end(),
                     [&](unsigned a, unsigned b) { return keys[a] < keys[b]; });
    EXPECT_EQ(gpu.download<unsigned>(va, n), values);
    std::sort(keys.begin(), keys.end());
    EXPECT_EQ(gpu.download<unsigned>(ka, n), keys);
  }
}

TEST(Sorting, BitonicSortOfBlocksInSharedMemory) {
  Emulated gpu;
  Module module = gpu.loadFile("sorting.ptx");
  for (unsigned block : {32u, 256u, 1024u}) {
    std::vector<float> values;
    for (unsigned word : randomWords(3 * block, 3)) {
      values.push_back(static_cast<float>(word % 1000) - 500);
    }
    CUdeviceptr at = gpu.upload(values);
    ASSERT_EQ(run(gpu.driver(), gpu.find(module, "bitonicSort"), {3, 1, block, 1, block * 4}, at),
              CUDA_SUCCESS);
    for (auto first = values.begin(); first != values.end(); first += block) {
      std::sort(first, first + block);
    }
    EXPECT_EQ(gpu.download<float>(at, values.size()), values) << block;
  }
}

TEST(Sorting, HistogramWithAtomicsInGlobalMemory) {
  Emulated gpu;
  Module module = gpu.loadFile("sorting.ptx");
  std::vector<unsigned char> in;
  std::vector<unsigned long long> want(256);
  for (unsigned word : randomWords(10'000, 4)) {
    in.push_back(static_cast<unsigned char>(word % 7 * (word % 3)));
    ++want[in.back()];
  }
  CUdeviceptr din = gpu.upload(in), bins = gpu.upload(std::vector<unsigned long long>(256));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "histogramGlobal"), {5, 1, 96}, din, bins, 10'000),
            CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<unsigned long long>(bins, 256), want);
}

TEST(Sorting, DynamicSharedMemoryBeyond48KiBIsForWhoAsks) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  Module module = gpu.loadFile("sorting.ptx");
  CUfunction wide = gpu.find(module, "histogramWide");
  constexpr int kBins = 15'000;
  std::vector<unsigned short> in;
  std::vector<unsigned> want(kBins);
  for (unsigned word : randomWords(30'000, 5)) {
    in.push_back(static_cast<unsigned short>(word));
    ++want[in.back() % kBins];
  }
  CUdeviceptr din = gpu.upload(in), bins = gpu.upload(std::vector<unsigned>(kBins));
  Shape shape{1, 1, 256, 1, kBins * 4};
  EXPECT_EQ(run(driver, wide, shape, din, bins, kBins, 30'000), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(
      driver.funcSetAttribute(wide, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, kBins * 4),
      CUDA_SUCCESS);
  ASSERT_EQ(run(driver, wide, shape, din, bins, kBins, 30'000), CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<unsigned>(bins, kBins), want);
}

}  // namespace
}  // namespace alnilam::gpu
