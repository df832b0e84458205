// cuBLAS on a task's stream of a real device.

#include "tests/gpu/real_gpu.h"

#include <cublas_v2.h>

#include <gtest/gtest.h>

#include <vector>

namespace alnilam::gpu {
namespace {

TEST_F(RealGpu, CublasMultipliesBehindTheTasksCopies) {
  constexpr int kN = 96;
  std::vector<float> a(kN * kN), b(kN * kN), c(kN * kN), want(kN * kN);
  for (int i = 0; i < kN * kN; ++i) {  // small and whole, so that every sum is exact
    a[i] = static_cast<float>(i * 7 % 9 - 4);
    b[i] = static_cast<float>(i * 5 % 7 - 3);
  }
  for (int column = 0; column < kN; ++column) {
    for (int k = 0; k < kN; ++k) {
      for (int row = 0; row < kN; ++row) {
        want[column * kN + row] += a[k * kN + row] * b[column * kN + k];
      }
    }
  }
  cublasHandle_t handle = nullptr;
  ASSERT_EQ(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasSetStream(handle, gpu().stream()), CUBLAS_STATUS_SUCCESS);

  auto left = gpu().copyToDevice(a);
  auto right = gpu().copyToDevice(b);
  auto result = gpu().allocate<float>(c.size());
  const float one = 1, zero = 0;
  ASSERT_EQ(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, kN, kN, kN, &one, left.data(), kN,
                        right.data(), kN, &zero, result.data(), kN),
            CUBLAS_STATUS_SUCCESS);

  EXPECT_EQ(valuesOf(result), want);  // columns after columns, as cuBLAS has it
  EXPECT_EQ(cublasDestroy(handle), CUBLAS_STATUS_SUCCESS);
}

}  // namespace
}  // namespace alnilam::gpu
