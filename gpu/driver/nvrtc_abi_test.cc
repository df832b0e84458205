// Holds gpu/driver/nvrtc.h to the toolkit's own header.  Everything is checked by the compiler.

#include "gpu/driver/nvrtc.h"

#include <nvrtc.h>

#include <gtest/gtest.h>

#include <type_traits>

namespace {

template <typename Ours, typename Theirs>
constexpr bool kSame = std::is_same_v<Ours, Theirs>;
template <>
constexpr bool kSame<alnilam::gpu::NvrtcResult, nvrtcResult> =
    sizeof(alnilam::gpu::NvrtcResult) == sizeof(nvrtcResult);
template <typename R, typename... Ours, typename S, typename... Theirs>
constexpr bool kSame<R (*)(Ours...), S (*)(Theirs...)> =
    kSame<R, S> && std::is_same_v<void(Ours...), void(Theirs...)>;

#define ALNILAM_NVRTC_SAME(member, symbol, parameters)                     \
  static_assert(kSame<decltype(alnilam::gpu::Nvrtc::member), decltype(&symbol)>, \
                "our " #member " differs from the toolkit's " #symbol);
ALNILAM_NVRTC_FUNCTIONS(ALNILAM_NVRTC_SAME)
static_assert(alnilam::gpu::kNvrtcSuccess == static_cast<int>(NVRTC_SUCCESS));

TEST(NvrtcAbi, IsTheToolkits) { SUCCEED() << "checked by the compiler"; }

}  // namespace
