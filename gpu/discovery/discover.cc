#include "gpu/discovery/discover.h"

#include "gpu/discovery/machine.h"

#include <cstdint>

namespace alnilam::gpu {
namespace {

constexpr std::size_t kNone = SIZE_MAX;

// For each device the GPU of the machine that it is, or stands in for; kNone where there is none.
std::vector<std::size_t> match(const Topology& machine, bool live,
                               const std::vector<OfferedGpu>& devices) {
  std::vector<std::size_t> seats(devices.size(), kNone);
  std::size_t nextSeat = 0;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const Gpu& gpu = devices[i].gpu;
    if (gpu.emulated) {
      if (!live && nextSeat < machine.gpus.size()) seats[i] = nextSeat++;
      continue;
    }
    for (std::size_t j = 0; j < machine.gpus.size() && !gpu.pciAddress.empty(); ++j) {
      if (machine.gpus[j].pciAddress == gpu.pciAddress) seats[i] = j;
    }
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

}  // namespace

Result<Topology> picture(const Source& source) { return readMachine(source); }

Result<Topology> discover(const Source& source, const std::vector<OfferedGpu>& devices) {
  auto read = readMachine(source);
  if (!read) return read.error();
  const Topology& machine = read.value();
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
  joined.links.assign(devices.size() * devices.size(), {});
  for (std::size_t i = 0; i < devices.size(); ++i) {
    for (std::size_t j = 0; j < devices.size(); ++j) {
      if (seats[i] == kNone || seats[j] == kNone) continue;
      joined.links[i * devices.size() + j] =
          machine.links[seats[i] * machine.gpus.size() + seats[j]];
    }
  }
  if (auto checked = joined.check(); !checked) return checked.error();
  return joined;
}

}  // namespace alnilam::gpu
