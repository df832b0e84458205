#pragma once
// Makes PTX of a kernel's source while the program runs, by NVRTC.
//
// For programs that were built without nvcc and without PTX kept beside the source: the source is
// in the image (kernel_image.h), and NVRTC, a library that comes with the CUDA toolkit and on its
// own, compiles it for compute_75, or for the oldest target that it still knows.  That PTX runs on
// the devices and on the emulator like any other.  No device is needed to compile.
//
// Threading: any thread.  One image is compiled once, and whoever else wants it waits for that.
// Errors: `unavailable` where there is no NVRTC, `invalid` for a source that does not compile, with
//   the compiler's words.  A refusal is remembered as a result is.

#include "core/base/error.h"
#include "gpu/device/kernel_image.h"

#include <span>
#include <string>
#include <string_view>

namespace alnilam::gpu {

// The PTX of `image`, which has source; compiled anew each time by the first of `libraries` that
// opens.  The text ends with a zero byte beyond its size, as of every std::string.
Result<std::string> compileSource(const KernelImage& image,
                                  std::span<const std::string> libraries);

// The same, once a process and image; the text stays for the life of the process.
Result<std::string_view> runtimePtx(const KernelImage& image);

}  // namespace alnilam::gpu
