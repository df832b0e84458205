// y = a x + y, on a GPU where there is one: the first kernel.

#include "saxpy.ptx.h"

#include <alnilam/alnilam.h>

#include <iostream>
#include <vector>

namespace gpu = alnilam::gpu;
using namespace alnilam::literals;

const gpu::Kernel<void(unsigned n, float a, const float* x, float* y)> kSaxpy{
    alnilam_kernels::saxpy_ptx, "saxpy"};

gpu::Array<float> saxpyOnGpu(gpu::Context& gpu, float a, gpu::View<const float> x,
                             gpu::View<const float> y) {
  auto result = gpu.copyHere(y, gpu);  // an input never changes
  kSaxpy({gpu::blocksFor(x.size(), 256)}, {256})(gpu, x.size(), a, x, result);
  return result;  // enqueued, not finished: the runtime waits for it
}

std::vector<float> saxpyOnCpu(float a, alnilam::View<const float> x, alnilam::View<const float> y) {
  auto result = y.copy();
  for (std::size_t i = 0; i < x.size(); ++i) result[i] += a * x[i];
  return result;
}

ALNILAM_TASK(saxpyOnGpu);
ALNILAM_TASK(saxpyOnCpu);

int main(int argc, char** argv) try {
  alnilam::Cluster cluster = alnilam::connect(argc, argv);
  std::vector<float> x(100'000, 3), y(100'000, 1), result;
  try {
    alnilam::Options onGpu{.gpus = 0.25, .gpuMemory = 16_MiB};
    result = cluster.get(cluster.submit(onGpu, saxpyOnGpu, 2.f, x, y));
  } catch (const alnilam::InfeasibleError&) {  // no GPU anywhere
    result = cluster.get(cluster.submit(saxpyOnCpu, 2.f, x, y));
  }
  std::cout << "2 * 3 + 1 = " << result.front() << ", " << result.size() << " times\n";
  for (const auto& row : cluster.usage()) {
    if (row.tasks > 0) std::cout << "on " << row.device << '\n';
  }
} catch (const std::exception& error) {
  std::cerr << "saxpy: " << error.what() << '\n';
  return 1;
}
