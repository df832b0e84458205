// Kernels' sources compiled at run time; skipped where there is no NVRTC, but for the refusal.

#include "gpu/device/runtime_compiler.h"

#include "gpu/driver/nvrtc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace alnilam::gpu {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr KernelHeader kHeaders[] = {
    {"shared/scale.h",
     "#include \"factor.h\"\n__device__ int scaled(int x) { return FACTOR * x; }"},
    {"factor.h", "#define FACTOR (7 * ADDED)"}};
constexpr const char* kOptions[] = {"-DADDED=6"};
constexpr KernelImage kScaled{
    .name = "scaled.cu",
    .source = "#include \"shared/scale.h\"\n"
              "extern \"C\" __global__ void scaled(int* x) { x[threadIdx.x] = scaled(1); }\n",
    .headers = kHeaders,
    .options = kOptions};

class RuntimeCompilerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!loadNvrtc(nvrtcLibraries())) GTEST_SKIP() << "there is no NVRTC here";
  }
};

TEST_F(RuntimeCompilerTest, HeadersAndOptionsComeAlong) {
  auto ptx = compileSource(kScaled, nvrtcLibraries());
  ASSERT_TRUE(ptx) << ptx.error().why;
  EXPECT_THAT(ptx.value(), AllOf(HasSubstr(".visible .entry scaled("), HasSubstr(".target sm_75"),
                                 HasSubstr(", 42;")));
  EXPECT_EQ(ptx.value().find('\0'), std::string::npos);
}

TEST_F(RuntimeCompilerTest, AMistakeIsToldInTheCompilersWords) {
  KernelImage wrong{.name = "wrong.cu", .source = "extern \"C\" __global__ void f() { g(); }"};
  auto ptx = compileSource(wrong, nvrtcLibraries());
  ASSERT_FALSE(ptx);
  EXPECT_EQ(ptx.error().code, RefusalCode::invalid);
  EXPECT_THAT(ptx.error().why, AllOf(HasSubstr("wrong.cu does not compile"),
                                     HasSubstr("wrong.cu(1)"), HasSubstr("\"g\" is undefined")));
}

TEST_F(RuntimeCompilerTest, OneImageIsCompiledOnce) {
  std::vector<std::string_view> seen(4);
  std::vector<std::thread> threads;
  for (std::string_view& place : seen) {
    threads.emplace_back([&place, copy = kScaled] { place = runtimePtx(copy).value(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::string_view ptx : seen) {
    EXPECT_FALSE(ptx.empty());
    EXPECT_EQ(ptx.data(), seen[0].data());
    EXPECT_EQ(ptx.data()[ptx.size()], '\0');
  }
}

TEST(RuntimeCompiler, WhereThereIsNoNvrtcItSaysWhatWasLookedForAndWhatToDo) {
  std::vector<std::string> libraries = {"libnvrtc-of-nobody.so", "libc.so.6"};
  auto ptx = compileSource(kScaled, libraries);
  ASSERT_FALSE(ptx);
  EXPECT_EQ(ptx.error().code, RefusalCode::unavailable);
  EXPECT_THAT(ptx.error().why,
              AllOf(HasSubstr("scaled.cu is in this program as source"), HasSubstr("NVRTC"),
                    HasSubstr("libnvrtc-of-nobody.so, libc.so.6"),
                    HasSubstr("libc.so.6 has no nvrtcGetNumSupportedArchs")));
}

}  // namespace
}  // namespace alnilam::gpu
