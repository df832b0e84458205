#include "gpu/discovery/discover.h"

#include "gpu/discovery/machine.h"

#include <cstdint>

namespace alnilam::gpu {
namespace {

constexpr std::size_t kNone = SIZE_MAX;

// For each device the GPU of the machine that it is, or stands in for; kNone where there is none.
// An emulated device that was given the address of one stands in for that one.
std::vector<std::size_t> match(const Topology& machine, bool live,
                               const std::vector<OfferedGpu>& devices) {
  std::vector<std::size_t> seats(devices.size(), kNone);
  std::vector<bool> taken(machine.gpus.size());
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const Gpu& gpu = devices[i].gpu;
    if (gpu.pciAddress.empty() || (gpu.emulated && live)) continue;
    for (std::size_t j = 0; j < machine.gpus.size(); ++j) {
      if (machine.gpus[j].pciAddress != gpu.pciAddress) continue;
      seats[i] = j;
      taken[j] = true;
    }
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (!devices[i].gpu.emulated || live || seats[i] != kNone) continue;
    while (next < taken.size() && taken[next]) ++next;
    if (next < taken.size()) seats[i] = next++;
  }
  return seats;
}

std::uint32_t domainOfNode(const Topology& machine, int numaNode) {
  for (std::size_t i = 0; i < machine.domains.size(); ++i) {
    if (numaNode >= 0 && machine.domains[i].osNode == static_cast<std::uint32_t>(numaNode)) {
      return static_cast<std::uint32_t>(i);
    }
  }
  return 0;
}

Gpu seated(const OfferedGpu& device, const Gpu& seat) {
  Gpu gpu = device.gpu;
  gpu.domain = seat.domain;
  if (gpu.emulated) {
    gpu.model = seat.model;
    gpu.pciAddress = seat.pciAddress;
  }
  return gpu;
}

// The machine's links between the GPUs that devices are or stand in for.
std::vector<GpuLink> linksOfSeats(const Topology& machine, const std::vector<std::size_t>& seats) {
  std::vector<GpuLink> links(seats.size() * seats.size());
  for (std::size_t i = 0; i < seats.size(); ++i) {
    for (std::size_t j = 0; j < seats.size(); ++j) {
      if (i == j || seats[i] == kNone || seats[j] == kNone) continue;
      links[i * seats.size() + j] = machine.links[seats[i] * machine.gpus.size() + seats[j]];
    }
  }
  return links;
}

}  // namespace

Result<Topology> picture(const Source& source) { return readMachine(source); }

Result<Topology> discover(const Source& source, const Survey& survey) {
  auto read = readMachine(source);
  if (!read) return read.error();
  const Topology& machine = read.value();
  const std::vector<OfferedGpu>& devices = survey.offered;
  auto seats = match(machine, source.kind == Source::Kind::live, devices);
  std::size_t unseated = 0;  // emulated devices without a GPU to stand in for
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].gpu.emulated && seats[i] == kNone) ++unseated;
  }

  Topology joined = machine;
  joined.gpus.clear();
  std::size_t spread = 0;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (seats[i] != kNone) {
      joined.gpus.push_back(seated(devices[i], machine.gpus[seats[i]]));
      continue;
    }
    Gpu gpu = devices[i].gpu;
    gpu.domain = gpu.emulated
                     ? static_cast<std::uint32_t>(spread++ * machine.domains.size() / unseated)
                     : domainOfNode(machine, devices[i].numaNode);
    joined.gpus.push_back(std::move(gpu));
  }
  std::vector<GpuLink> bus = linksOfSeats(machine, seats);
  joined.links = joinLinks(joined.gpus, {survey.nvml ? &*survey.nvml : nullptr, survey.peers, bus});
  auto standsIn = [&](std::size_t i) { return devices[i].gpu.emulated && seats[i] != kNone; };
  bool described = false;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    for (std::size_t j = 0; j < devices.size(); ++j) {
      if (i == j || !standsIn(i) || !standsIn(j)) continue;
      joined.links[i * devices.size() + j] = bus[i * devices.size() + j];
      described = true;
    }
  }
  joined.features = survey.features;
  for (std::string& line : joined.features) {
    if (described && line.starts_with("links: ")) line = "links: from " + machine.source;
  }
  for (const std::string& line : survey.notOffered) {
    joined.features.push_back("not offered: " + line);
  }
  if (joined.features.size() > Topology::kMaxFeatures) {
    joined.features.resize(Topology::kMaxFeatures);
  }
  if (auto checked = joined.check(); !checked) return checked.error();
  return joined;
}

}  // namespace alnilam::gpu
