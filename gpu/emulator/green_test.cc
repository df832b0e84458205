// Green contexts of the emulated driver: cutting a device, and what a part shares with the whole.

#include "gpu/emulator/emulator_fixture_test.h"

#include <vector>

namespace alnilam::gpu {
namespace {

// Writes how many multiprocessors its launch may use.
constexpr const char* kCountsMultiprocessors = R"(
.version 8.0
.target sm_75
.address_size 64
.visible .entry counts(.param .u64 out) {
  .reg .b64 %rd<3>;
  .reg .b32 %r<2>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %nsmid;
  st.global.u32 [%rd1], %r1;
  ret;
}
)";

CUdevResource whole(const Driver& driver, CUdevice device = 0) {
  CUdevResource resource{};
  EXPECT_EQ(driver.deviceGetDevResource(device, &resource, CU_DEV_RESOURCE_TYPE_SM), CUDA_SUCCESS);
  return resource;
}

std::vector<CUdevResource> split(const Driver& driver, const CUdevResource& from, unsigned groups,
                                 unsigned least, CUdevResource* rest = nullptr) {
  std::vector<CUdevResource> parts(groups);
  EXPECT_EQ(driver.devSmResourceSplitByCount(parts.data(), &groups, &from, rest, 0, least),
            CUDA_SUCCESS);
  parts.resize(groups);
  return parts;
}

CUgreenCtx makeGreen(const Driver& driver, CUdevResource resource, CUdevice device = 0) {
  CUdevResourceDesc desc = nullptr;
  CUgreenCtx green = nullptr;
  EXPECT_EQ(driver.devResourceGenerateDesc(&desc, &resource, 1), CUDA_SUCCESS);
  EXPECT_EQ(driver.greenCtxCreate(&green, desc, device, CU_GREEN_CTX_DEFAULT_STREAM),
            CUDA_SUCCESS);
  return green;
}

struct Split {
  const char* device;
  unsigned groups, least;
  unsigned made, each, rest;
};
const Split kSplits[] = {
    {"1xH100:1GiB", 4, 33, 3, 40, 12},  {"1xH100:1GiB", 16, 1, 16, 8, 4},
    {"1xH100:1GiB", 2, 0, 2, 8, 116},   {"1xH100:1GiB", 1, 132, 0, 0, 0},
    {"1xA100:1GiB", 4, 27, 3, 28, 24},  {"1xA100:1GiB", 1, 108, 1, 108, 0},
    {"1xT4:1GiB", 64, 1, 20, 2, 0},
};

TEST(EmulatedGreen, ADeviceIsCutAsFinelyAsItsArchitectureAllows) {
  for (const Split& c : kSplits) {
    SCOPED_TRACE(std::string(c.device) + " by " + std::to_string(c.least));
    auto loaded = Emulated::load(c.device);
    const Driver& driver = loaded->driver;
    CUdevResource from = whole(driver), rest{};
    std::vector<CUdevResource> parts(c.groups);
    unsigned made = c.groups, possible = 0;
    CUresult code =
        driver.devSmResourceSplitByCount(parts.data(), &made, &from, &rest, 0, c.least);
    if (c.made == 0) {
      EXPECT_EQ(code, CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
      continue;
    }
    ASSERT_EQ(code, CUDA_SUCCESS);
    EXPECT_EQ(made, c.made);
    for (unsigned i = 0; i < made; ++i) EXPECT_EQ(parts[i].sm.smCount, c.each);
    EXPECT_EQ(rest.type, c.rest ? CU_DEV_RESOURCE_TYPE_SM : CU_DEV_RESOURCE_TYPE_INVALID);
    EXPECT_EQ(rest.sm.smCount, c.rest);
    ASSERT_EQ(driver.devSmResourceSplitByCount(nullptr, &possible, &from, nullptr, 0, c.least),
              CUDA_SUCCESS);
    EXPECT_EQ(possible, from.sm.smCount / c.each) << "asked without an array";
  }
}

TEST(EmulatedGreen, SplitsThatNoDriverMakesAreRefused) {
  auto loaded = Emulated::load("2xH100:1GiB");
  const Driver& driver = loaded->driver;
  CUdevResource from = whole(driver), none{}, other = whole(driver, 1);
  unsigned groups = 2;
  std::vector<CUdevResource> out(2);
  EXPECT_EQ(driver.deviceGetDevResource(7, &none, CU_DEV_RESOURCE_TYPE_SM),
            CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(driver.deviceGetDevResource(0, &none, CU_DEV_RESOURCE_TYPE_INVALID),
            CUDA_ERROR_INVALID_RESOURCE_TYPE);
  EXPECT_EQ(driver.devSmResourceSplitByCount(out.data(), &groups, &none, nullptr, 0, 8),
            CUDA_ERROR_INVALID_RESOURCE_TYPE);
  EXPECT_EQ(driver.devSmResourceSplitByCount(out.data(), &groups, &from, nullptr, 0, 133),
            CUDA_ERROR_INVALID_VALUE);
  auto parts = split(driver, from, 2, 64);
  EXPECT_EQ(driver.devSmResourceSplitByCount(out.data(), &groups, &parts[0], nullptr, 0, 8),
            CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION)
      << "a part of a part";
  CUdevResourceDesc desc = nullptr;
  CUdevResource twice[] = {parts[0], parts[0]}, both[] = {from, other};
  EXPECT_EQ(driver.devResourceGenerateDesc(&desc, twice, 2),
            CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
  EXPECT_EQ(driver.devResourceGenerateDesc(&desc, both, 2),
            CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
  ASSERT_EQ(driver.devResourceGenerateDesc(&desc, parts.data(), 2), CUDA_SUCCESS);
  CUgreenCtx green = nullptr;
  EXPECT_EQ(driver.greenCtxCreate(&green, desc, 1, CU_GREEN_CTX_DEFAULT_STREAM),
            CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(driver.greenCtxCreate(&green, desc, 0, 0), CUDA_ERROR_INVALID_VALUE);
}

TEST(EmulatedGreen, KernelsOfAPartRunOnItsMultiprocessorsWithTheWholesMemoryAndModules) {
  Emulated gpu("1xH100:1GiB");
  const Driver& driver = gpu.driver();
  Module module = gpu.load(driver, kCountsMultiprocessors);
  CUfunction counts = gpu.find(module, "counts");
  CUdeviceptr out = gpu.upload(std::vector<unsigned>{0});
  CUgreenCtx green = makeGreen(driver, split(driver, whole(driver), 4, 32)[1]);
  CUstream part = nullptr;
  EXPECT_EQ(driver.greenCtxStreamCreate(&part, green, CU_STREAM_DEFAULT, 0),
            CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(driver.greenCtxStreamCreate(&part, green, CU_STREAM_NON_BLOCKING, -1), CUDA_SUCCESS);

  ASSERT_EQ(enqueue(driver, counts, {}, part, out), CUDA_SUCCESS);
  ASSERT_EQ(driver.ctxSynchronize(), CUDA_SUCCESS) << "waits for the parts as well";
  EXPECT_EQ(gpu.download<unsigned>(out, 1)[0], 32u);
  ASSERT_EQ(run(driver, counts, {}, out), CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<unsigned>(out, 1)[0], 132u);

  CUcontext context = nullptr, ofStream = nullptr;
  ASSERT_EQ(driver.ctxFromGreenCtx(&context, green), CUDA_SUCCESS);
  EXPECT_NE(context, gpu.context());
  ASSERT_EQ(driver.streamGetCtx(part, &ofStream), CUDA_SUCCESS);
  EXPECT_EQ(ofStream, context);
  {
    CurrentContext current(driver, context);
    ASSERT_EQ(run(driver, counts, {}, out), CUDA_SUCCESS) << "its own default stream";
    EXPECT_EQ(gpu.download<unsigned>(out, 1)[0], 32u);
    Module later = gpu.load(driver, kCountsMultiprocessors);
    EXPECT_EQ(enqueue(driver, gpu.find(later, "counts"), {}, part, out), CUDA_SUCCESS);
    EXPECT_EQ(driver.streamSynchronize(part), CUDA_SUCCESS);
  }
  EXPECT_EQ(driver.streamDestroy(part), CUDA_SUCCESS);
  EXPECT_EQ(driver.greenCtxDestroy(green), CUDA_SUCCESS);
}

TEST(EmulatedGreen, EventsBelongToThePartTheyWereMadeInAndOthersMayWaitForThem) {
  Emulated gpu("1xH100:1GiB");
  const Driver& driver = gpu.driver();
  CUgreenCtx green = makeGreen(driver, split(driver, whole(driver), 1, 8)[0]);
  CUstream part = nullptr;
  CUcontext context = nullptr;
  ASSERT_EQ(driver.greenCtxStreamCreate(&part, green, CU_STREAM_NON_BLOCKING, 0), CUDA_SUCCESS);
  ASSERT_EQ(driver.ctxFromGreenCtx(&context, green), CUDA_SUCCESS);
  auto outside = createEvent(driver);
  EXPECT_EQ(driver.eventRecord(outside.value().get(), part), CUDA_ERROR_INVALID_HANDLE);
  {
    CurrentContext current(driver, context);
    auto inside = createEvent(driver);
    EXPECT_EQ(driver.eventRecord(inside.value().get(), part), CUDA_SUCCESS);
    CurrentContext primary(driver, gpu.context());
    auto stream = createStream(driver);
    EXPECT_EQ(driver.streamWaitEvent(stream.value().get(), inside.value().get(), 0), CUDA_SUCCESS);
    EXPECT_EQ(driver.streamSynchronize(stream.value().get()), CUDA_SUCCESS);
  }
  EXPECT_EQ(driver.greenCtxDestroy(green), CUDA_SUCCESS);
}

TEST(EmulatedGreen, APartKeepsItsDevicesContextAndSharesItsFailure) {
  auto loaded = Emulated::load("1xH100:1GiB");
  const Driver& driver = loaded->driver;
  CUgreenCtx green = nullptr;
  CUcontext primary = nullptr, context = nullptr;
  CUdeviceptr nowhere = 64;
  int active = 0;
  ASSERT_EQ(driver.devicePrimaryCtxRetain(&primary, 0), CUDA_SUCCESS);
  green = makeGreen(driver, whole(driver));
  ASSERT_EQ(driver.devicePrimaryCtxRelease(0), CUDA_SUCCESS);
  driver.devicePrimaryCtxGetState(0, nullptr, &active);
  EXPECT_EQ(active, 1) << "retained by the part";
  ASSERT_EQ(driver.ctxFromGreenCtx(&context, green), CUDA_SUCCESS);
  {
    CurrentContext current(driver, context);
    std::string log;
    auto module = loadModule(driver, kCountsMultiprocessors, log);
    auto counts = findFunction(driver, module.value(), "counts");
    EXPECT_EQ(run(driver, counts.value(), {}, nowhere), CUDA_ERROR_ILLEGAL_ADDRESS);
    CurrentContext whole(driver, primary);
    EXPECT_EQ(driver.ctxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  }
  EXPECT_EQ(driver.greenCtxDestroy(green), CUDA_SUCCESS);
  EXPECT_EQ(driver.greenCtxDestroy(green), CUDA_ERROR_INVALID_CONTEXT);
  driver.devicePrimaryCtxGetState(0, nullptr, &active);
  EXPECT_EQ(active, 0);
}

TEST(EmulatedGreen, ADriverMayBeWithoutThem) {
  auto without = Emulated::load("1xH100:1GiB;green=off");
  EXPECT_EQ(without->driver.greenCtxCreate, nullptr);
  EXPECT_EQ(without->driver.deviceGetDevResource, nullptr);
  EXPECT_NE(without->driver.funcGetParamInfo, nullptr);
  auto with = Emulated::load("1xH100:1GiB;green=on");
  EXPECT_NE(with->driver.greenCtxCreate, nullptr);
  EXPECT_NE(with->driver.greenCtxStreamCreate, nullptr);
}

TEST(EmulatedIpc, IsRefusedSinceEachProcessHasDevicesOfItsOwn) {
  Emulated gpu;
  CUipcMemHandle memory{};
  CUipcEventHandle event{};
  CUdeviceptr at = gpu.upload(std::vector<int>{1});
  EXPECT_EQ(gpu.driver().ipcGetMemHandle(&memory, at), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(gpu.driver().ipcGetEventHandle(&event, nullptr), CUDA_ERROR_NOT_SUPPORTED);
}

}  // namespace
}  // namespace alnilam::gpu
