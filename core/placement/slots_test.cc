#include "core/placement/slots.h"

#include <gtest/gtest.h>

#include <random>

namespace alnilam::placement {
namespace {

// Two packages of `cores` and `gpus` each; GPUs of one package are linked by NVLink.
Topology twoSockets(std::uint32_t cores, std::uint32_t gpus) {
  Topology topology;
  for (std::uint32_t domain = 0; domain < 2; ++domain) {
    topology.domains.push_back({domain, domain, 64_GiB});
    for (std::uint32_t i = 0; i < cores; ++i) {
      topology.cores.push_back({domain * cores + i, domain});
    }
    for (std::uint32_t i = 0; i < gpus; ++i) {
      Gpu gpu;
      gpu.memory = 16_GiB;
      gpu.domain = domain;
      topology.gpus.push_back(gpu);
    }
  }
  std::size_t n = topology.gpus.size();
  for (std::size_t i = 0; i < n * n; ++i) {
    bool near = topology.gpus[i / n].domain == topology.gpus[i % n].domain;
    topology.links.push_back({near ? LinkClass::nvlink : LinkClass::pcie, near ? 50'000u : 8'000u});
  }
  return topology;
}

ResourceSet needs(double cpus, double gpus = 0, Bytes gpuMemory = 0) {
  ResourceSet set;
  set.cpus = Amount::from(cpus, "cpus").value();
  set.gpus = Amount::from(gpus, "gpus").value();
  set.gpuMemory = gpuMemory;
  return set;
}

// "0,1 gpu 2*0.5", or "no".
std::string show(const std::optional<Taken>& taken) {
  if (!taken) return "no";
  std::string text;
  for (std::uint32_t core : taken->cores) {
    text += (text.empty() ? "" : ",") + std::to_string(core);
  }
  for (const DeviceGrant& device : taken->devices) {
    text += (text.empty() ? "gpu " : " gpu ") + std::to_string(device.gpu) + "*" +
            alnilam::show(device.share);
    if (device.memory != 0) text += " " + showBytes(device.memory);
  }
  return text.empty() ? "nothing" : text;
}

struct Case {
  const char* name;
  std::uint32_t cores, gpus;  // of each of two sockets
  std::vector<std::pair<ResourceSet, const char*>> takes;
};

const Case kCases[] = {
    {"no cpus, no core", 2, 0, {{needs(0), "nothing"}}},
    {"shares fill one core before they open another",
     2, 0, {{needs(0.5), "0"}, {needs(0.5), "0"}, {needs(0.75), "1"}, {needs(0.5), "2"},
            {needs(0.25), "1"}}},
    {"whole cores leave shared ones alone",
     1, 0, {{needs(0.5), "0"}, {needs(1), "1"}, {needs(1), "no"}, {needs(0.5), "0"}}},
    {"whole cores lie in one domain", 4, 0,
     {{needs(3), "0,1,2"}, {needs(3), "4,5,6"}, {needs(2), "3,7"}, {needs(1), "no"}}},
    {"the domain that fits tightest is taken", 4, 0,
     {{needs(2), "0,1"}, {needs(2), "2,3"}, {needs(2), "4,5"}}},
    {"one and a half is a core and a share beside it",
     2, 0, {{needs(1.5), "0,1"}, {needs(0.5), "1"}, {needs(1.5), "2,3"}}},
    {"quarters of a device fill it up", 1, 1,
     {{needs(0, 0.5), "gpu 0*0.5"}, {needs(0, 0.75), "gpu 1*0.75"}, {needs(0, 0.25), "gpu 1*0.25"},
      {needs(0, 0.5), "gpu 0*0.5"}, {needs(0, 0.1), "no"}}},
    {"device memory counts for each device", 1, 1,
     {{needs(0, 0.25, 12_GiB), "gpu 0*0.25 12GiB"}, {needs(0, 0.25, 12_GiB), "gpu 1*0.25 12GiB"},
      {needs(0, 0.25, 6_GiB), "no"}, {needs(0, 0.25, 4_GiB), "gpu 0*0.25 4GiB"}}},
    {"a device without a share is one whose memory is used", 1, 1,
     {{needs(0, 0, 16_GiB), "gpu 0*0 16GiB"}, {needs(0, 1, 1_GiB), "gpu 1*1 1GiB"}}},
    {"whole devices are idle ones, and the best-linked pair", 1, 2,
     {{needs(0, 0.1), "gpu 0*0.1"}, {needs(0, 2), "gpu 2*1 gpu 3*1"}, {needs(0, 2), "no"}}},
    {"cores lie beside the device", 2, 1,
     {{needs(1, 1), "0 gpu 0*1"}, {needs(1, 1), "2 gpu 1*1"}, {needs(1), "1"}}},
    {"cores lie beside each of several devices", 2, 1, {{needs(2, 2), "0,2 gpu 0*1 gpu 1*1"}}},
    {"memory is split over the devices", 1, 1,
     {{needs(0, 2, 20_GiB), "gpu 0*1 10GiB gpu 1*1 10GiB"}}},
};

TEST(Slots, Table) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Topology topology = twoSockets(c.cores, c.gpus);
    NodeRoom room = emptyRoom(topology, topology.total());
    for (auto& [wanted, answer] : c.takes) {
      EXPECT_EQ(show(take(topology, room, wanted)), answer) << alnilam::show(wanted);
    }
  }
}

TEST(Slots, SumsBoundWhatTheTopologyHasMoreOf) {
  Topology topology = twoSockets(2, 0);
  NodeRoom room = emptyRoom(topology, needs(1));
  EXPECT_EQ(show(take(topology, room, needs(1))), "0");
  EXPECT_EQ(show(take(topology, room, needs(0.1))), "no");
}

TEST(Slots, MoreCpusThanCoresShareThemEvenly) {
  Topology topology = twoSockets(1, 0);
  NodeRoom room = emptyRoom(topology, needs(4));
  std::string all;
  for (int i = 0; i < 5; ++i) all += show(take(topology, room, needs(1))) + " ";
  EXPECT_EQ(all, "0 1 0 1 no ");
}

// The answer by looking at every set, written without regard to speed.
std::uint64_t bestNarrowest(const Topology& topology, std::size_t count) {
  std::size_t n = topology.gpus.size();
  std::uint64_t best = 0;
  for (std::uint32_t mask = 0; mask < (1u << n); ++mask) {
    std::vector<std::size_t> in;
    for (std::size_t i = 0; i < n; ++i) {
      if (mask >> i & 1) in.push_back(i);
    }
    if (in.size() != count) continue;
    std::uint64_t narrowest = UINT64_MAX;
    for (std::size_t a : in) {
      for (std::size_t b : in) {
        if (a != b) narrowest = std::min<std::uint64_t>(
            narrowest, topology.links[a * n + b].megabytesPerSecond);
      }
    }
    best = std::max(best, narrowest);
  }
  return best;
}

TEST(Slots, NoSetHasAWiderNarrowestLink) {
  std::mt19937_64 prng(3);
  for (int round = 0; round < 200; ++round) {
    std::uint32_t n = 2 + prng() % 7;
    Topology topology = twoSockets(1, 0);
    topology.gpus.resize(n);
    topology.links.clear();
    std::vector<std::uint32_t> all;
    for (std::uint32_t i = 0; i < n; ++i) all.push_back(i);
    for (std::uint32_t i = 0; i < n * n; ++i) {
      topology.links.push_back({LinkClass::nvlink, static_cast<std::uint32_t>(1 + prng() % 9)});
    }
    std::size_t count = 2 + prng() % (n - 1);
    auto set = bestLinked(topology, all, count);
    ASSERT_EQ(set.size(), count);
    std::uint64_t narrowest = UINT64_MAX;
    for (std::uint32_t a : set) {
      for (std::uint32_t b : set) {
        if (a != b) narrowest = std::min<std::uint64_t>(
            narrowest, topology.links[a * n + b].megabytesPerSecond);
      }
    }
    EXPECT_EQ(narrowest, bestNarrowest(topology, count));
  }
}

TEST(Slots, ManyDevicesAreFoundInTheirIsland) {
  Topology topology = twoSockets(1, 16);
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 1; i < 32; ++i) all.push_back(i);
  std::vector<std::uint32_t> island;
  for (std::uint32_t i = 16; i < 32; ++i) island.push_back(i);
  EXPECT_EQ(bestLinked(topology, all, 16), island);
}

TEST(Slots, AMillionRandomStepsKeepTheSumsExact) {
  std::mt19937_64 prng(11);
  Topology topology = twoSockets(8, 4);
  ResourceSet total = topology.total();
  total.named.push_back({"license", Amount::whole(5)});
  const NodeRoom idle = emptyRoom(topology, total);
  NodeRoom room = idle;
  std::vector<std::pair<ResourceSet, Taken>> held;
  std::size_t takes = 0;
  for (int step = 0; step < 1'000'000; ++step) {
    if (prng() % 2 || held.empty()) {
      ResourceSet wanted;
      wanted.cpus.parts = static_cast<std::int64_t>(prng() % 3 ? prng() % 10'000 : prng() % 40'000);
      if (prng() % 3 == 0) {
        std::uint64_t whole = prng() % 3;
        wanted.gpus.parts = static_cast<std::int64_t>(whole ? whole * 10'000 : prng() % 10'000);
        wanted.gpuMemory = prng() % 20'000'000'000;
      }
      wanted.memory = prng() % 10'000'000'000;
      if (prng() % 4 == 0) {
        wanted.named.push_back({"license", {static_cast<std::int64_t>(1 + prng() % 20'000)}});
      }
      if (auto taken = take(topology, room, wanted)) {
        held.emplace_back(std::move(wanted), std::move(*taken));
        ++takes;
      }
    } else {
      std::swap(held[prng() % held.size()], held.back());
      give(room, held.back().first, held.back().second);
      held.pop_back();
    }
    if (step % 1000 == 0) {  // each piece, counted anew from what is held
      NodeRoom again = idle;
      for (auto& [wanted, taken] : held) {
        again.free.subtract(wanted);
        for (std::size_t i = 0; i < taken.cores.size(); ++i) {
          std::int64_t whole = wanted.cpus.parts / 10'000;
          again.cores[taken.cores[i]] -=
              static_cast<std::int64_t>(i) < whole ? 10'000 : wanted.cpus.parts % 10'000;
        }
        for (const DeviceGrant& device : taken.devices) {
          again.devices[device.gpu] -= device.share.parts;
          again.deviceMemory[device.gpu] -= device.memory;
        }
      }
      ASSERT_EQ(again, room) << "step " << step;
      for (std::int64_t parts : room.cores) ASSERT_GE(parts, 0);
      for (std::int64_t parts : room.devices) ASSERT_GE(parts, 0);
    }
  }
  EXPECT_GT(takes, 100'000u);
  for (auto& [wanted, taken] : held) give(room, wanted, taken);
  EXPECT_EQ(room, idle);
}

}  // namespace
}  // namespace alnilam::placement
