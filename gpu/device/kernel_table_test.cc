// How kernels come to a device: which form of their code is taken, and what is said of a launch
// that does not fit.  On the fake driver; kernels_emulated_test.cc launches real ones.

#include "gpu/device/kernel_table.h"

#include "core/api/errors.h"
#include "gpu/device/context.h"
#include "gpu/device/device_fixture_test.h"
#include "gpu/device/fake_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;

constexpr std::string_view kPtx =
    ".version 8.0\n.target sm_75\n.visible .entry nothing(.param .u64 a, .param .u32 b) { ret; }";
// Ends with a zero, since the fake driver keeps what it was given as text.
constexpr unsigned char kMachineCode[] = {0x7f, 'E', 'L', 'F', 0};
constexpr KernelImage kBoth{.name = "both.cu", .ptx = kPtx, .machineCode = kMachineCode};

using Right = Kernel<void(int*, unsigned)>;
const Right kNothing{kBoth, "nothing"};

class KernelTableTest : public testing::Test {
 protected:
  KernelTableTest() {
    fake::World world;
    world.kernels["nothing"] = [](void**) { return [] { return CUDA_SUCCESS; }; };
    fake::reset(std::move(world));
    auto loaded = std::make_unique<Loaded>();
    loaded->driver = fake::driver();
    OfferedGpu one;
    one.gpu.model = "Fake";
    host_ = std::make_unique<GpuHost>(std::move(loaded), std::vector{one}, "");
    slot_ = std::make_unique<TestSlot>(openSlot(*host_, {0}), fake::advance);
    gpu_ = &slot_->begin();
  }
  ~KernelTableTest() override { slot_->end(); }

  template <typename... Parameters, typename... Arguments>
  std::string mistakeIn(const Kernel<void(Parameters...)>& kernel, Dim grid, Dim block,
                        unsigned shared, const Arguments&... arguments) {
    try {
      kernel(grid, block, shared)(*gpu_, arguments...);
    } catch (const InvalidError& error) {
      return error.what();
    }
    return "";
  }

  std::unique_ptr<GpuHost> host_;
  std::unique_ptr<TestSlot> slot_;
  Context* gpu_;
  int* none_ = nullptr;
};

TEST_F(KernelTableTest, MachineCodeIsTakenBeforePtx) {
  kNothing({}, {})(*gpu_, none_, 1u);
  EXPECT_EQ(fake::world().images, std::vector{reinterpret_cast<const char*>(kMachineCode)});
}

TEST_F(KernelTableTest, PtxIsTakenWhereTheMachineCodeIsForOthers) {
  fake::world().nextCall["moduleLoadData"] = CUDA_ERROR_NO_BINARY_FOR_GPU;
  kNothing({}, {})(gpu_->stream(), none_, 1u);
  kNothing({}, {})(gpu_->stream(), none_, 1u);
  EXPECT_EQ(fake::world().images, std::vector{kPtx.data()});
}

TEST_F(KernelTableTest, AFailingDeviceIsNotTakenForOneOfAnotherKind) {
  fake::world().nextCall["moduleLoadData"] = CUDA_ERROR_ECC_UNCORRECTABLE;
  try {
    kNothing({}, {})(*gpu_, none_, 1u);
    FAIL() << "launched on a device that is gone";
  } catch (const DeviceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cuModuleLoadData"));
    EXPECT_THAT(error.what(), HasSubstr("loading kernel nothing of both.cu"));
  }
  EXPECT_TRUE(fake::world().images.empty());
}

TEST_F(KernelTableTest, WhatTheDriverDoesNotTellOfAKernelThePtxDoes) {
  EXPECT_EQ(mistakeIn(kNothing, {}, {}, 0, none_, 1u), "");
  EXPECT_EQ(mistakeIn(Kernel<void(int*)>{kBoth, "nothing"}, {}, {}, 0, none_),
            "GPU 0 (Fake): kernel nothing of both.cu: it has 2 parameters, and the program's "
            "signature of it 1");
  EXPECT_EQ(mistakeIn(Kernel<void(int*, double)>{kBoth, "nothing"}, {}, {}, 0, none_, 1.0),
            "GPU 0 (Fake): kernel nothing of both.cu: parameter 2 of 2 has 4 bytes, and in the "
            "program's signature 8");
  // Before and after a launch that was right: it is no word for others.
  EXPECT_NE(mistakeIn(Kernel<void(int*)>{kBoth, "nothing"}, {}, {}, 0, none_), "");
  EXPECT_EQ(mistakeIn(kNothing, {}, {}, 0, none_, 1u), "");
}

TEST_F(KernelTableTest, TheDriversWordGoesBeforeThePtx) {
  fake::world().parameterSizes["nothing"] = {8, 2};
  EXPECT_THAT(mistakeIn(kNothing, {}, {}, 0, none_, 1u),
              HasSubstr("parameter 2 of 2 has 2 bytes, and in the program's signature 4"));
}

TEST_F(KernelTableTest, WhatNobodyTellsIsNotChecked) {
  const Kernel<void(int*)> unreadable{std::string_view("no PTX"), "nothing"};
  EXPECT_EQ(mistakeIn(unreadable, {}, {}, 0, none_), "");
}

TEST_F(KernelTableTest, AGridOrABlockOfNothingIsRefused) {
  struct Row {
    Dim grid, block;
    const char* says;
  };
  for (const Row& row : {Row{{0}, {}, "0 blocks along x; at least 1 is needed"},
                         Row{{1, 0}, {}, "0 blocks along y; at least 1 is needed"},
                         Row{{1, 1, 0}, {}, "0 blocks along z; at least 1 is needed"},
                         Row{{}, {0}, "0 threads of a block along x; at least 1 is needed"},
                         Row{{}, {1, 1, 0}, "0 threads of a block along z; at least 1 is needed"},
                         Row{{}, {32, 33}, "a block of 32x33x1, 1056 threads; the device allows "
                                           "1024"},
                         Row{{}, {4096, 1u << 31, 2}, "17592186044416 threads"}}) {
    EXPECT_THAT(mistakeIn(kNothing, row.grid, row.block, 0, none_, 1u), HasSubstr(row.says));
  }
}

TEST_F(KernelTableTest, NumbersThatDoNotFitTheirParametersAreRefused) {
  constexpr std::uint64_t kLarge = std::uint64_t{1} << 32;
  EXPECT_EQ(mistakeIn(kNothing, {}, {}, 0, none_, kLarge - 1), "");
  EXPECT_EQ(mistakeIn(kNothing, {}, {}, 0, none_, kLarge),
            "a launch: 4294967296 does not fit the kernel's parameter of 4 bytes");
  EXPECT_THAT(mistakeIn(kNothing, {}, {}, 0, none_, -1), HasSubstr("-1 does not fit"));
  const Kernel<void(int*, int)> takesInt{kBoth, "nothing"};
  EXPECT_EQ(mistakeIn(takesInt, {}, {}, 0, none_, -5), "");
  EXPECT_THAT(mistakeIn(takesInt, {}, {}, 0, none_, 0xffffffffu), HasSubstr("4294967295"));
}

}  // namespace
}  // namespace alnilam::gpu
