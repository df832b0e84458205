#include "core/placement/node_state.h"

#include "core/base/error.h"

namespace alnilam::placement {

NodeKind NodeKind::of(const Topology& topology, const ResourceSet& total,
                      std::vector<std::string> labels) {
  NodeKind kind{total.cpus.parts, total.memory, {}, {}, std::move(labels)};
  std::vector<std::string> models;
  auto offered = static_cast<std::size_t>(total.gpus.parts / Amount::kPerUnit);
  for (const Gpu& gpu : topology.gpus) {
    if (kind.deviceMemory.size() == std::min(offered, kMaxDevices)) break;
    kind.deviceMemory.push_back(gpu.memory);
    models.push_back(gpu.model);
  }
  std::sort(models.begin(), models.end());
  models.erase(std::unique(models.begin(), models.end()), models.end());
  for (const std::string& model : models) {
    if (!kind.model.empty()) kind.model += "+";
    kind.model += model;
  }
  std::sort(kind.labels.begin(), kind.labels.end());
  return kind;
}

std::optional<Request> Request::of(const ResourceSet& needs) {
  Request request;
  request.cpu = needs.cpus.parts;
  request.memory = needs.memory;
  if (needs.gpus.parts <= Amount::kPerUnit) {
    if (needs.gpus.parts > 0 || needs.gpuMemory > 0) request.devices = 1;
    request.share = static_cast<std::int32_t>(needs.gpus.parts);
    request.deviceMemory = needs.gpuMemory;
    return request;
  }
  if (needs.gpus.parts % Amount::kPerUnit != 0) return std::nullopt;
  std::int64_t devices = needs.gpus.parts / Amount::kPerUnit;
  if (devices > static_cast<std::int64_t>(kMaxDevices)) return std::nullopt;
  request.devices = static_cast<std::uint32_t>(devices);
  request.share = kWhole;
  request.deviceMemory = (needs.gpuMemory + request.devices - 1) / request.devices;
  return request;
}

bool NodeState::operator==(const NodeState& other) const {
  return kind == other.kind && cpu == other.cpu && memory == other.memory &&
         shapes == other.shapes && deviceCount == other.deviceCount &&
         std::equal(devices.begin(), devices.begin() + deviceCount, other.devices.begin()) &&
         std::equal(deviceMemory.begin(), deviceMemory.begin() + deviceCount,
                    other.deviceMemory.begin());
}

NodeState NodeState::idle(std::uint32_t kind, const NodeKind& of) {
  ALNILAM_ASSERT(of.deviceMemory.size() <= kMaxDevices);
  NodeState state;
  state.kind = kind;
  state.cpu = of.cpu;
  state.memory = of.memory;
  state.deviceCount = static_cast<std::uint32_t>(of.deviceMemory.size());
  std::fill_n(state.devices.begin(), state.deviceCount, kWhole);
  std::copy(of.deviceMemory.begin(), of.deviceMemory.end(), state.deviceMemory.begin());
  return state;
}

std::int64_t dominantLoad(const NodeKind& kind, const NodeState& state) {
  auto parts = [](std::int64_t amount) { return static_cast<std::uint64_t>(amount); };
  std::int64_t devices = std::int64_t{state.deviceCount} * kWhole;
  return std::max({shareOf(parts(kind.cpu - state.cpu), parts(kind.cpu)),
                   shareOf(kind.memory - state.memory, kind.memory),
                   shareOf(parts(devices - state.freeDeviceParts()), parts(devices))});
}

DeviceSet take(NodeState& state, const Request& request, std::int32_t device) {
  ALNILAM_ASSERT(state.cpu >= request.cpu && state.memory >= request.memory);
  state.cpu -= request.cpu;
  state.memory -= request.memory;
  if (request.devices == 0) return 0;
  DeviceSet taken = 0;
  if (request.isShare()) {
    ALNILAM_ASSERT(device >= 0 && static_cast<std::uint32_t>(device) < state.deviceCount);
    ALNILAM_ASSERT(deviceFits(state, request, static_cast<std::uint32_t>(device)));
    taken = DeviceSet{1} << device;
  } else {
    for (std::uint32_t i = 0; i < state.deviceCount; ++i) {
      if (static_cast<std::uint32_t>(std::popcount(taken)) == request.devices) break;
      if (deviceFits(state, request, i)) taken |= DeviceSet{1} << i;
    }
    ALNILAM_ASSERT(static_cast<std::uint32_t>(std::popcount(taken)) == request.devices);
  }
  for (DeviceSet left = taken; left != 0; left &= left - 1) {
    auto i = static_cast<std::size_t>(std::countr_zero(left));
    state.devices[i] -= request.share;
    state.deviceMemory[i] -= request.deviceMemory;
  }
  ++state.shapes[shapeOf(request)];
  return taken;
}

void give(NodeState& state, const Request& request, DeviceSet devices) {
  state.cpu += request.cpu;
  state.memory += request.memory;
  if (request.devices == 0) return;
  ALNILAM_ASSERT(static_cast<std::uint32_t>(std::popcount(devices)) == request.devices);
  for (DeviceSet left = devices; left != 0; left &= left - 1) {
    auto i = static_cast<std::size_t>(std::countr_zero(left));
    ALNILAM_ASSERT(i < state.deviceCount && state.devices[i] + request.share <= kWhole);
    state.devices[i] += request.share;
    state.deviceMemory[i] += request.deviceMemory;
  }
  ALNILAM_ASSERT(state.shapes[shapeOf(request)] > 0);
  --state.shapes[shapeOf(request)];
}

}  // namespace alnilam::placement
