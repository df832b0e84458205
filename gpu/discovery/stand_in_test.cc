// Emulated devices in place of the GPUs of machines that are only described.

#include "gpu/discovery/stand_in.h"

#include "gpu/discovery/discover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Source fixture(const std::string& file) { return Source::file(ALNILAM_TOPOLOGIES + file); }

// A machine as a node that matches it sees it, through the emulator's own driver functions.
Topology matched(const std::string& file, const std::string& emulate = "match",
                 std::optional<std::string_view> visible = std::nullopt) {
  auto config = matchEmulation(emulate, fixture(file));
  EXPECT_TRUE(config) << config.error().why;
  auto library = findEmulator("");
  EXPECT_TRUE(library) << library.error().why;
  if (!config || !library) return {};
  auto loaded = loadEmulator(library.value(), config.value());
  EXPECT_TRUE(loaded) << loaded.error().why << " of " << config.value();
  if (!loaded) return {};
  auto offered = offer(loaded.value(), visible);
  EXPECT_TRUE(offered) << offered.error().why;
  auto found = discover(fixture(file), survey(&loaded.value(), "", offered.value(), visible));
  EXPECT_TRUE(found) << found.error().why;
  return found.value();
}

bool reaches(const Topology& node, std::size_t a, std::size_t b, LinkClass kind) {
  return node.links[a * node.gpus.size() + b].kind == kind;
}

struct Machine {
  const char* file;
  const char* label;
  Bytes memory;
  std::uint32_t capability;  // 0: that of the emulator's plain device
  std::vector<std::uint32_t> domains;
  std::function<LinkClass(std::size_t a, std::size_t b)> link;
};

LinkClass allNvlink(std::size_t, std::size_t) { return LinkClass::nvlink; }
LinkClass pairsPcie(std::size_t a, std::size_t b) {
  return a / 2 == b / 2 ? LinkClass::pcie : LinkClass::host;
}

const Machine kMachines[] = {
    {"hwloc-nvidiaDGX2.xml", "Tesla V100-SXM3-32GB-H [emulated]", 32_GiB, 0,
     {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}, allNvlink},
    {"hwloc-power8gpudistances.xml", "Tesla P100-SXM2-16GB [emulated]", 16671616_KiB, 0,
     {0, 0, 1, 1},
     [](auto a, auto b) { return a / 2 == b / 2 ? LinkClass::nvlink : LinkClass::host; }},
    {"mpibind-coral-lassen.xml", "Tesla V100-SXM2-16GB [emulated]", 0, 0, {0, 0, 1, 1}, pairsPcie},
    {"mpibind-cts1-pascal.xml", "Tesla P100-PCIE-16GB [emulated]", 0, 0, {0, 0}, pairsPcie},
    {"mpibind-g4dnmetal.xml", "Tesla T4 [emulated]", 0, 75, {0, 0, 0, 0, 1, 1, 1, 1}, pairsPcie},
    {"synthetic-hgx-h100-8g8n.xml", "NVIDIA H100 80GB HBM3 [emulated]", 80_GiB, 90,
     {0, 0, 0, 0, 1, 1, 1, 1}, allNvlink},
    {"synthetic-p4d-a100-8g4n.xml", "NVIDIA A100-SXM4-40GB [emulated]", 40_GiB, 80,
     {0, 0, 0, 0, 1, 1, 1, 1}, allNvlink},
};

// The thread sanitizer leaves little address space, of which emulated memory takes its size.
#ifdef __SANITIZE_THREAD__
constexpr Bytes kMostMemory = 256_GiB;
#else
constexpr Bytes kMostMemory = 1_TiB;
#endif

TEST(StandIn, EveryDescribedMachineIsMatchedDeviceByDevice) {
  for (const Machine& want : kMachines) {
    SCOPED_TRACE(want.file);
    if (want.memory * want.domains.size() > kMostMemory) continue;
    auto shown = picture(fixture(want.file));
    ASSERT_TRUE(shown);
    Topology node = matched(want.file);
    ASSERT_EQ(node.gpus.size(), want.domains.size());
    for (std::size_t i = 0; i < node.gpus.size(); ++i) {
      SCOPED_TRACE(i);
      const Gpu& gpu = node.gpus[i];
      EXPECT_EQ(gpu.label(), want.label);
      EXPECT_EQ(gpu.domain, want.domains[i]);
      EXPECT_EQ(gpu.pciAddress, shown.value().gpus[i].pciAddress);
      EXPECT_THAT(gpu.uuid, StartsWith("EMU-"));
      EXPECT_GT(gpu.copyEngines, 0u);
      EXPECT_EQ(gpu.memory, want.memory != 0 ? want.memory : gpu.memory);
      EXPECT_GE(gpu.memory, 14_GiB);
      EXPECT_EQ(gpu.computeCapability, want.capability != 0 ? want.capability : 90u);
      for (std::size_t j = 0; j < node.gpus.size(); ++j) {
        if (i == j) continue;
        EXPECT_TRUE(reaches(node, i, j, want.link(i, j))) << j;
        EXPECT_EQ(node.links[i * node.gpus.size() + j].megabytesPerSecond,
                  shown.value().links[i * node.gpus.size() + j].megabytesPerSecond);
      }
    }
    EXPECT_THAT(node.features, testing::Contains("links: from " + std::string(want.file)));
  }
}

// What the driver says of peers agrees with what the topology says of links.
TEST(StandIn, TheEmulatedDriverHasTheLinksOfTheMachine) {
  auto config = matchEmulation("match", fixture("hwloc-power8gpudistances.xml"));
  auto library = findEmulator("");
  ASSERT_TRUE(config && library);
  auto loaded = loadEmulator(library.value(), config.value());
  ASSERT_TRUE(loaded) << loaded.error().why;
  auto offered = offer(loaded.value(), std::nullopt);
  ASSERT_TRUE(offered);
  Survey made = survey(&loaded.value(), "", offered.value(), std::nullopt);
  EXPECT_TRUE(made.peers[0 * 4 + 1].access && made.peers[0 * 4 + 1].atomics);
  EXPECT_FALSE(made.peers[1 * 4 + 2].access);
}

TEST(StandIn, VisibleDevicesKeepTheirSeats) {
  Topology node = matched("synthetic-hgx-h100-8g8n.xml", "match:1GiB", "5,2");
  ASSERT_EQ(node.gpus.size(), 2u);
  EXPECT_EQ(node.gpus[0].domain, 0u);
  EXPECT_EQ(node.gpus[1].domain, 1u);
  auto all = picture(fixture("synthetic-hgx-h100-8g8n.xml"));
  ASSERT_TRUE(all);
  EXPECT_EQ(node.gpus[0].pciAddress, all.value().gpus[2].pciAddress);
  EXPECT_EQ(node.gpus[1].pciAddress, all.value().gpus[5].pciAddress);
  EXPECT_EQ(node.gpus[1].memory, 1_GiB);
}

TEST(StandIn, SettingsFollowAsTheyDoAfterDevices) {
  auto seeded = matchEmulation("match;seed=3;green=off", fixture("mpibind-cts1-pascal.xml"));
  ASSERT_TRUE(seeded) << seeded.error().why;
  EXPECT_EQ(seeded.value(),
            "1x16671616KiB,1x16671616KiB;pci=0000:04:00.0@0;pci=0000:07:00.0@1;"
            "links=none@all,pcie:16GB/s@0-1;seed=3;green=off");
  Topology one = matched("mpibind-cts1-pascal.xml", "match;seed=1");
  Topology two = matched("mpibind-cts1-pascal.xml", "match;seed=2");
  EXPECT_NE(one.gpus.at(0).uuid, two.gpus.at(0).uuid);
}

TEST(StandIn, WhatIsNoMatchIsLeftAlone) {
  auto plain = matchEmulation("2x4GiB;launch=3", Source::live());
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain.value(), "2x4GiB;launch=3");
}

TEST(StandIn, RefusesInOneSentence) {
  struct Row {
    std::string emulate;
    Source source;
    const char* says;
  };
  const Row rows[] = {
      {"match", Source::live(), "there is no --topology"},
      {"match", Source::synthetic("pack:1 core:2 pu:1"), "has no GPU"},
      {"match:lots", fixture("mpibind-g4dnmetal.xml"), "lots"},
      {"matching", fixture("mpibind-g4dnmetal.xml"), "\"ing\" is neither :SIZE nor ;SETTING"},
      {"match", Source::file("/nowhere.xml"), "No such file"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.emulate);
    auto refused = matchEmulation(row.emulate, row.source);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().why, HasSubstr(row.says));
  }
  Topology machine;
  machine.gpus.resize(1);
  machine.gpus[0].model = "Quadro";
  machine.links.resize(1);
  auto unknown = matchMachine(machine, "");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().why, HasSubstr("the memory of GPU 0, a Quadro"));
}

}  // namespace
}  // namespace alnilam::gpu
