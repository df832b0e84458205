// How the driver's devices and hwloc's machine become the topology that a node offers.

#include "gpu/discovery/discover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alnilam::gpu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

OfferedGpu emulatedGpu(int ordinal) {
  OfferedGpu device;
  device.ordinal = ordinal;
  device.gpu.uuid = "EMU-" + std::to_string(ordinal);
  device.gpu.model = "Alnilam";
  device.gpu.pciAddress = "ffff:0" + std::to_string(ordinal) + ":00.0";
  device.gpu.memory = 4_GiB;
  device.gpu.multiprocessors = 4;
  device.gpu.emulated = true;
  return device;
}

OfferedGpu realGpu(int ordinal, std::string address, int numaNode = -1) {
  OfferedGpu device;
  device.ordinal = ordinal;
  device.gpu.uuid = "GPU-" + std::to_string(ordinal);
  device.gpu.model = "NVIDIA T4";
  device.gpu.pciAddress = std::move(address);
  device.gpu.memory = 15_GiB;
  device.numaNode = numaNode;
  return device;
}

Source fixture(const std::string& file) { return Source::file(ALNILAM_TOPOLOGIES + file); }

// Where nobody says more of the devices than what they are.
Result<Topology> found(const Source& source, std::vector<OfferedGpu> devices) {
  return discover(source, Survey::of(std::move(devices)));
}

std::vector<std::uint32_t> domainsOf(const Topology& topology) {
  std::vector<std::uint32_t> domains;
  for (const Gpu& gpu : topology.gpus) domains.push_back(gpu.domain);
  return domains;
}

TEST(Discover, EmulatedDevicesStandInForTheGpusOfADescribedMachine) {
  auto got = found(fixture("hwloc-power8gpudistances.xml"),
                      {emulatedGpu(0), emulatedGpu(1), emulatedGpu(2), emulatedGpu(3)});
  ASSERT_TRUE(got) << got.error().why;
  const Topology& node = got.value();
  ASSERT_EQ(node.gpus.size(), 4u);
  EXPECT_EQ(node.gpus[2].label(), "Tesla P100-SXM2-16GB [emulated]");
  EXPECT_EQ(node.gpus[2].pciAddress, "000a:01:00.0");
  EXPECT_EQ(node.gpus[2].uuid, "EMU-2");
  EXPECT_EQ(node.gpus[2].memory, 4_GiB);
  EXPECT_EQ(node.gpus[2].multiprocessors, 4u);
  EXPECT_THAT(domainsOf(node), ElementsAre(0, 0, 1, 1));
  EXPECT_EQ(node.links[2 * 4 + 3].kind, LinkClass::nvlink);
  EXPECT_EQ(node.links[1 * 4 + 2].kind, LinkClass::host);
}

TEST(Discover, FewerEmulatedDevicesLeaveGpusOutAndMoreAreSpreadOverTheDomains) {
  auto fewer = found(fixture("mpibind-g4dnmetal.xml"), {emulatedGpu(0), emulatedGpu(1)});
  auto more = found(fixture("mpibind-cts1-pascal.xml"),
                       {emulatedGpu(0), emulatedGpu(1), emulatedGpu(2), emulatedGpu(3)});
  ASSERT_TRUE(fewer && more);
  EXPECT_EQ(fewer.value().gpus.size(), 2u);
  EXPECT_EQ(fewer.value().links.size(), 4u);
  EXPECT_THAT(domainsOf(more.value()), ElementsAre(0, 0, 0, 1));
  EXPECT_EQ(more.value().gpus[3].label(), "Alnilam [emulated]");
  EXPECT_EQ(more.value().links[0 * 4 + 3].kind, LinkClass::host);
}

TEST(Discover, WithoutGpusToStandInForEmulatedDevicesAreSpreadEvenly) {
  auto got = found(Source::synthetic("pack:2 [numa(memory=8GB)] core:2 pu:1"),
                      {emulatedGpu(0), emulatedGpu(1), emulatedGpu(2), emulatedGpu(3)});
  ASSERT_TRUE(got) << got.error().why;
  EXPECT_THAT(domainsOf(got.value()), ElementsAre(0, 0, 1, 1));
}

TEST(Discover, RealDevicesAreJoinedByPciAddressAndTheDriverDecidesWhichThereAre) {
  auto got = found(fixture("mpibind-g4dnmetal.xml"),
                      {realGpu(1, "0000:35:00.0"), realGpu(0, "0000:e8:00.0"),
                       realGpu(2, "0001:00:00.0", 1), realGpu(3, "", 7)});
  ASSERT_TRUE(got) << got.error().why;
  EXPECT_THAT(domainsOf(got.value()), ElementsAre(0, 1, 1, 0));
  EXPECT_EQ(got.value().gpus[1].model, "NVIDIA T4");
  EXPECT_EQ(got.value().gpus[1].memory, 15_GiB);
  EXPECT_EQ(got.value().gpus[1].label(), "NVIDIA T4");
}

TEST(Discover, WithoutADriverANodeOffersNoGpuButAPictureShowsThem) {
  auto node = found(fixture("mpibind-g4dnmetal.xml"), {});
  auto shown = picture(fixture("mpibind-g4dnmetal.xml"));
  ASSERT_TRUE(node && shown);
  EXPECT_TRUE(node.value().gpus.empty());
  EXPECT_TRUE(node.value().links.empty());
  EXPECT_EQ(shown.value().gpus.size(), 8u);
}

TEST(Discover, LinksOfDescribedMachinesAreTheirsAndOthersAreAsPeersSay) {
  Survey survey = Survey::of(
      {emulatedGpu(0), emulatedGpu(1), emulatedGpu(2), emulatedGpu(3), emulatedGpu(4)});
  survey.peers.resize(25, {true, false, 0});
  survey.features = {"driver: emulated CUDA driver 13.0", "links: from peer attributes"};
  survey.notOffered = {"GPU-7 (Tesla T4): its compute mode is prohibited"};
  auto described = discover(fixture("hwloc-power8gpudistances.xml"), survey);  // it has four
  auto live = discover(Source::live(), survey);
  ASSERT_TRUE(described && live);
  const auto& links = described.value().links;
  EXPECT_EQ(links[0 * 5 + 1].kind, LinkClass::nvlink);
  EXPECT_EQ(links[1 * 5 + 2].kind, LinkClass::host);
  EXPECT_EQ(links[0 * 5 + 4].kind, LinkClass::pcie);
  EXPECT_EQ(live.value().links[0 * 5 + 1].kind, LinkClass::pcie);
  EXPECT_THAT(described.value().features,
              ElementsAre("driver: emulated CUDA driver 13.0",
                          "links: from hwloc-power8gpudistances.xml",
                          "not offered: GPU-7 (Tesla T4): its compute mode is prohibited"));
  EXPECT_EQ(live.value().features[1], "links: from peer attributes");
}

TEST(Discover, TheLiveMachineTakesEmulatedDevices) {
  auto got = found(Source::live(), {emulatedGpu(0), emulatedGpu(1)});
  ASSERT_TRUE(got) << got.error().why;
  ASSERT_EQ(got.value().gpus.size(), 2u);
  EXPECT_EQ(got.value().gpus[1].label(), "Alnilam [emulated]");
  EXPECT_GT(got.value().total().memory, 0u);
}

TEST(Discover, MoreDevicesThanANodeMayHaveAreRefused) {
  std::vector<OfferedGpu> many;
  for (int i = 0; i < 65; ++i) many.push_back(emulatedGpu(i));
  auto got = found(Source::live(), many);
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().why, HasSubstr("65"));
}

TEST(Describe, IsATreeThatSaysWhatIsEmulatedAndHowGpusReachEachOther) {
  auto got = found(fixture("hwloc-power8gpudistances.xml"),
                      {emulatedGpu(0), emulatedGpu(1), emulatedGpu(2), emulatedGpu(3)});
  ASSERT_TRUE(got);
  EXPECT_EQ(describe(got.value()),
            "drac-12.grenoble.grid5000.fr (hwloc-power8gpudistances.xml): 2 packages, 8 cores, "
            "127.6GiB, 4 GPUs\n"
            "  package 0\n"
            "    domain 0  63.8GiB  4 cores (cpu 0,8,16,24)\n"
            "      gpu 0  Tesla P100-SXM2-16GB [emulated]  4GiB  0002:01:00.0  "
            "4 multiprocessors  EMU-0\n"
            "      gpu 1  Tesla P100-SXM2-16GB [emulated]  4GiB  0003:01:00.0  "
            "4 multiprocessors  EMU-1\n"
            "  package 1\n"
            "    domain 1  63.7GiB  4 cores (cpu 80,88,96,104)\n"
            "      gpu 2  Tesla P100-SXM2-16GB [emulated]  4GiB  000a:01:00.0  "
            "4 multiprocessors  EMU-2\n"
            "      gpu 3  Tesla P100-SXM2-16GB [emulated]  4GiB  000b:01:00.0  "
            "4 multiprocessors  EMU-3\n"
            "  links\n"
            "    gpu 0  NVLink 40 GB/s to 1; host to 2-3\n"
            "    gpu 1  NVLink 40 GB/s to 0; host to 2-3\n"
            "    gpu 2  NVLink 40 GB/s to 3; host to 0-1\n"
            "    gpu 3  NVLink 40 GB/s to 2; host to 0-1\n");
}

TEST(Describe, NamesWhatIsSpecialOfADeviceAndHowAnnotationsAreKept) {
  OfferedGpu device = realGpu(0, "0000:18:00.0");
  device.gpu.copyEngines = 3;
  device.gpu.errorCorrection = device.gpu.exclusive = true;
  device.gpu.uuid = "MIG-1";
  device.gpu.parent = "GPU-7";
  Survey survey = Survey::of({device});
  survey.features = {"sm share: by green contexts"};
  auto got = discover(fixture("mpibind-g4dnmetal.xml"), survey);
  ASSERT_TRUE(got);
  std::string text = describe(got.value(), {{0, "it is lost"}, {7, "nobody's"}});
  EXPECT_THAT(text, HasSubstr("instance of GPU-7  OUT OF SERVICE: it is lost\n"));
  EXPECT_THAT(text, Not(HasSubstr("nobody's")));
  EXPECT_THAT(text,
              HasSubstr("  3 copy engines  ECC  one process only  MIG-1  instance of GPU-7"));
  EXPECT_THAT(text, HasSubstr("\n  sm share: by green contexts\n"));
}

TEST(Describe, SaysSoWhereMemoryIsUnknown) {
  auto shown = picture(fixture("hwloc-nvidiaDGX2.xml"));
  ASSERT_TRUE(shown);
  std::string text = describe(shown.value());
  EXPECT_THAT(text, HasSubstr("gpu 15  Tesla V100-SXM3-32GB-H  memory unknown  0000:e7:00.0"));
  EXPECT_THAT(text, HasSubstr("gpu 0  NVLink 150 GB/s to 1-15\n"));
  EXPECT_THAT(text, Not(HasSubstr("emulated")));
}

}  // namespace
}  // namespace alnilam::gpu
