// Launches on the emulator: the call form, signatures and limits held to real kernels, machine code
// that falls back to PTX, and kernels that are compiled from source at run time.

#include "core/api/errors.h"
#include "gpu/device/context.h"
#include "gpu/device/device_fixture_test.h"
#include "gpu/device/runtime_compiler.h"
#include "gpu/driver/nvrtc.h"
#include "shapes.ptx.h"
#include "source.ptx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace alnilam::gpu {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Line {
  double slope;
  float offset;
};

const Kernel<void(float*, unsigned char, Line)> kBend{alnilam_kernels::shapes_ptx, "bend"};
const Kernel<void(int*)> kReverse{alnilam_kernels::shapes_ptx, "reverse"};
const Kernel<void(int*)> kNarrow{alnilam_kernels::shapes_ptx, "narrow"};
const Kernel<void(int*, unsigned)> kTriple{alnilam_kernels::source_ptx, "triple"};

class EmulatedKernelsTest : public testing::Test {
 protected:
  EmulatedKernelsTest() {
    OpenOptions options;
    options.emulate = "1x64MiB";
    auto opened = openGpus(options);
    if (!opened) throw std::runtime_error(opened.error().why);
    host_ = std::move(opened).value();
    slot_ = std::make_unique<TestSlot>(openSlot(*host_, {0}));
    gpu_ = &slot_->begin();
  }
  ~EmulatedKernelsTest() override { slot_->finish(); }

  template <typename T>
  std::vector<T> valuesOf(const Array<T>& array) {
    std::vector<T> values(array.size());
    gpu_->copyToHost(array, values);
    gpu_->synchronize();
    return values;
  }
  template <typename Action>
  std::string mistakeIn(Action&& action) {
    try {
      action();
    } catch (const InvalidError& error) {
      return error.what();
    }
    return "";
  }

  std::unique_ptr<GpuHost> host_;
  std::unique_ptr<TestSlot> slot_;
  Context* gpu_;
};

std::vector<int> countedTo(int n) {
  std::vector<int> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

TEST_F(EmulatedKernelsTest, AKernelIsCalledWithAContextOrItsStream) {
  auto values = gpu_->copyToDevice(std::vector<float>{1, 2, 3, 4});
  kBend({1}, {32})(*gpu_, values, 2, Line{2.0, 0.5f});
  kBend({1}, {32})(gpu_->stream(), values, 3, Line{1.0, 100.f});
  EXPECT_EQ(valuesOf(values), (std::vector<float>{102.5f, 104.5f, 106.5f, 104.f}));
}

TEST_F(EmulatedKernelsTest, ASignatureThatIsNotTheKernelsIsRefusedAtTheFirstLaunch) {
  auto values = gpu_->allocate<float>(4);
  const Kernel<void(float*, unsigned, Line)> wide{alnilam_kernels::shapes_ptx, "bend"};
  const Kernel<void(float*, unsigned char, float)> flat{alnilam_kernels::shapes_ptx, "bend"};
  const Kernel<void(float*, unsigned char)> few{alnilam_kernels::shapes_ptx, "bend"};
  const Kernel<void(float*, unsigned char, Line, int)> many{alnilam_kernels::shapes_ptx, "bend"};
  const Kernel<void()> mangled{alnilam_kernels::shapes_ptx, "bent"};
  std::string device = "GPU 0 (" + gpu_->name() + "): ";

  EXPECT_EQ(mistakeIn([&] { wide({}, {})(*gpu_, values, 1u, Line{}); }),
            device + "kernel bend of shapes.cu: parameter 2 of 3 has 1 byte, and in the program's "
                     "signature 4");
  EXPECT_THAT(mistakeIn([&] { flat({}, {})(*gpu_, values, 1, 1.f); }),
              HasSubstr("parameter 3 of 3 has 16 bytes, and in the program's signature 4"));
  EXPECT_THAT(mistakeIn([&] { few({}, {})(*gpu_, values, 1); }),
              HasSubstr("it has 3 parameters, and the program's signature of it 2"));
  EXPECT_THAT(mistakeIn([&] { many({}, {})(*gpu_, values, 1, Line{}, 1); }),
              HasSubstr("it has 3 parameters, and the program's signature of it 4"));
  EXPECT_THAT(mistakeIn([&] { mangled({}, {})(*gpu_); }),
              HasSubstr("kernel bent of shapes.cu: there is no kernel of this name; is it "
                        "extern \"C\"?"));
  EXPECT_EQ(mistakeIn([&] { kBend({}, {})(*gpu_, values, 0, Line{}); }), "");
}

TEST_F(EmulatedKernelsTest, LaunchesBeyondTheDevicesLimitsNameThem) {
  auto values = gpu_->allocate<int>(2048);
  EXPECT_THAT(mistakeIn([&] { kReverse({1}, {2048})(*gpu_, values); }),
              HasSubstr("kernel reverse of shapes.cu: 2048 threads of a block along x; the device "
                        "allows 1024"));
  EXPECT_THAT(mistakeIn([&] { kReverse({1}, {64, 32})(*gpu_, values); }),
              HasSubstr("a block of 64x32x1, 2048 threads; the device allows 1024"));
  EXPECT_THAT(mistakeIn([&] { kReverse({1}, {1, 1, 65})(*gpu_, values); }),
              HasSubstr("65 threads of a block along z; the device allows 64"));
  EXPECT_THAT(mistakeIn([&] { kReverse({1, 65536}, {1})(*gpu_, values); }),
              HasSubstr("65536 blocks along y; the device allows 65535"));
  EXPECT_THAT(mistakeIn([&] { kReverse({0}, {1})(*gpu_, values); }),
              HasSubstr("0 blocks along x; at least 1 is needed"));
  EXPECT_THAT(mistakeIn([&] { kNarrow({1}, {65})(*gpu_, values); }),
              HasSubstr("kernel narrow of shapes.cu: a block of 65x1x1, 65 threads; as this kernel "
                        "is compiled, the device allows it 64"));
  EXPECT_EQ(mistakeIn([&] { kNarrow({1}, {64})(*gpu_, values); }), "");
}

TEST_F(EmulatedKernelsTest, MoreSharedMemoryThanUsualIsAskedForUpToTheDevicesMost) {
  auto values = gpu_->copyToDevice(countedTo(8));
  kReverse({1}, {8}, 8 * sizeof(int))(*gpu_, values);
  kReverse({1}, {8}, 200 << 10)(*gpu_, values);
  kReverse({1}, {8}, 100 << 10)(*gpu_, values);
  EXPECT_EQ(valuesOf(values), (std::vector<int>{7, 6, 5, 4, 3, 2, 1, 0}));
  EXPECT_THAT(mistakeIn([&] { kNarrow({1}, {8}, 227 << 10)(*gpu_, values); }),
              HasSubstr("232448 bytes of shared memory a block, beside 1024 of the kernel's own; "
                        "the device allows 232448"));
}

TEST_F(EmulatedKernelsTest, MachineCodeOfRealDevicesGivesWayToPtx) {
  if (!ALNILAM_HAS_NVCC) GTEST_SKIP() << "without nvcc there is no machine code";
  EXPECT_GT(alnilam_kernels::shapes_ptx.machineCode.size(), 1000u);
  auto values = gpu_->copyToDevice(countedTo(4));
  kReverse({1}, {4}, 16)(*gpu_, values);
  EXPECT_EQ(valuesOf(values), (std::vector<int>{3, 2, 1, 0}));
}

bool hasNvrtc() { return loadNvrtc(nvrtcLibraries()).hasValue(); }

TEST_F(EmulatedKernelsTest, ASourceIsCompiledWhenItsKernelIsLaunched) {
  EXPECT_TRUE(alnilam_kernels::source_ptx.ptx.empty());
  auto values = gpu_->copyToDevice(countedTo(4));
  if (hasNvrtc()) {
    kTriple({1}, {32})(*gpu_, values, 3u);
    EXPECT_EQ(valuesOf(values), (std::vector<int>{0, 3, 6, 3}));
  } else {
    EXPECT_THAT(mistakeIn([&] { kTriple({1}, {32})(*gpu_, values, 3u); }),
                AllOf(HasSubstr("kernel triple of source.cu"), HasSubstr("libnvrtc")));
  }
}

}  // namespace
}  // namespace alnilam::gpu
