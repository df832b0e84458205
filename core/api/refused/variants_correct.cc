#include "core/api/cluster.h"
#include "core/api/variants.h"

namespace alnilam {  // as gpu/device does it
namespace gpu {
template <typename T>
class View {};
template <typename T>
class Array {};
}  // namespace gpu
template <typename T>
struct ArgumentCodec<gpu::View<const T>> {
  static gpu::View<const T> take(std::span<const std::byte> object, TaskCall& call);
};
template <typename T>
struct ResultCodec<gpu::Array<T>> {
  static void give(gpu::Array<T>&& result, TaskCall& call);
};
}  // namespace alnilam

std::vector<float> onCpu(alnilam::View<const float> image, const std::vector<int>& sizes);
alnilam::gpu::Array<float> onGpu(alnilam::gpu::Context& gpu, alnilam::gpu::View<const float> image,
                                 std::vector<int> sizes);
alnilam::View<const float> other(const std::vector<float>& image, alnilam::View<const int> sizes);
ALNILAM_VARIANTS(blur, cpu(onCpu, {.cpus = 4}), cuda(onGpu, {.gpus = 0.25, .gpuMemory = 1 << 20}),
                 cpu(other));

alnilam::Ref<std::vector<float>> run(const alnilam::Cluster& cluster) {
  auto image = cluster.put(std::vector<float>{1, 2});
  cluster.submit({.cpus = 2, .priority = 3}, blur, image, std::vector<int>{1});
  return cluster.submit(blur, image, std::vector<int>{1});
}
