#include "core/placement/feasibility.h"

#include <algorithm>

namespace alnilam::placement {
namespace {

bool isShare(Amount gpus) { return gpus.parts <= Amount::kPerUnit; }
bool isWhole(Amount gpus) { return gpus.parts % Amount::kPerUnit == 0; }

// Device memory that each of the task's devices must have.
Bytes memoryPerDevice(const ResourceSet& need) {
  if (isShare(need.gpus)) return need.gpuMemory;
  auto devices = static_cast<Bytes>(need.gpus.parts / Amount::kPerUnit);
  return (need.gpuMemory + devices - 1) / devices;
}

std::uint64_t deviceCapacity(const NodeShape& shape, const ResourceSet& need) {
  Bytes memory = memoryPerDevice(need);
  std::uint64_t times = 0;
  if (isShare(need.gpus)) {
    for (Bytes has : shape.deviceMemory) {
      std::uint64_t here = kMaxAtOnce;
      if (need.gpus.parts > 0) {
        here = static_cast<std::uint64_t>(Amount::kPerUnit / need.gpus.parts);
      }
      if (memory > 0) here = std::min(here, has / memory);
      times += here;
    }
    return times;
  }
  if (!isWhole(need.gpus)) return 0;
  for (Bytes has : shape.deviceMemory) times += has >= memory ? 1 : 0;
  return times / static_cast<std::uint64_t>(need.gpus.parts / Amount::kPerUnit);
}

Amount namedAmount(const ResourceSet& set, const std::string& name) {
  for (const NamedAmount& one : set.named) {
    if (one.name == name) return one.amount;
  }
  return {};
}

std::string lacking(const std::string& what, const std::string& wanted, const std::string& most) {
  return "asks for " + what + "=" + wanted + ", the largest node has " + most;
}

}  // namespace

NodeShape NodeShape::of(const Topology& topology, const ResourceSet& total) {
  NodeShape shape;
  shape.total = total;
  for (const Gpu& gpu : topology.gpus) shape.deviceMemory.push_back(gpu.memory);
  return shape;
}

std::uint64_t capacity(const NodeShape& shape, const ResourceSet& need) {
  std::uint64_t times = shape.total.timesCovers(need, kMaxAtOnce);
  if (times > 0 && takesDevices(need)) times = std::min(times, deviceCapacity(shape, need));
  return times;
}

std::optional<std::string> whyNever(std::span<const NodeShape* const> shapes,
                                    const ResourceSet& need) {
  if (shapes.empty()) return std::nullopt;
  if (std::any_of(shapes.begin(), shapes.end(),
                  [&](const NodeShape* shape) { return capacity(*shape, need) > 0; })) {
    return std::nullopt;
  }
  if (!isShare(need.gpus) && !isWhole(need.gpus)) {
    return "asks for gpus=" + show(need.gpus) +
           ", a task takes a share of one device or whole devices";
  }
  ResourceSet most;  // of each kind, on whichever node has most of it
  Bytes largestDevice = 0;
  for (const NodeShape* shape : shapes) {
    most.cpus = std::max(most.cpus, shape->total.cpus);
    most.gpus = std::max(most.gpus, shape->total.gpus);
    most.memory = std::max(most.memory, shape->total.memory);
    most.gpuMemory = std::max(most.gpuMemory, shape->total.gpuMemory);
    for (Bytes has : shape->deviceMemory) largestDevice = std::max(largestDevice, has);
  }
  if (most.cpus < need.cpus) return lacking("cpus", show(need.cpus), show(most.cpus));
  if (most.gpus < need.gpus) return lacking("gpus", show(need.gpus), show(most.gpus));
  if (most.memory < need.memory) {
    return lacking("memory", showBytes(need.memory), showBytes(most.memory));
  }
  if (takesDevices(need) && memoryPerDevice(need) > largestDevice) {
    return "asks for gpuMemory=" + showBytes(memoryPerDevice(need)) +
           " on one device, the largest device has " + showBytes(largestDevice);
  }
  if (most.gpuMemory < need.gpuMemory) {
    return lacking("gpuMemory", showBytes(need.gpuMemory), showBytes(most.gpuMemory));
  }
  for (const NamedAmount& wanted : need.named) {
    Amount best;
    for (const NodeShape* shape : shapes) {
      best = std::max(best, namedAmount(shape->total, wanted.name));
    }
    if (best < wanted.amount) return lacking(wanted.name, show(wanted.amount), show(best));
  }
  return "asks for " + show(need) + ", which no single node has together";
}

}  // namespace alnilam::placement
