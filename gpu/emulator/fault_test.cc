// What bad kernels, bad calls and bad devices get: an error that names the place.

#include "gpu/emulator/emulator_fixture_test.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cstdio>
#include <thread>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;

std::string allocation(CUdeviceptr at, std::size_t bytes) {
  char text[80];
  std::snprintf(text, sizeof text, "the allocation at 0x%llx of %zu bytes", at, bytes);
  return text;
}

TEST(EmulatedFault, AStoreOutsideAnyAllocationIsStickyAndNamed) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  Module module = gpu.loadFile("control.ptx");
  CUdeviceptr out = gpu.upload(std::vector<int>(10));
  EXPECT_EQ(run(driver, gpu.find(module, "outOfBounds"), {1, 1, 1}, out, 9ll), CUDA_SUCCESS);
  EXPECT_EQ(run(driver, gpu.find(module, "outOfBounds"), {2, 1, 3}, out, 10ll),
            CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_THAT(gpu.said(), HasSubstr("kernel outOfBounds"));
  EXPECT_THAT(gpu.said(), HasSubstr("thread (0,0,0)"));
  EXPECT_THAT(gpu.said(), HasSubstr("block ("));
  EXPECT_THAT(gpu.said(), HasSubstr("PTX line"));
  EXPECT_THAT(gpu.said(), HasSubstr("st.global.u32"));
  EXPECT_THAT(gpu.said(), HasSubstr("0 bytes past the end of " + allocation(out, 40)));
  CUdeviceptr more = 0;
  EXPECT_EQ(driver.memAlloc(&more, 16), CUDA_ERROR_ILLEGAL_ADDRESS) << "every later call";
}

TEST(EmulatedFault, UseAfterFree) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  CUdeviceptr out = gpu.upload(std::vector<int>(10));
  ASSERT_EQ(gpu.driver().memFree(out), CUDA_SUCCESS);
  EXPECT_EQ(run(gpu.driver(), gpu.find(module, "outOfBounds"), {1, 1, 1}, out, 3ll),
            CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_THAT(gpu.said(), HasSubstr("in " + allocation(out, 40) + ", which was freed"));
}

TEST(EmulatedFault, AnAddressOutsideSharedMemory) {
  Emulated gpu;
  Module module = gpu.load(gpu.driver(), R"(
.version 8.0
.target sm_75
.address_size 64
.visible .entry beyond() {
  .shared .align 4 .b8 few[16];
  .reg .b32 %r<3>;
  mov.u32 %r1, %tid.x;
  shl.b32 %r2, %r1, 2;
  st.shared.u32 [%r2], %r1;
  ret;
}
)");
  EXPECT_EQ(run(gpu.driver(), gpu.find(module, "beyond"), {1, 1, 4}), CUDA_SUCCESS);
  EXPECT_EQ(run(gpu.driver(), gpu.find(module, "beyond"), {1, 1, 5}), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_THAT(gpu.said(), HasSubstr("thread (4,0,0)"));
  EXPECT_THAT(gpu.said(), HasSubstr("shared memory, of which a block has 16 bytes"));
}

TEST(EmulatedFault, ACopyOfMemoryThatWasFreedBeforeItsTurn) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  auto stream = createStream(driver);
  auto pinned = allocateHost(driver, 64);
  std::atomic<bool> open{false};
  CUdeviceptr at = gpu.upload(std::vector<int>(16));
  auto wait = [](void* gate) {
    while (!*static_cast<std::atomic<bool>*>(gate)) std::this_thread::yield();
  };
  ASSERT_EQ(driver.launchHostFunc(stream.value().get(), wait, &open), CUDA_SUCCESS);
  ASSERT_EQ(driver.memcpyDtoHAsync(pinned.value().get(), at, 64, stream.value().get()),
            CUDA_SUCCESS);
  ASSERT_EQ(driver.memFreeAsync(at, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(driver.streamSynchronize(nullptr), CUDA_SUCCESS);
  open = true;
  EXPECT_EQ(driver.streamSynchronize(stream.value().get()), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_THAT(gpu.said(), HasSubstr("a copy of 64 bytes from 0x"));
  EXPECT_THAT(gpu.said(), HasSubstr("in " + allocation(at, 64) + ", which was freed"));
}

TEST(EmulatedFault, MemoryThatIsFreedTwiceInStreamOrder) {
  Emulated gpu;
  CUdeviceptr at = gpu.upload(std::vector<int>(16));
  auto stream = createStream(gpu.driver());
  std::atomic<bool> open{false};
  auto wait = [](void* gate) {
    while (!*static_cast<std::atomic<bool>*>(gate)) std::this_thread::yield();
  };
  ASSERT_EQ(gpu.driver().launchHostFunc(stream.value().get(), wait, &open), CUDA_SUCCESS);
  ASSERT_EQ(gpu.driver().memFreeAsync(at, stream.value().get()), CUDA_SUCCESS);
  EXPECT_EQ(gpu.driver().memFreeAsync(at, stream.value().get()), CUDA_ERROR_INVALID_VALUE);
  EXPECT_THAT(gpu.said(), HasSubstr(allocation(at, 64)));
  open = true;
  EXPECT_EQ(gpu.driver().streamSynchronize(stream.value().get()), CUDA_SUCCESS);
  EXPECT_EQ(gpu.driver().memFree(at), CUDA_ERROR_INVALID_VALUE);
}

TEST(EmulatedFault, ARefusedCopySaysWhatIsTooShort) {
  Emulated gpu;
  CUdeviceptr at = gpu.upload(std::vector<int>(100));
  std::vector<int> host(200);
  EXPECT_EQ(gpu.driver().memcpyDtoH(host.data(), at + 40, 401), CUDA_ERROR_INVALID_VALUE);
  EXPECT_THAT(gpu.said(), HasSubstr("a copy of 401 bytes from 0x"));
  EXPECT_THAT(gpu.said(), HasSubstr("360 bytes before the end of " + allocation(at, 400)));
}

TEST(EmulatedFault, AMisalignedAddress) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  CUdeviceptr out = gpu.upload(std::vector<int>(10));
  EXPECT_EQ(run(gpu.driver(), gpu.find(module, "outOfBounds"), {1, 1, 1}, out + 2, 0ll),
            CUDA_ERROR_MISALIGNED_ADDRESS);
}

TEST(EmulatedFault, ATrapNamesItsThread) {
  Emulated gpu;
  Module module = gpu.loadFile("control.ptx");
  std::vector<int> flags(64);
  flags[37] = 1;
  CUdeviceptr out = gpu.upload(flags);
  EXPECT_EQ(run(gpu.driver(), gpu.find(module, "traps"), {1, 1, 64}, out),
            CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_THAT(gpu.said(), HasSubstr("thread (37,0,0): trap"));
}

TEST(EmulatedFault, AFailedContextIsWholeAgainAfterItsLastRelease) {
  {
    Emulated gpu;
    Module module = gpu.loadFile("control.ptx");
    EXPECT_EQ(run(gpu.driver(), gpu.find(module, "outOfBounds"), {1, 1, 1}, CUdeviceptr{0}, 0ll),
              CUDA_ERROR_ILLEGAL_ADDRESS);
  }
  Emulated again;
  EXPECT_EQ(again.driver().ctxSynchronize(), CUDA_SUCCESS);
}

TEST(EmulatedFault, AStreamOfAnotherDeviceDoesNotTakeTheKernel) {
  Emulated gpu("2x1GiB");
  const Driver& driver = gpu.driver();
  Module module = gpu.loadFile("control.ptx");
  auto second = PrimaryContext::retain(driver, 1);
  CurrentContext current(driver, second.value().get());
  auto stream = createStream(driver);
  EXPECT_EQ(enqueue(driver, gpu.find(module, "empty"), {}, stream.value().get()),
            CUDA_ERROR_INVALID_HANDLE);
  EXPECT_THAT(gpu.said(), HasSubstr("kernel empty of device 0's context was launched on a stream "
                                    "of device 1's context"));
  CurrentContext first(driver, gpu.context());
  auto event = createEvent(driver);
  EXPECT_EQ(driver.eventRecord(event.value().get(), stream.value().get()),
            CUDA_ERROR_INVALID_HANDLE);
  EXPECT_THAT(gpu.said(), HasSubstr("an event of device 0's context"));
}

TEST(EmulatedFault, MemoryOfAnotherDeviceNeedsPeerAccess) {
  Emulated gpu("2x1GiB");
  const Driver& driver = gpu.driver();
  CUdeviceptr here = gpu.upload(std::vector<int>(4));
  auto second = PrimaryContext::retain(driver, 1);
  CurrentContext current(driver, second.value().get());
  Module module = gpu.loadFile("control.ptx");
  EXPECT_EQ(driver.ctxEnablePeerAccess(gpu.context(), 0), CUDA_SUCCESS);
  EXPECT_EQ(run(driver, gpu.find(module, "outOfBounds"), {1, 1, 1}, here, 1ll), CUDA_SUCCESS);
  EXPECT_EQ(driver.ctxDisablePeerAccess(gpu.context()), CUDA_SUCCESS);
  EXPECT_EQ(run(driver, gpu.find(module, "outOfBounds"), {1, 1, 1}, here, 1ll),
            CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_THAT(gpu.said(), HasSubstr("of device 0, to which this context has no peer access"));
}

const Driver* driverOfHostFunction = nullptr;
std::atomic<CUresult> answeredInHostFunction{CUDA_SUCCESS};

TEST(EmulatedFault, AHostFunctionMayNotCallTheDriver) {
  Emulated gpu;
  driverOfHostFunction = &gpu.driver();
  answeredInHostFunction = CUDA_SUCCESS;
  ASSERT_EQ(gpu.driver().launchHostFunc(
                nullptr,
                [](void*) {
                  CUdeviceptr at = 0;
                  answeredInHostFunction = driverOfHostFunction->memAlloc(&at, 16);
                },
                nullptr),
            CUDA_SUCCESS);
  ASSERT_EQ(gpu.driver().streamSynchronize(nullptr), CUDA_SUCCESS);
  EXPECT_EQ(answeredInHostFunction.load(), CUDA_ERROR_NOT_PERMITTED);
  EXPECT_THAT(gpu.said(), HasSubstr("memAlloc was called by a host function of stream"));
}

TEST(EmulatedFault, WithoutAContextNothingWorks) {
  auto loaded = Emulated::load("2x1GiB");
  CUdeviceptr at = 0;
  loaded->driver.ctxSetCurrent(nullptr);
  EXPECT_EQ(loaded->driver.memAlloc(&at, 16), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_THAT(loaded->lastMessage(), HasSubstr("memAlloc was called by a thread without"));
}

TEST(EmulatedFault, StaleHandlesAreRefused) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  CUstream stream = nullptr;
  CUevent event = nullptr;
  ASSERT_EQ(driver.streamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(driver.eventCreate(&event, 0), CUDA_SUCCESS);
  ASSERT_EQ(driver.streamDestroy(stream), CUDA_SUCCESS);
  ASSERT_EQ(driver.eventDestroy(event), CUDA_SUCCESS);
  EXPECT_EQ(driver.streamSynchronize(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(driver.streamDestroy(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(driver.eventRecord(event, nullptr), CUDA_ERROR_INVALID_HANDLE);
}

TEST(EmulatedFault, AnInjectedFailureHitsTheNthLaunch) {
  Emulated gpu("1x1GiB;launch=2");
  Module module = gpu.loadFile("control.ptx");
  EXPECT_EQ(run(gpu.driver(), gpu.find(module, "empty"), {}), CUDA_SUCCESS);
  EXPECT_EQ(run(gpu.driver(), gpu.find(module, "empty"), {}), CUDA_ERROR_LAUNCH_FAILED);
}

TEST(EmulatedFault, ALostDeviceStaysLostAndOthersGoOn) {
  Emulated gpu("2x1GiB;lost=1@1");
  const Driver& driver = gpu.driver();
  Module module = gpu.loadFile("control.ptx");
  {
    auto second = PrimaryContext::retain(driver, 1);
    CurrentContext current(driver, second.value().get());
    Module there = gpu.loadFile("control.ptx");
    EXPECT_EQ(run(driver, gpu.find(there, "empty"), {}), CUDA_ERROR_DEVICE_UNAVAILABLE);
  }
  CUcontext context = nullptr;
  EXPECT_EQ(driver.devicePrimaryCtxRetain(&context, 1), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT_EQ(run(driver, gpu.find(module, "empty"), {}), CUDA_SUCCESS);
}

TEST(EmulatedFault, LaunchesThatNoDeviceTakesAreRefused) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  Module module = gpu.loadFile("control.ptx");
  CUfunction empty = gpu.find(module, "empty");
  EXPECT_EQ(enqueue(driver, empty, {0, 1, 32}, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(enqueue(driver, empty, {1, 1, 1025}, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(enqueue(driver, empty, {1, 1, 32, 1, 49'153}, nullptr), CUDA_ERROR_INVALID_VALUE);
  CUfunction none = nullptr;
  EXPECT_EQ(driver.moduleGetFunction(&none, module.get(), "nobody"), CUDA_ERROR_NOT_FOUND);
}

struct BadPtx {
  const char* name;
  const char* body;
  const char* says;
};

const BadPtx kBadPtx[] = {
    {"an instruction nobody knows", "frobnicate.b32 %r1, %r2;",
     "line 7: instruction 'frobnicate.b32'"},
    {"an instruction of newer devices", "wgmma.fence.sync.aligned;", "wgmma.fence.sync.aligned"},
    {"a modifier nobody knows", "add.s32.sideways %r1, %r2, %r3;", "'.sideways'"},
    {"a type an instruction doesn't have", "popc.f32 %r1, %f1;", "popc.f32"},
    {"registers of the wrong width", "add.s32 %r1, %rd1, %r3;", "%rd1 is not 32 bits wide"},
    {"a label that isn't there", "bra NOWHERE;", "NOWHERE"},
    {"a variable that isn't there", "mov.u64 %rd1, nothing;", "'nothing' is not declared"},
    {"a directive nobody knows", ".frob 12;", "'.frob'"},
    {"a call of what isn't there", "call.uni nobody, ();", "nobody"},
    {"a special register nobody knows", "mov.u32 %r1, %moon;", "%moon"},
    {"texts that end too early", "{", "end of the text"},
    {"too few operands", "add.s32 %r1, %r2;", "operands"},
};

TEST(EmulatedFault, PtxThatIsNotUnderstoodIsRefusedByNameAndLine) {
  Emulated gpu;
  for (const BadPtx& bad : kBadPtx) {
    SCOPED_TRACE(bad.name);
    std::string ptx =
        std::string(".version 8.0\n.target sm_75\n.address_size 64\n.visible .entry k()\n{\n") +
        ".reg .b32 %r<4>; .reg .b64 %rd<4>; .reg .f32 %f<4>; .reg .pred %p<4>;\n" + bad.body +
        "\nret;\n}\n";
    std::string log;
    auto module = loadModule(gpu.driver(), ptx.c_str(), log);
    ASSERT_FALSE(module);
    EXPECT_EQ(module.error().code, CUDA_ERROR_INVALID_PTX);
    EXPECT_THAT(log, HasSubstr(bad.says));
  }
}

TEST(EmulatedFault, PtxForANewerDeviceIsRefused) {
  Emulated gpu("1xT4:1GiB");
  std::string log;
  auto module = loadModule(gpu.driver(), ".version 8.0\n.target sm_80\n.address_size 64\n", log);
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().code, CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_THAT(log, HasSubstr("sm_80"));
}

TEST(EmulatedFault, ABarrierThatSomeNeverReachIsAnError) {
  Emulated gpu;
  // Barrier 1 waits for 64 threads; the block has 32.
  Module module = gpu.load(gpu.driver(), R"(
.version 8.0
.target sm_75
.address_size 64
.visible .entry stuck() {
  bar.sync 1, 64;
  ret;
}
)");
  EXPECT_EQ(run(gpu.driver(), gpu.find(module, "stuck"), {1, 1, 32}), CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_THAT(gpu.said(), HasSubstr("barrier"));
}

}  // namespace
}  // namespace alnilam::gpu
