// The task functions that run on a GPU; the kernels are in filters.cu.

#include "filters.ptx.h"
#include "tasks.h"

namespace image_pipeline {

namespace gpu = alnilam::gpu;
using alnilam_kernels::filters_ptx;

namespace {

using Byte = std::uint8_t;

const gpu::Kernel<void(const Byte* rgb, unsigned width, unsigned height,
                       const std::uint32_t* weights, unsigned radius, std::uint16_t* between)>
    kBlurRows{filters_ptx, "blurRows"};
const gpu::Kernel<void(const std::uint16_t* between, unsigned width, unsigned height,
                       const std::uint32_t* weights, unsigned radius, Byte* rgb)>
    kBlurColumns{filters_ptx, "blurColumns"};
const gpu::Kernel<void(const Byte* rgb, unsigned width, unsigned height, Byte* gray)> kToGray{
    filters_ptx, "toGray"};
const gpu::Kernel<void(const Byte* gray, unsigned width, unsigned height, Byte* edges)> kSobel{
    filters_ptx, "sobel"};

constexpr gpu::Dim kBlock{32, 8};

gpu::Dim gridFor(std::size_t across, std::size_t down) {
  return {gpu::blocksFor(across, kBlock.x), gpu::blocksFor(down, kBlock.y)};
}

}  // namespace

DeviceSamples blurOnGpu(gpu::Context& device, DeviceView rgb, const Size& size,
                        const Weights& weights) {
  auto radius = static_cast<unsigned>(weights.size() / 2);
  auto onDevice = device.copyToDevice(weights);
  auto between = device.allocate<std::uint16_t>(rgb.size());
  auto result = device.allocate<Byte>(rgb.size());
  gpu::Dim grid = gridFor(std::size_t{3} * size.width, size.height);
  kBlurRows(grid, kBlock)(device, rgb, size.width, size.height, onDevice, radius, between);
  kBlurColumns(grid, kBlock)(device, between, size.width, size.height, onDevice, radius, result);
  return result;
}

DeviceSamples traceOnGpu(gpu::Context& device, DeviceView rgb, const Size& size) {
  auto gray = device.allocate<Byte>(size.pixels());
  auto result = device.allocate<Byte>(size.pixels());
  gpu::Dim grid = gridFor(size.width, size.height);
  kToGray(grid, kBlock)(device, rgb, size.width, size.height, gray);
  kSobel(grid, kBlock)(device, gray, size.width, size.height, result);
  return result;
}

void touchGpu(gpu::Context& device) { device.synchronize(); }

}  // namespace image_pipeline
