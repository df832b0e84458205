// A pipeline of cuBLAS multiplications as GPU tasks, beside the same by bare CUDA calls.
//
//   gemm_pipeline   host to device, multiply, device to host; several at once, TFLOP/s
//   gemm_alone      many multiplications inside one task, TFLOP/s
//
// Needs a real device; without one it says so and measures nothing.

#include "gpu/device/device_host.h"
#include "tests/bench/figure.h"

#include <alnilam/alnilam.h>

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace gpu = alnilam::gpu;
using alnilam::bench::now;

constexpr int kSize = 4096;      // of square matrices
constexpr int kPipeline = 24;    // multiplications
constexpr int kAlone = 50;
constexpr std::size_t kElements = std::size_t{kSize} * kSize;
constexpr double kOperations = 2.0 * kSize * kSize * kSize;

void must(cudaError_t code) {
  if (code != cudaSuccess) throw std::runtime_error(cudaGetErrorString(code));
}
void must(cublasStatus_t code) {
  if (code != CUBLAS_STATUS_SUCCESS) throw std::runtime_error(cublasGetStatusString(code));
}

// A handle costs more than a multiplication, so a worker's thread keeps its own.
cublasHandle_t handleOn(cudaStream_t stream) {
  struct Kept {
    Kept() { must(cublasCreate(&handle)); }
    ~Kept() { static_cast<void>(cublasDestroy(handle)); }
    cublasHandle_t handle = nullptr;
  };
  thread_local Kept kept;
  must(cublasSetStream(kept.handle, stream));
  return kept.handle;
}

void multiplyOn(cudaStream_t stream, const float* a, const float* b, float* c) {
  const float one = 1, zero = 0;
  must(cublasSgemm(handleOn(stream), CUBLAS_OP_N, CUBLAS_OP_N, kSize, kSize, kSize, &one, a, kSize,
                   b, kSize, &zero, c, kSize));
}

gpu::Array<float> multiply(gpu::Context& device, gpu::View<const float> a,
                           gpu::View<const float> b) {
  auto c = device.allocate<float>(kElements);
  multiplyOn(device.stream(), a.data(), b.data(), c.data());
  return c;
}

double multiplyAlone(gpu::Context& device) {
  auto a = device.allocate<float>(kElements), b = device.allocate<float>(kElements),
       c = device.allocate<float>(kElements);
  device.fill(a, 0);
  device.fill(b, 0);
  multiplyOn(device.stream(), a.data(), b.data(), c.data());
  device.synchronize();
  double start = now();
  for (int i = 0; i < kAlone; ++i) multiplyOn(device.stream(), a.data(), b.data(), c.data());
  device.synchronize();
  return kAlone * kOperations / (now() - start) / 1e12;
}

ALNILAM_TASK(multiply);
ALNILAM_TASK(multiplyAlone);

// The same by hand: pinned memory and `lanes` streams with buffers of their own.
class Bare {
 public:
  explicit Bare(int lanes) : lanes_(static_cast<std::size_t>(lanes)) {
    must(cudaMallocHost(reinterpret_cast<void**>(&host_), 3 * kElements * sizeof(float)));
    std::fill_n(host_, 3 * kElements, 0.f);
    for (Lane& lane : lanes_) {
      must(cudaStreamCreateWithFlags(&lane.stream, cudaStreamNonBlocking));
      must(cudaMalloc(reinterpret_cast<void**>(&lane.device), 3 * kElements * sizeof(float)));
    }
  }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;
  ~Bare() {
    for (Lane& lane : lanes_) {
      static_cast<void>(cudaFree(lane.device));
      static_cast<void>(cudaStreamDestroy(lane.stream));
    }
    static_cast<void>(cudaFreeHost(host_));
  }

  double pipeline() {
    double start = now();
    for (int i = 0; i < kPipeline; ++i) {
      const Lane& lane = lanes_[static_cast<std::size_t>(i) % lanes_.size()];
      float *a = lane.device, *b = a + kElements, *c = b + kElements;
      must(cudaMemcpyAsync(a, host_, 2 * kElements * sizeof(float), cudaMemcpyHostToDevice,
                           lane.stream));
      multiplyOn(lane.stream, a, b, c);
      must(cudaMemcpyAsync(host_ + 2 * kElements, c, kElements * sizeof(float),
                           cudaMemcpyDeviceToHost, lane.stream));
    }
    must(cudaDeviceSynchronize());
    return kPipeline * kOperations / (now() - start) / 1e12;
  }
  double alone() {
    float *a = lanes_[0].device, *b = a + kElements, *c = b + kElements;
    double start = now();
    for (int i = 0; i < kAlone; ++i) multiplyOn(lanes_[0].stream, a, b, c);
    must(cudaStreamSynchronize(lanes_[0].stream));
    return kAlone * kOperations / (now() - start) / 1e12;
  }

 private:
  struct Lane {
    cudaStream_t stream = nullptr;
    float* device = nullptr;
  };
  float* host_ = nullptr;
  std::vector<Lane> lanes_;
};

double pipelineOf(alnilam::Cluster& cluster) {
  std::vector<float> zeros(kElements);
  auto a = cluster.put(zeros);
  auto b = cluster.put(zeros);
  alnilam::Options options{.gpus = 0.25, .gpuMemory = 4 * kElements * sizeof(float)};
  double start = now();
  std::vector<alnilam::Ref<gpu::Array<float>>> results;
  for (int i = 0; i < kPipeline; ++i) results.push_back(cluster.submit(options, multiply, a, b));
  cluster.wait(results, results.size());
  double took = now() - start;
  for (const auto& result : results) static_cast<void>(cluster.view(result));  // or throws
  return kPipeline * kOperations / took / 1e12;
}

// What is missing for a measurement; empty if nothing is.
std::string whyNot() {
  auto opened = gpu::openGpus({});
  if (!opened) return opened.error().why;
  return opened.value()->offered().empty() ? opened.value()->why() : "";
}

}  // namespace

int main(int argc, char** argv) try {
  if (std::string why = whyNot(); !why.empty()) {
    std::fprintf(stderr, "bench_gpu_real_gemm: skipped: %s\n", why.c_str());
    return 0;
  }
  alnilam::Cluster cluster = alnilam::connect(argc, argv);
  Bare bare(4);
  bare.pipeline();      // makes handles and loads cuBLAS's kernels
  pipelineOf(cluster);
  double pipeline = pipelineOf(cluster), barePipeline = bare.pipeline();
  alnilam::bench::print("gemm_pipeline", pipeline, "TFLOP/s", barePipeline,
                        "the same copies and multiplications on 4 bare streams");
  double alone = cluster.get(cluster.submit({.gpus = 1}, multiplyAlone));
  alnilam::bench::print("gemm_alone", alone, "TFLOP/s", bare.alone(),
                        "the same multiplications on a bare stream");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_gpu_real_gemm: %s\n", error.what());
  return 1;
}
