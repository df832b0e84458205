// How devices are linked, from tables of what each source says.

#include "gpu/discovery/join_links.h"

#include <gtest/gtest.h>

#include <functional>

namespace alnilam::gpu {
namespace {

using To = NvmlReading::Nvlink::To;

std::string address(std::size_t i) { return "0000:0" + std::to_string(i) + ":00.0"; }

std::vector<Gpu> devices(std::size_t count, std::uint32_t capability) {
  std::vector<Gpu> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    all[i].uuid = "GPU-" + std::to_string(i);
    all[i].pciAddress = address(i);
    all[i].computeCapability = capability;
  }
  return all;
}

NvmlReading nvmlOf(std::size_t count) {
  NvmlReading reading;
  reading.gpus.resize(count);
  reading.pairs.resize(count * count);
  for (std::size_t i = 0; i < count; ++i) {
    reading.gpus[i].uuid = "GPU-" + std::to_string(i);
    reading.gpus[i].pciAddress = address(i);
  }
  return reading;
}

void wire(NvmlReading& nvml, std::size_t a, std::size_t b, int links) {
  for (; links > 0; --links) {
    nvml.gpus[a].nvlinks.push_back({To::gpu, address(b)});
    nvml.gpus[b].nvlinks.push_back({To::gpu, address(a)});
  }
}

// "nvlink 50000", "pcie", "host"
std::string show(const GpuLink& link) {
  std::string text = link.kind == LinkClass::nvlink ? "nvlink"
                     : link.kind == LinkClass::pcie ? "pcie"
                                                    : "host";
  if (link.megabytesPerSecond != 0) text += " " + std::to_string(link.megabytesPerSecond);
  return text;
}

struct Row {
  const char* name;
  std::uint32_t capability;
  std::function<void(NvmlReading&)> nvml;  // null: NVML is not there
  std::function<void(std::vector<Peer>&)> peers;  // null: nobody asked
  const char* want01;
  const char* want02;
};

// Three devices; the bus shows 0 and 1 below a bridge at 16 GB/s, and 2 elsewhere.
const Row kRows[] = {
    {"nobody knows more than the bus", 70, nullptr, nullptr, "pcie 16000", "host"},
    {"direct links count", 70, [](auto& n) { wire(n, 0, 1, 2), wire(n, 0, 2, 1); }, nullptr,
     "nvlink 50000", "nvlink 25000"},
    {"an older link is slower", 60, [](auto& n) { wire(n, 0, 1, 2); }, nullptr, "nvlink 40000",
     "host"},
    {"a newer one faster", 100, [](auto& n) { wire(n, 0, 2, 18); }, nullptr, "host",
     "nvlink 900000"},
    {"a bridge between two cards", 86, [](auto& n) { wire(n, 0, 1, 4); }, nullptr, "nvlink 56000",
     "host"},
    {"switches link all that lead to them, at the width of the narrower", 90,
     [](auto& n) {
       for (auto& gpu : n.gpus) gpu.nvlinks.resize(18, {To::nvswitch, ""});
       n.gpus[2].nvlinks.resize(12);
     },
     nullptr, "nvlink 450000", "nvlink 300000"},
    {"one that leads to no switch is left out", 90,
     [](auto& n) {
       n.gpus[0].nvlinks.resize(18, {To::nvswitch, ""});
       n.gpus[1].nvlinks.resize(18, {To::nvswitch, ""});
     },
     nullptr, "nvlink 450000", "host"},
    {"links into the processor link no devices", 70,
     [](auto& n) {
       for (auto& gpu : n.gpus) gpu.nvlinks.resize(3, {To::other, ""});
     },
     nullptr, "host", "host"},
    {"NVML may deny an NVLink", 90,
     [](auto& n) {
       for (auto& gpu : n.gpus) gpu.nvlinks.resize(18, {To::nvswitch, ""});
       n.pairs[0 * 3 + 2].nvlinkDenied = true;
     },
     nullptr, "nvlink 450000", "host"},
    {"the way over the bus is NVML's to say", 70,
     [](auto& n) {
       n.pairs[0 * 3 + 1].ancestor = nvml::kSameDomain;
       n.pairs[0 * 3 + 2].ancestor = nvml::kHostBridge;
     },
     nullptr, "host", "pcie"},
    {"and its rate the bus's", 70, [](auto& n) { n.pairs[1].ancestor = nvml::kOneSwitch; }, nullptr,
     "pcie 16000", "host"},
    {"NVML goes before peers", 70, [](auto& n) { wire(n, 0, 1, 1); },
     [](auto& p) { p[2] = {true, true, 0}; }, "nvlink 25000", "host"},
    {"no access, no link", 70, nullptr, [](auto&) {}, "host", "host"},
    {"access is PCIe", 70, nullptr,
     [](auto& p) { p[1] = {true, false, 0}, p[2] = {true, false, 1}; }, "pcie 16000", "pcie"},
    {"atomics are NVLink, ranked", 70, nullptr,
     [](auto& p) { p[1] = {true, true, 0}, p[2] = {true, true, 1}; }, "nvlink 50000",
     "nvlink 25000"},
};

TEST(JoinLinks, TheBestSourceOfAPairDecides) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    NvmlReading nvml = nvmlOf(3);
    LinkSources sources;
    sources.bus.resize(9);
    sources.bus[0 * 3 + 1] = sources.bus[1 * 3 + 0] = {LinkClass::pcie, 16'000};
    if (row.nvml) {
      row.nvml(nvml);
      sources.nvml = &nvml;
    }
    if (row.peers) {
      sources.peers.resize(9);
      row.peers(sources.peers);
    }
    auto links = joinLinks(devices(3, row.capability), sources);
    EXPECT_EQ(show(links[0 * 3 + 1]), row.want01);
    EXPECT_EQ(show(links[0 * 3 + 2]), row.want02);
    EXPECT_EQ(show(links[0]), "host") << "the diagonal means nothing";
  }
}

TEST(JoinLinks, ADeviceThatNvmlDoesNotKnowIsAskedOfItsPeers) {
  NvmlReading nvml = nvmlOf(2);
  wire(nvml, 0, 1, 6);
  LinkSources sources;
  sources.nvml = &nvml;
  sources.bus.resize(9);
  sources.peers.resize(9, {true, false, 0});
  auto links = joinLinks(devices(3, 70), sources);
  EXPECT_EQ(show(links[0 * 3 + 1]), "nvlink 150000");
  EXPECT_EQ(show(links[0 * 3 + 2]), "pcie");
}

TEST(JoinLinks, MigInstancesAreLinkedToNothing) {
  LinkSources sources;
  sources.bus.resize(4, {LinkClass::pcie, 16'000});
  sources.peers.resize(4, {true, true, 0});
  auto instances = devices(2, 80);
  instances[1].parent = "GPU-7";
  for (const GpuLink& link : joinLinks(instances, sources)) EXPECT_EQ(show(link), "host");
}

}  // namespace
}  // namespace alnilam::gpu
