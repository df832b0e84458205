// What drivers say of a machine: NVML by a library that tells what a script says, CUDA by a table
// of a few functions.

#include "gpu/discovery/survey.h"

#include "gpu/driver/fake_nvml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dlfcn.h>

#include <cstdio>
#include <cstring>

namespace alnilam::gpu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void tell(const std::string& script) {
  static std::string kept;
  kept = script;
  void* fake = dlopen(ALNILAM_FAKE_NVML, RTLD_NOW);
  ASSERT_NE(fake, nullptr) << dlerror();
  reinterpret_cast<nvml::FakeNvmlTell*>(dlsym(fake, "fakeNvmlTell"))(kept.c_str());
}

// A CUDA driver's devices, of whom only discovery asks.
struct FakeDevice {
  const char* name;
  const char* pci;
  int computeMode = CU_COMPUTEMODE_DEFAULT;
  int ecc = 0;
};
std::vector<FakeDevice> cards;

CUresult attributeOf(int* value, CUdevice_attribute which, CUdevice device) {
  switch (which) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE: *value = cards[device].computeMode; break;
    case CU_DEVICE_ATTRIBUTE_ECC_ENABLED: *value = cards[device].ecc; break;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: *value = 3; break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 80; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 7; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = 0; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

Loaded fakeDriver(std::vector<FakeDevice> devices) {
  cards = std::move(devices);
  Loaded loaded;
  loaded.version = 12040;
  Driver& d = loaded.driver;
  d.deviceGetCount = [](int* count) {
    *count = static_cast<int>(cards.size());
    return CUDA_SUCCESS;
  };
  d.deviceGet = [](CUdevice* device, int ordinal) {
    *device = ordinal;
    return CUDA_SUCCESS;
  };
  d.deviceGetName = [](char* name, int length, CUdevice device) {
    std::snprintf(name, static_cast<std::size_t>(length), "%s", cards[device].name);
    return CUDA_SUCCESS;
  };
  d.deviceGetUuid = [](CUuuid* uuid, CUdevice device) {
    std::memset(uuid, 0, sizeof *uuid);
    uuid->bytes[15] = static_cast<char>(device + 1);
    return CUDA_SUCCESS;
  };
  d.deviceGetPCIBusId = [](char* text, int length, CUdevice device) {
    std::snprintf(text, static_cast<std::size_t>(length), "%s", cards[device].pci);
    return CUDA_SUCCESS;
  };
  d.deviceTotalMem = [](std::size_t* bytes, CUdevice) {
    *bytes = 16_GiB;
    return CUDA_SUCCESS;
  };
  d.deviceGetAttribute = attributeOf;
  d.deviceCanAccessPeer = [](int* can, CUdevice, CUdevice) {
    *can = 1;
    return CUDA_SUCCESS;
  };
  d.deviceGetP2PAttribute = [](int* value, CUdevice_P2PAttribute which, CUdevice a, CUdevice b) {
    bool near = a / 2 == b / 2;
    *value = which == CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK ? !near : near;
    return CUDA_SUCCESS;
  };
  return loaded;
}

std::string uuid(int ordinal, const char* kind = "GPU") {
  return std::string(kind) + "-00000000-0000-0000-0000-00000000000" + std::to_string(ordinal + 1);
}

Survey surveyOf(const Loaded& loaded, std::optional<std::string_view> visible = std::nullopt,
                const std::string& library = ALNILAM_FAKE_NVML) {
  auto offered = offer(loaded, visible);
  EXPECT_TRUE(offered) << offered.error().why;
  return survey(&loaded, "", offered.value(), visible, library);
}

TEST(Offer, TakesWhatTheDriverKnowsOfADevice) {
  Loaded loaded = fakeDriver({{"Tesla V100", "0000:3B:00.0", CU_COMPUTEMODE_EXCLUSIVE_PROCESS, 1},
                              {"NVIDIA A100 MIG 1g.5gb", "0000:5E:00.0"}});
  auto offered = offer(loaded, std::nullopt);
  ASSERT_TRUE(offered) << offered.error().why;
  ASSERT_EQ(offered.value().size(), 2u);
  const Gpu& gpu = offered.value()[0].gpu;
  EXPECT_EQ(gpu.uuid, uuid(0));
  EXPECT_EQ(gpu.pciAddress, "0000:3b:00.0");
  EXPECT_EQ(gpu.copyEngines, 3u);
  EXPECT_EQ(gpu.multiprocessors, 80u);
  EXPECT_TRUE(gpu.errorCorrection);
  EXPECT_TRUE(gpu.exclusive);
  EXPECT_EQ(gpu.parent, "");
  const Gpu& instance = offered.value()[1].gpu;
  EXPECT_EQ(instance.uuid, uuid(1, "MIG"));
  EXPECT_EQ(instance.parent, "0000:5e:00.0") << "without NVML nobody knows its GPU's UUID";
  EXPECT_FALSE(instance.errorCorrection || instance.exclusive);
}

TEST(Survey, ADeviceThatAdmitsNoProcessIsNotOfferedAndNamed) {
  tell("");
  Loaded loaded = fakeDriver({{"Tesla T4", "0000:3b:00.0", CU_COMPUTEMODE_PROHIBITED},
                              {"Tesla V100", "0000:5e:00.0"}});
  Survey made = surveyOf(loaded);
  ASSERT_EQ(made.offered.size(), 1u);
  EXPECT_EQ(made.offered[0].ordinal, 1);
  EXPECT_THAT(made.notOffered, ElementsAre(HasSubstr("device 0 (Tesla T4): its compute mode is "
                                                     "prohibited")));
}

TEST(Survey, AsksPeersAndSaysWhyNvmlDidNotAnswer) {
  Loaded loaded = fakeDriver({{"A", "0000:01:00.0"}, {"B", "0000:02:00.0"}, {"C", "0000:03:00.0"}});
  Survey made = surveyOf(loaded, std::nullopt, "libnvidia-ml-that-nobody-has.so.1");
  ASSERT_EQ(made.peers.size(), 9u);
  EXPECT_TRUE(made.peers[1].access && made.peers[1].atomics && made.peers[1].rank == 0);
  EXPECT_TRUE(made.peers[2].access && !made.peers[2].atomics && made.peers[2].rank == 1);
  EXPECT_FALSE(made.nvml);
  ASSERT_EQ(made.features.size(), 4u);
  EXPECT_EQ(made.features[0], "driver: CUDA driver 12.4");
  EXPECT_EQ(made.features[1], "shares: stream priority, memory bound");
  EXPECT_EQ(made.features[2], "sm share: no (the driver lacks cuGreenCtxStreamCreate)");
  EXPECT_THAT(made.features[3], HasSubstr("links: from peer attributes (no NVML: "));
  EXPECT_THAT(made.features[3], HasSubstr("libnvidia-ml-that-nobody-has.so.1"));
}

TEST(Survey, ReadsLinksSwitchesAndPathsFromNvml) {
  tell("gpu GPU-a 0000:3b:00.0 V\ngpu GPU-b 0000:5e:00.0 V\ngpu GPU-c 0000:86:00.0 V\n"
       "nvlink 0 0 gpu1\nnvlink 0 1 gpu1\nnvlink 0 2 switch\nnvlink 0 3 npu\ndark 0 4\n"
       "nvlink 1 0 gpu0\nancestor 0 1 10\np2p 0 2 4");
  Survey made = surveyOf(fakeDriver({{"V", "0000:3b:00.0"}}));
  ASSERT_TRUE(made.nvml);
  ASSERT_EQ(made.nvml->gpus.size(), 3u);
  const auto& first = made.nvml->gpus[0];
  EXPECT_EQ(first.uuid, "GPU-a");
  EXPECT_EQ(first.pciAddress, "0000:3b:00.0");
  using To = NvmlReading::Nvlink::To;
  ASSERT_EQ(first.nvlinks.size(), 4u) << "those that are not active do not count";
  EXPECT_EQ(first.nvlinks[1].to, To::gpu);
  EXPECT_EQ(first.nvlinks[1].remote, "0000:5e:00.0");
  EXPECT_EQ(first.nvlinks[2].to, To::nvswitch);
  EXPECT_EQ(first.nvlinks[3].to, To::other);
  EXPECT_EQ(made.nvml->pairs[0 * 3 + 1].ancestor, nvml::kOneSwitch);
  EXPECT_EQ(made.nvml->pairs[1 * 3 + 2].ancestor, nvml::kSystem);
  EXPECT_TRUE(made.nvml->pairs[2 * 3 + 0].nvlinkDenied);
  EXPECT_FALSE(made.nvml->pairs[0 * 3 + 1].nvlinkDenied);
  EXPECT_EQ(made.features.back(), "links: from NVML 550.54.15");
}

TEST(Survey, OldNvmlTellsASwitchByItsVendor) {
  tell("gpu GPU-a 0000:3b:00.0 V\ngpu GPU-b 0000:5e:00.0 V\n"
       "nvlink 0 0 gpu1\nnvlink 0 1 switch\nnvlink 0 2 npu");
  auto loaded = nvml::load(ALNILAM_FAKE_NVML);
  ASSERT_TRUE(loaded);
  loaded.value()->nvlinkRemoteType = nullptr;
  NvmlReading reading = readNvml(*loaded.value());
  using To = NvmlReading::Nvlink::To;
  ASSERT_EQ(reading.gpus.at(0).nvlinks.size(), 3u);
  EXPECT_EQ(reading.gpus[0].nvlinks[0].to, To::gpu);
  EXPECT_EQ(reading.gpus[0].nvlinks[1].to, To::nvswitch);
  EXPECT_EQ(reading.gpus[0].nvlinks[2].to, To::other);
}

TEST(Survey, AGpuThatDoesNotAnswerIsLeftOutAndNamed) {
  tell("gpu GPU-a 0000:3b:00.0 V\ngpu GPU-b 0000:5e:00.0 V\nbroken GPU-a");
  Survey made = surveyOf(fakeDriver({{"V", "0000:3b:00.0"}}));
  ASSERT_TRUE(made.nvml);
  ASSERT_EQ(made.nvml->gpus.size(), 1u);
  EXPECT_EQ(made.nvml->gpus[0].uuid, "GPU-b");
  EXPECT_EQ(made.features.back(),
            "links: from NVML 550.54.15; GPU 0: nvmlDeviceGetUUID answered 15");
}

// A GPU divided into three, of which the driver shows the first, beside a whole one.
std::string divided() {
  return "gpu GPU-a 0000:3b:00.0 NVIDIA_A100\ngpu GPU-b 0000:5e:00.0 NVIDIA_A100\n"
         "mig " + uuid(0, "MIG") + " 0 7 4864 14 NVIDIA_A100_MIG_1g.5gb\n"
         "mig MIG-two 0 8 4864 14 NVIDIA_A100_MIG_1g.5gb\n"
         "mig MIG-three 0 9 9728 28 NVIDIA_A100_MIG_2g.10gb";
}

TEST(Survey, AnInstanceKnowsItsGpuAndThoseNotShownAreNamedWithWhatToDo) {
  tell(divided());
  Survey made = surveyOf(fakeDriver({{"NVIDIA A100 MIG 1g.5gb", "0000:3b:00.0"}}));
  ASSERT_EQ(made.offered.size(), 1u);
  EXPECT_EQ(made.offered[0].gpu.parent, "GPU-a");
  EXPECT_EQ(made.nvml->gpus[0].instances[2].memory, 9728_MiB);
  EXPECT_EQ(made.nvml->gpus[0].instances[2].multiprocessors, 28u);
  EXPECT_EQ(made.nvml->gpus[0].instances[2].gpuInstance, 9u);
  EXPECT_FALSE(made.nvml->gpus[1].mig);
  ASSERT_EQ(made.notOffered.size(), 2u);
  EXPECT_THAT(made.notOffered[0], HasSubstr("MIG-two (NVIDIA A100 MIG 1g.5gb): "));
  EXPECT_THAT(made.notOffered[1],
              HasSubstr("start another node with CUDA_VISIBLE_DEVICES=MIG-three"));
}

TEST(Survey, InstancesThatTheUserRuledOutAreNotMissed) {
  tell(divided());
  Loaded loaded = fakeDriver({{"NVIDIA A100 MIG 1g.5gb", "0000:3b:00.0"}});
  EXPECT_THAT(surveyOf(loaded, uuid(0, "MIG")).notOffered, IsEmpty());
  EXPECT_THAT(surveyOf(loaded, uuid(0, "MIG") + ", mig-TH").notOffered,
              ElementsAre(HasSubstr("MIG-three")));
  EXPECT_THAT(surveyOf(loaded, "0").notOffered, IsEmpty());
}

TEST(Survey, ShareOfMultiprocessorsNeedsAllOfGreenContexts) {
  Driver driver;
  EXPECT_THAT(sharesInForce(driver),
              ElementsAre("shares: stream priority, memory bound", HasSubstr("sm share: no")));
  driver.deviceGetDevResource = [](CUdevice, CUdevResource*, CUdevResourceType) {
    return CUDA_SUCCESS;
  };
  driver.devSmResourceSplitByCount = [](CUdevResource*, unsigned*, const CUdevResource*,
                                        CUdevResource*, unsigned, unsigned) {
    return CUDA_SUCCESS;
  };
  driver.devResourceGenerateDesc = [](CUdevResourceDesc*, CUdevResource*, unsigned) {
    return CUDA_SUCCESS;
  };
  driver.greenCtxStreamCreate = [](CUstream*, CUgreenCtx, unsigned, int) { return CUDA_SUCCESS; };
  driver.ctxFromGreenCtx = [](CUcontext*, CUgreenCtx) { return CUDA_SUCCESS; };
  EXPECT_EQ(sharesInForce(driver)[1], "sm share: no (the driver lacks cuGreenCtxCreate)");
  driver.greenCtxCreate = [](CUgreenCtx*, CUdevResourceDesc, CUdevice, unsigned) {
    return CUDA_SUCCESS;
  };
  EXPECT_EQ(sharesInForce(driver)[1], "sm share: yes, by green contexts");
}

TEST(Survey, SaysWhyThereIsNoDriverOrNoDevice) {
  Survey without = survey(nullptr, "no CUDA driver on this machine", {}, std::nullopt);
  EXPECT_THAT(without.features, ElementsAre("driver: no CUDA driver on this machine"));
  EXPECT_THAT(without.peers, IsEmpty());
  Loaded loaded = fakeDriver({});
  Survey empty = survey(&loaded, "the CUDA driver 12.4 has no device", {}, std::nullopt,
                        ALNILAM_FAKE_NVML);
  EXPECT_THAT(empty.features, ElementsAre("driver: CUDA driver 12.4",
                                          "gpus: none, the CUDA driver 12.4 has no device"));
}

TEST(Addresses, AreWrittenAsTheRestOfAlnilamDoes) {
  EXPECT_EQ(plainAddress("00000000:3B:00.0"), "0000:3b:00.0");
  EXPECT_EQ(plainAddress("0000:3b:00.0"), "0000:3b:00.0");
  EXPECT_EQ(plainAddress("00010000:3B:00.0"), "10000:3b:00.0");
  EXPECT_EQ(plainAddress(""), "");
}

}  // namespace
}  // namespace alnilam::gpu
