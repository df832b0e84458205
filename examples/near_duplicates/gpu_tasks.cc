// The variant of the comparison that runs on a GPU.

#include "compare_signatures.ptx.h"
#include "shingles.h"
#include "tasks.h"

namespace near_duplicates {

namespace gpu = alnilam::gpu;

namespace {

constexpr unsigned kSide = 16;  // of a block of threads, as compare_signatures.cu has it

const gpu::Kernel<void(const std::uint32_t* left, std::uint32_t leftRows,
                       const std::uint32_t* right, std::uint32_t rightRows, std::uint32_t needed,
                       std::uint32_t* agree)>
    kCompare{alnilam_kernels::compare_signatures_ptx, "compareSignatures"};

}  // namespace

gpu::Array<std::uint32_t> compareOnGpu(gpu::Context& device, gpu::View<const std::uint32_t> left,
                                       gpu::View<const std::uint32_t> right,
                                       std::uint32_t needed) {
  auto leftRows = static_cast<std::uint32_t>(left.size() / kSignatureValues);
  auto rightRows = static_cast<std::uint32_t>(right.size() / kSignatureValues);
  auto agree = device.allocate<std::uint32_t>(leftRows * ((rightRows + 31) / 32));
  device.fill(agree, 0);
  device.launch(kCompare, {gpu::blocksFor(rightRows, kSide), gpu::blocksFor(leftRows, kSide)},
                {kSide, kSide}, 0, left, leftRows, right, rightRows, needed, agree);
  return agree;
}

}  // namespace near_duplicates
