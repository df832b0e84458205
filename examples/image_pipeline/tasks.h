#pragma once
// The task functions: what runs on nodes.  Images are numbered nowhere: one goes its way alone.
//
//   look         path             -> size, or what is wrong        CPU, reads the file
//   decode       path             -> RGB pixels                    CPU, reads the file
//   blurOn...    pixels           -> RGB pixels                    GPU or CPU
//   traceOn...   blurred pixels   -> edges, gray                   GPU or CPU
//   encode       pixels or edges  -> a PNG file                    CPU
//   makeStrip    all three        -> their tiles                   CPU
//   makeSheet    strips           -> a PNG file                    CPU
//
// Errors: decode throws BadImage for a file that is cut off or damaged; `look` has no error, since
// a directory's bad files are no surprise.

#include "image_files.h"

#include <alnilam/alnilam.h>

#include <cstdint>
#include <string>
#include <vector>

namespace image_pipeline {

using Samples = std::vector<std::uint8_t>;
using SamplesView = alnilam::View<const std::uint8_t>;
using DeviceSamples = alnilam::gpu::Array<std::uint8_t>;
using DeviceView = alnilam::gpu::View<const std::uint8_t>;
using Weights = std::vector<std::uint32_t>;

struct Look {
  Size size;
  std::string wrong;  // empty if nothing is
};

Look look(const std::string& path);
Samples decode(const std::string& path, const Size& size);

Samples blurOnCpu(SamplesView rgb, const Size& size, const Weights& weights);
DeviceSamples blurOnGpu(alnilam::gpu::Context& gpu, DeviceView rgb, const Size& size,
                        const Weights& weights);
Samples traceOnCpu(SamplesView rgb, const Size& size);
DeviceSamples traceOnGpu(alnilam::gpu::Context& gpu, DeviceView rgb, const Size& size);

Samples encode(SamplesView samples, const Size& size, unsigned channels);
Samples makeStrip(SamplesView rgb, SamplesView soft, SamplesView edges, const Size& size);
Samples makeSheet(const std::vector<SamplesView>& strips);

// Succeeds where there is a GPU.
void touchGpu(alnilam::gpu::Context& gpu);

// Device memory that one run of either GPU task takes at most, inputs and all.
constexpr std::uint64_t deviceBytes(const Size& size) { return 12 * size.pixels() + (1 << 20); }

}  // namespace image_pipeline
