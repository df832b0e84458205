// Kernels launched by <<<>>>, the runtime's copies and Thrust, on a task's stream of a real device.

#include "tests/gpu/real_gpu.h"

#include <cuda_runtime.h>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/reduce.h>
#include <thrust/sort.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace alnilam::gpu {
namespace {

__global__ void addTo(int* values, unsigned count, int amount) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) values[i] += amount;
}

constexpr unsigned kCount = 100'000;

TEST_F(RealGpu, AUsersKernelRunsInTheTasksOrder) {
  std::vector<int> values(kCount);
  std::iota(values.begin(), values.end(), 0);

  auto array = gpu().copyToDevice(values);
  addTo<<<blocksFor(kCount, 256), 256, 0, gpu().stream()>>>(array.data(), kCount, 7);
  ASSERT_EQ(cudaGetLastError(), cudaSuccess);
  auto copy = gpu().copyHere(array.view(), gpu());
  gpu().fill(array, 0);  // behind the copy

  for (int& value : values) value += 7;
  EXPECT_EQ(valuesOf(copy), values);
}

TEST_F(RealGpu, TheRuntimeSharesTheContextAndTheStream) {
  int device = -1;
  ASSERT_EQ(cudaGetDevice(&device), cudaSuccess);
  EXPECT_GE(device, 0);
  auto array = gpu().allocate<int>(kCount);
  ASSERT_EQ(cudaMemsetAsync(array.data(), 1, array.bytes(), gpu().stream()), cudaSuccess);
  EXPECT_EQ(valuesOf(array), std::vector<int>(kCount, 0x01010101));
  cudaPointerAttributes attributes{};
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, array.data()), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
  EXPECT_EQ(attributes.device, device);
}

TEST_F(RealGpu, ThrustSortsAndReducesOnTheTasksStream) {
  std::vector<unsigned> values(kCount);
  for (unsigned i = 0; i < kCount; ++i) values[i] = i * 2654435761u;
  auto array = gpu().copyToDevice(values);
  auto first = thrust::device_pointer_cast(array.data());
  auto policy = thrust::cuda::par.on(gpu().stream());

  thrust::sort(policy, first, first + kCount);
  unsigned sum = thrust::reduce(policy, first, first + kCount, 0u);

  std::sort(values.begin(), values.end());
  EXPECT_EQ(valuesOf(array), values);
  EXPECT_EQ(sum, std::accumulate(values.begin(), values.end(), 0u));
}

}  // namespace
}  // namespace alnilam::gpu
