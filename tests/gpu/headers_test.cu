// The public headers as nvcc compiles them, and a graph of CPU tasks made of what it made.

#include <alnilam/alnilam.h>

#include <cuda_runtime.h>

#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <vector>

namespace {

struct Sample {
  int id;
  double value;
};

std::vector<Sample> samples(int n) {
  std::vector<Sample> all;
  for (int i = 0; i < n; ++i) all.push_back({i, i * 0.5});
  return all;
}

double total(alnilam::View<const Sample> all) {
  double sum = 0;
  for (const Sample& one : all) sum += one.value;
  return sum;
}

std::string join(const std::vector<double>& parts, const std::string& between) {
  std::string text;
  for (double part : parts) text += (text.empty() ? "" : between) + std::to_string(int(part));
  return text;
}

__global__ void setAll(float* values, unsigned count, float to) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) values[i] = to;
}

// Not run here: that it compiles is what is wanted of it.
alnilam::gpu::Array<float> filled(alnilam::gpu::Context& gpu, unsigned count, float to) {
  auto values = gpu.allocate<float>(count);
  setAll<<<alnilam::gpu::blocksFor(count, 256), 256, 0, gpu.stream()>>>(values.data(), count, to);
  return values;
}

ALNILAM_TASK(samples);
ALNILAM_TASK(total);
ALNILAM_TASK(join);
ALNILAM_TASK(filled);

static_assert(std::is_convertible_v<alnilam::gpu::TaskStream, cudaStream_t>,
              "a task's stream is a cudaStream_t");

TEST(NvccHeaders, TasksThatNvccCompiledRun) {
  char name[] = "headers_test";
  char* arguments[] = {name, nullptr};
  alnilam::Cluster cluster = alnilam::connect(1, arguments);
  std::vector<alnilam::Ref<double>> totals;
  for (int n : {3, 5, 9}) totals.push_back(cluster.submit(total, cluster.submit(samples, n)));
  EXPECT_EQ(cluster.get(cluster.submit(join, totals, " and ")), "1 and 5 and 18");
}

TEST(NvccHeaders, AGpuTaskWithoutAGpuIsRefusedAsEverywhere) {
  char name[] = "headers_test";
  char* arguments[] = {name, nullptr};
  alnilam::Cluster cluster = alnilam::connect(1, arguments);
  auto result = cluster.submit({.gpus = 1000}, filled, 10u, 1.f);
  EXPECT_THROW(cluster.get(result), alnilam::InfeasibleError);
}

}  // namespace
