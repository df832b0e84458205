// says: this is not as many arguments as the kernel's signature has
#include "gpu/device/context.h"

namespace gpu = alnilam::gpu;

const gpu::Kernel<void(const float* in, float* out, unsigned count)> kScale{std::string_view("ptx"),
                                                                            "scale"};

void run(gpu::Context& gpu, gpu::View<const float> in, gpu::Array<float>& out) {
  kScale({1}, {32})(gpu, in, out);
}
