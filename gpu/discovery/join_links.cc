#include "gpu/discovery/join_links.h"

#include <algorithm>
#include <optional>

namespace alnilam::gpu {
namespace {

constexpr std::size_t kNone = SIZE_MAX;

// One NVLink of a device, one way, in MB/s.
std::uint32_t oneLink(const Gpu& gpu) {
  if (gpu.computeCapability >= 100) return 50'000;
  if (gpu.computeCapability == 86) return 14'000;
  return gpu.computeCapability >= 70 || gpu.computeCapability == 0 ? 25'000 : 20'000;
}

class Join {
 public:
  Join(const std::vector<Gpu>& devices, const LinkSources& sources)
      : devices_(devices), sources_(sources) {
    for (const Gpu& device : devices) seats_.push_back(seatOf(device));
    for (std::size_t i = 0; i < devices.size(); ++i) {
      for (std::size_t j = 0; j < devices.size() && !sources.peers.empty(); ++j) {
        const Peer& peer = sources.peers[i * devices.size() + j];
        if (i != j && peer.access && peer.atomics) worst_ = std::max(worst_, peer.rank);
      }
    }
  }

  GpuLink link(std::size_t i, std::size_t j) const {
    if (i == j || !devices_[i].parent.empty() || !devices_[j].parent.empty()) return {};
    if (seats_[i] != kNone && seats_[j] != kNone) return byNvml(i, j);
    if (!sources_.peers.empty()) return byPeers(i, j);
    return bus(i, j);
  }

 private:
  std::size_t seatOf(const Gpu& device) const {
    if (!sources_.nvml) return kNone;
    const auto& gpus = sources_.nvml->gpus;
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      if (gpus[i].uuid == device.uuid) return i;
    }
    return kNone;
  }

  const GpuLink& bus(std::size_t i, std::size_t j) const {
    return sources_.bus[i * devices_.size() + j];
  }
  // A link of this kind, at the rate that the bus knows of it.
  GpuLink rated(LinkClass kind, std::size_t i, std::size_t j) const {
    const GpuLink& known = bus(i, j);
    return {kind, known.kind == kind ? known.megabytesPerSecond : 0};
  }

  GpuLink byNvml(std::size_t i, std::size_t j) const {
    using To = NvmlReading::Nvlink::To;
    const auto& from = sources_.nvml->gpus[seats_[i]];
    const auto& to = sources_.nvml->gpus[seats_[j]];
    const auto& pair = sources_.nvml->pairs[seats_[i] * sources_.nvml->gpus.size() + seats_[j]];
    auto direct = std::count_if(from.nvlinks.begin(), from.nvlinks.end(), [&](const auto& link) {
      return link.to == To::gpu && link.remote == to.pciAddress;
    });
    auto toSwitch = [](const NvmlReading::Gpu& gpu) {
      return std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                           [](const auto& link) { return link.to == To::nvswitch; });
    };
    auto links = static_cast<std::uint32_t>(
        direct != 0 ? direct : std::min(toSwitch(from), toSwitch(to)));
    if (links != 0 && !pair.nvlinkDenied) {
      return {LinkClass::nvlink, links * std::min(oneLink(devices_[i]), oneLink(devices_[j]))};
    }
    bool belowBridge = pair.ancestor <= nvml::kHostBridge;
    return rated(belowBridge ? LinkClass::pcie : LinkClass::host, i, j);
  }

  GpuLink byPeers(std::size_t i, std::size_t j) const {
    const Peer& peer = sources_.peers[i * devices_.size() + j];
    if (!peer.access) return {};
    if (!peer.atomics) return rated(LinkClass::pcie, i, j);
    GpuLink link = rated(LinkClass::nvlink, i, j);
    if (link.megabytesPerSecond == 0) {
      auto steps = static_cast<std::uint32_t>(std::clamp(worst_ - peer.rank, 0, 100)) + 1;
      link.megabytesPerSecond = steps * std::min(oneLink(devices_[i]), oneLink(devices_[j]));
    }
    return link;
  }

  const std::vector<Gpu>& devices_;
  const LinkSources& sources_;
  std::vector<std::size_t> seats_;  // as devices_: index into NVML's, or kNone
  int worst_ = 0;                   // rank of the slowest NVLink
};

}  // namespace

std::vector<GpuLink> joinLinks(const std::vector<Gpu>& devices, const LinkSources& sources) {
  std::size_t n = devices.size();
  ALNILAM_ASSERT(sources.bus.size() == n * n);
  ALNILAM_ASSERT(sources.peers.empty() || sources.peers.size() == n * n);
  Join join(devices, sources);
  std::vector<GpuLink> links(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) links[i * n + j] = join.link(i, j);
  }
  return links;
}

}  // namespace alnilam::gpu
