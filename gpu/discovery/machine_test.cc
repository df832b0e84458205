// What hwloc says of machines with GPUs, of this machine, and of what is no machine.

#include "gpu/discovery/machine.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdio>
#include <fstream>
#include <set>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

namespace alnilam::gpu {
namespace {

Topology readFixture(const std::string& file) {
  auto read = readMachine(Source::file(ALNILAM_TOPOLOGIES + file));
  EXPECT_TRUE(read) << read.error().why;
  return read ? read.value() : Topology{};
}

struct Machine {
  const char* file;
  std::size_t packages, domains, cores, gpus, nics;
  const char* model;
  const char* first;       // PCI address of gpu 0
  std::vector<std::uint32_t> gpuDomains;
};

const Machine kMachines[] = {
    {"hwloc-nvidiaDGX2.xml", 2, 2, 4, 16, 0, "Tesla V100-SXM3-32GB-H", "0000:34:00.0",
     {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"hwloc-power8gpudistances.xml", 2, 2, 8, 4, 0, "Tesla P100-SXM2-16GB", "0002:01:00.0",
     {0, 0, 1, 1}},
    {"mpibind-coral-lassen.xml", 2, 2, 40, 4, 6, "Tesla V100-SXM2-16GB", "0004:04:00.0",
     {0, 0, 1, 1}},
    {"mpibind-cts1-pascal.xml", 2, 2, 36, 2, 3, "Tesla P100-PCIE-16GB", "0000:04:00.0", {0, 0}},
    {"mpibind-g4dnmetal.xml", 2, 2, 48, 8, 2, "Tesla T4", "0000:18:00.0",
     {0, 0, 0, 0, 1, 1, 1, 1}},
    {"synthetic-hgx-h100-8g8n.xml", 2, 2, 96, 8, 8, "NVIDIA H100 80GB HBM3", "0000:11:00.0",
     {0, 0, 0, 0, 1, 1, 1, 1}},
    {"synthetic-p4d-a100-8g4n.xml", 2, 2, 48, 8, 4, "NVIDIA A100-SXM4-40GB", "0000:10:1c.0",
     {0, 0, 0, 0, 1, 1, 1, 1}},
};

TEST(Machine, OfAFileIsCountedByPackagesDomainsCoresAndPciDevices) {
  for (const Machine& want : kMachines) {
    SCOPED_TRACE(want.file);
    Topology got = readFixture(want.file);
    EXPECT_EQ(got.packages, want.packages);
    EXPECT_EQ(got.domains.size(), want.domains);
    EXPECT_EQ(got.cores.size(), want.cores);
    EXPECT_EQ(got.nics.size(), want.nics);
    EXPECT_EQ(got.source, want.file);
    ASSERT_EQ(got.gpus.size(), want.gpus);
    EXPECT_EQ(got.gpus[0].model, want.model);
    EXPECT_EQ(got.gpus[0].pciAddress, want.first);
    std::vector<std::uint32_t> domains;
    for (const Gpu& gpu : got.gpus) {
      domains.push_back(gpu.domain);
      EXPECT_FALSE(gpu.emulated);
    }
    EXPECT_EQ(domains, want.gpuDomains);
    for (const NumaDomain& domain : got.domains) EXPECT_GT(domain.memory, 32_GiB);
    std::set<std::uint32_t> cpus;
    for (const Core& core : got.cores) EXPECT_TRUE(cpus.insert(core.osCpu).second) << core.osCpu;
  }
}

TEST(Machine, TakesMemoryAndMultiprocessorsFromCudasOwnWords) {
  Topology power8 = readFixture("hwloc-power8gpudistances.xml");
  EXPECT_EQ(power8.gpus[3].memory, 16671616_KiB);
  EXPECT_EQ(power8.gpus[3].multiprocessors, 56u);
  EXPECT_EQ(power8.hostname, "drac-12.grenoble.grid5000.fr");
}

struct Wire {
  const char* file;
  std::size_t from, to;
  LinkClass kind;
  std::uint32_t megabytes;
};

const Wire kWires[] = {
    {"hwloc-power8gpudistances.xml", 0, 1, LinkClass::nvlink, 40000},
    {"hwloc-power8gpudistances.xml", 3, 2, LinkClass::nvlink, 40000},
    {"hwloc-power8gpudistances.xml", 1, 2, LinkClass::host, 0},
    {"hwloc-nvidiaDGX2.xml", 0, 15, LinkClass::nvlink, 150000},  // through switches, 6 links each
    {"hwloc-nvidiaDGX2.xml", 7, 8, LinkClass::nvlink, 150000},
    {"synthetic-hgx-h100-8g8n.xml", 0, 7, LinkClass::nvlink, 450000},
    {"synthetic-p4d-a100-8g4n.xml", 5, 2, LinkClass::nvlink, 300000},
    {"mpibind-coral-lassen.xml", 0, 1, LinkClass::pcie, 0},
    {"mpibind-coral-lassen.xml", 1, 2, LinkClass::host, 0},
    {"mpibind-g4dnmetal.xml", 3, 4, LinkClass::host, 0},
};

TEST(Machine, LinksAreNvlinkBySwitchOrWireElsePcieBelowABridgeElseTheHost) {
  for (const Wire& want : kWires) {
    SCOPED_TRACE(std::string(want.file) + " " + std::to_string(want.from) + " to " +
                 std::to_string(want.to));
    Topology got = readFixture(want.file);
    ASSERT_EQ(got.links.size(), got.gpus.size() * got.gpus.size());
    const GpuLink& link = got.links[want.from * got.gpus.size() + want.to];
    EXPECT_EQ(static_cast<int>(link.kind), static_cast<int>(want.kind));
    if (want.megabytes != 0) {
      EXPECT_EQ(link.megabytesPerSecond, want.megabytes);
    }
  }
}

TEST(Machine, OfThisHostOffersTheCoresThatThisProcessMayUse) {
  auto all = readMachine(Source::live());
  ASSERT_TRUE(all) << all.error().why;
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  std::uint32_t last = all.value().cores.back().osCpu;
  CPU_ZERO(&one);
  CPU_SET(last, &one);

  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  auto bound = readMachine(Source::live());
  sched_setaffinity(0, sizeof before, &before);

  ASSERT_TRUE(bound) << bound.error().why;
  ASSERT_EQ(bound.value().cores.size(), 1u);
  EXPECT_EQ(bound.value().cores[0].osCpu, last);
  EXPECT_EQ(bound.value().source, "live");
  EXPECT_FALSE(bound.value().hostname.empty());
}

TEST(Machine, OfASyntheticDescriptionHasItsShape) {
  auto got = readMachine(Source::named("synthetic: pack:2 [numa(memory=64GB)] core:4 pu:2"));
  ASSERT_TRUE(got) << got.error().why;
  EXPECT_EQ(got.value().packages, 2u);
  EXPECT_EQ(got.value().domains.size(), 2u);
  EXPECT_EQ(got.value().cores.size(), 8u);
  EXPECT_EQ(got.value().cores[7].domain, 1u);
  EXPECT_EQ(got.value().cores[7].osCpu, 14u);
  EXPECT_EQ(got.value().domains[1].package, 1u);
  EXPECT_EQ(got.value().source, "synthetic: pack:2 [numa(memory=64GB)] core:4 pu:2");
}

std::string fileOf(const char* name, const std::string& content) {
  std::string path = testing::TempDir() + "alnilam_machine_" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string fixtureText(const std::string& file) {
  std::ifstream in(ALNILAM_TOPOLOGIES + file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Machine, WhatIsNoTopologyIsRefusedInOneSentenceAndNothingElseIsPrinted) {
  std::string whole = fixtureText("hwloc-power8gpudistances.xml");
  std::string future = whole;
  future.replace(future.find("version=\"2.0\""), 13, "version=\"3.0\"");
  struct Row {
    Source source;
    const char* says;
  };
  const Row rows[] = {
      {Source::file("/nowhere/x.xml"), "No such file"},
      {Source::file("/tmp"), "cannot be read"},
      {Source::file(fileOf("empty", "")), "it is empty"},
      {Source::file(fileOf("text", "hello\n")), "no <topology> element"},
      {Source::file(fileOf("binary", std::string("\0\1\2<topology", 12))), "not an hwloc topology"},
      {Source::file(fileOf("half", whole.substr(0, whole.size() / 2))), "not an hwloc topology"},
      {Source::file(fileOf("bare", "<topology version=\"2.0\"></topology>")),
       "not an hwloc topology"},
      {Source::file(fileOf("future", future)), "hwloc's format 3.0; hwloc 2 is accepted"},
      {Source::synthetic("two sockets please"), "\"two sockets please\" is no synthetic topology"},
      {Source::synthetic(""), "accepted is for instance"},
      {Source::synthetic("pack:1000000 core:1000000"), "more than 4096 cores"},
      {Source::synthetic("pack:1 core:4097 pu:1"), "4096"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.source.text);
    testing::internal::CaptureStderr();
    auto got = readMachine(row.source);
    std::string printed = testing::internal::GetCapturedStderr();
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().why.find(row.says), std::string::npos) << got.error().why;
    EXPECT_EQ(got.error().why.find('\n'), std::string::npos);
    EXPECT_EQ(printed, "");
  }
}

// hwloc 2.9 forgets some of its own memory when it gives a file up.
struct LibrarysOwnLeaks {
#ifdef __SANITIZE_ADDRESS__
  LibrarysOwnLeaks() { __lsan_disable(); }
  ~LibrarysOwnLeaks() { __lsan_enable(); }
#else
  LibrarysOwnLeaks() {}
#endif
};

TEST(Machine, DamagedFilesAreReadOrRefusedAndNeverCrash) {
  LibrarysOwnLeaks tolerated;
  std::string whole = fixtureText("synthetic-hgx-h100-8g8n.xml");
  std::uint64_t state = 42;
  auto below = [&](std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  };
  testing::internal::CaptureStderr();
  for (int round = 0; round < 60; ++round) {
    std::string damaged = whole;
    for (std::uint64_t n = 1 + below(4); n > 0; --n) {
      damaged[below(damaged.size())] = "0123456789\"<>= /"[below(16)];
    }
    auto got = readMachine(Source::file(fileOf("damaged", damaged)));
    EXPECT_TRUE(got || !got.error().why.empty());
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace alnilam::gpu
