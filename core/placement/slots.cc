#include "core/placement/slots.h"

#include "core/base/error.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <tuple>

namespace alnilam::placement {
namespace {

constexpr std::size_t kExhaustive = 12;  // candidates up to which every set is looked at

// Megabytes a second; a link of unknown rate counts as the slowest of its kind that is sold.
std::uint64_t rate(const GpuLink& link) {
  if (link.megabytesPerSecond != 0) return link.megabytesPerSecond;
  switch (link.kind) {
    case LinkClass::nvlink: return 20'000;
    case LinkClass::pcie: return 8'000;
    case LinkClass::host: break;
  }
  return 1;
}

// The narrower direction of a pair counts.
std::uint64_t rate(const Topology& topology, std::uint32_t a, std::uint32_t b) {
  std::size_t n = topology.gpus.size();
  if (topology.links.size() != n * n) return 1;
  return std::min(rate(topology.links[a * n + b]), rate(topology.links[b * n + a]));
}

// Larger is better: the narrowest link, the sum of all, and few domains.
using Score = std::tuple<std::uint64_t, std::uint64_t, std::int64_t>;

Score scoreOf(const Topology& topology, const std::vector<std::uint32_t>& set) {
  std::uint64_t narrowest = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t sum = 0;
  std::int64_t domains = 0;
  for (std::size_t i = 0; i < set.size(); ++i) {
    bool isNew = true;
    for (std::size_t j = 0; j < i; ++j) {
      std::uint64_t link = rate(topology, set[i], set[j]);
      narrowest = std::min(narrowest, link);
      sum += link;
      if (topology.gpus[set[i]].domain == topology.gpus[set[j]].domain) isNew = false;
    }
    domains += isNew;
  }
  return {narrowest, sum, -domains};
}

// `count` values that add up to `total`, the first ones larger by one where it does not divide.
Bytes partOf(Bytes total, std::size_t count, std::size_t i) {
  return total / count + (i < total % count ? 1 : 0);
}

bool isInService(const NodeRoom& room, std::uint32_t device) {
  return (room.outOfService >> device & 1) == 0;
}

std::optional<std::vector<DeviceGrant>> chooseDevices(const Topology& topology,
                                                      const NodeRoom& room,
                                                      const ResourceSet& needs) {
  std::int64_t whole = needs.gpus.parts / Amount::kPerUnit;
  std::int64_t share = needs.gpus.parts % Amount::kPerUnit;
  bool shared = share != 0 || (whole == 0 && needs.gpuMemory != 0);
  std::size_t count = static_cast<std::size_t>(whole) + shared;
  std::vector<DeviceGrant> devices;
  if (count == 0) return devices;

  if (whole != 0) {
    std::vector<std::uint32_t> idle;
    for (std::uint32_t i = 0; i < room.devices.size(); ++i) {
      bool fits = isInService(room, i) && room.devices[i] == Amount::kPerUnit &&
                  room.deviceMemory[i] >= partOf(needs.gpuMemory, count, 0);
      if (fits) idle.push_back(i);
    }
    if (idle.size() < static_cast<std::size_t>(whole)) return std::nullopt;
    for (std::uint32_t i : bestLinked(topology, idle, static_cast<std::size_t>(whole))) {
      devices.push_back({i, Amount::whole(1), partOf(needs.gpuMemory, count, devices.size())});
    }
  }
  if (shared) {
    Bytes memory = partOf(needs.gpuMemory, count, count - 1);
    std::optional<std::uint32_t> best;
    for (std::uint32_t i = 0; i < room.devices.size(); ++i) {
      bool taken = std::any_of(devices.begin(), devices.end(),
                               [&](const DeviceGrant& grant) { return grant.gpu == i; });
      if (taken || !isInService(room, i)) continue;
      if (room.devices[i] < share || room.deviceMemory[i] < memory) continue;
      auto fullness = [&](std::uint32_t gpu) {
        return std::tuple(room.devices[gpu], room.deviceMemory[gpu]);
      };
      if (!best || fullness(i) < fullness(*best)) best = i;
    }
    if (!best) return std::nullopt;
    devices.push_back({*best, Amount{share}, memory});
  }
  return devices;
}

// The domains of the slot's devices, each once, in the devices' order.
std::vector<std::uint32_t> besides(const Topology& topology,
                                   const std::vector<DeviceGrant>& devices) {
  std::vector<std::uint32_t> domains;
  for (const DeviceGrant& grant : devices) {
    std::uint32_t domain = topology.gpus[grant.gpu].domain;
    if (std::find(domains.begin(), domains.end(), domain) == domains.end()) {
      domains.push_back(domain);
    }
  }
  return domains;
}

// Cores with a whole free one, of each domain, the emptiest first.
std::vector<std::vector<std::uint32_t>> idleCores(const Topology& topology, const NodeRoom& room) {
  std::vector<std::vector<std::uint32_t>> byDomain(topology.domains.size());
  for (std::uint32_t i = 0; i < room.cores.size(); ++i) {
    if (room.cores[i] >= Amount::kPerUnit) byDomain[topology.cores[i].domain].push_back(i);
  }
  if (room.coreParts > Amount::kPerUnit) {
    for (auto& cores : byDomain) {
      std::stable_sort(cores.begin(), cores.end(), [&](std::uint32_t a, std::uint32_t b) {
        return room.cores[a] > room.cores[b];
      });
    }
  }
  return byDomain;
}

// The order in which domains are drawn from: beside the devices; else the one with the fewest idle
// cores that are enough; else the emptiest first.  Where cores are shared, the emptiest core leads.
std::vector<std::uint32_t> domainOrder(const NodeRoom& room,
                                       const std::vector<std::vector<std::uint32_t>>& idle,
                                       const std::vector<std::uint32_t>& beside,
                                       std::size_t wanted) {
  std::vector<std::uint32_t> order(idle.size());
  std::iota(order.begin(), order.end(), 0u);
  auto key = [&](std::uint32_t domain) {
    bool isBeside = std::find(beside.begin(), beside.end(), domain) != beside.end();
    bool enough = idle[domain].size() >= wanted;
    auto size = static_cast<std::int64_t>(idle[domain].size());
    std::int64_t emptiest = size > 0 ? room.cores[idle[domain].front()] : 0;
    return std::tuple(!isBeside, !enough, -emptiest, enough ? size : -size);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  return order;
}

bool chooseWhole(const Topology& topology, const NodeRoom& room,
                 const std::vector<std::uint32_t>& beside, std::size_t wanted,
                 std::vector<std::uint32_t>& cores) {
  auto idle = idleCores(topology, room);
  std::vector<std::size_t> next(idle.size(), 0);
  auto draw = [&](std::uint32_t domain) {
    if (next[domain] == idle[domain].size()) return false;
    cores.push_back(idle[domain][next[domain]++]);
    return true;
  };
  for (bool any = beside.size() > 1; any && cores.size() < wanted;) {  // devices in several domains
    any = false;
    for (std::uint32_t domain : beside) {
      if (cores.size() < wanted) any = draw(domain) || any;
    }
  }
  for (std::uint32_t domain : domainOrder(room, idle, beside, wanted)) {
    while (cores.size() < wanted && draw(domain)) {
    }
  }
  return cores.size() == wanted;
}

std::optional<std::vector<std::uint32_t>> chooseCores(const Topology& topology,
                                                      const NodeRoom& room, Amount cpus,
                                                      const std::vector<std::uint32_t>& beside) {
  std::vector<std::uint32_t> cores;
  auto whole = static_cast<std::size_t>(cpus.parts / Amount::kPerUnit);
  std::int64_t share = cpus.parts % Amount::kPerUnit;
  if (whole != 0 && !chooseWhole(topology, room, beside, whole, cores)) return std::nullopt;
  if (share == 0) return cores;

  std::optional<std::uint32_t> best;
  auto key = [&](std::uint32_t core) {
    std::uint32_t domain = topology.cores[core].domain;
    bool near = beside.empty() || std::find(beside.begin(), beside.end(), domain) != beside.end();
    bool alongside = cores.empty() || topology.cores[cores.front()].domain == domain;
    return std::tuple(!near, !alongside, room.cores[core]);
  };
  for (std::uint32_t i = 0; i < room.cores.size(); ++i) {
    if (room.cores[i] < share || std::find(cores.begin(), cores.end(), i) != cores.end()) continue;
    if (!best || key(i) < key(*best)) best = i;
  }
  if (!best) return std::nullopt;
  cores.push_back(*best);
  return cores;
}

std::int64_t partsOfCore(Amount cpus, std::size_t i) {
  auto whole = static_cast<std::size_t>(cpus.parts / Amount::kPerUnit);
  return i < whole ? Amount::kPerUnit : cpus.parts % Amount::kPerUnit;
}

}  // namespace

NodeRoom emptyRoom(const Topology& topology, const ResourceSet& total) {
  NodeRoom room;
  room.free = total;
  auto cores = static_cast<std::int64_t>(topology.cores.size());
  if (cores > 0) {
    std::int64_t each = (total.cpus.parts + cores - 1) / cores;
    std::int64_t shares = (each + Amount::kPerUnit - 1) / Amount::kPerUnit;
    room.coreParts = std::max<std::int64_t>(1, shares) * Amount::kPerUnit;
  }
  room.cores.assign(topology.cores.size(), room.coreParts);
  room.devices.assign(topology.gpus.size(), Amount::kPerUnit);
  for (const Gpu& gpu : topology.gpus) room.deviceMemory.push_back(gpu.memory);
  return room;
}

std::optional<Taken> take(const Topology& topology, NodeRoom& room, const ResourceSet& needs) {
  if (!room.free.covers(needs)) return std::nullopt;
  auto devices = chooseDevices(topology, room, needs);
  if (!devices) return std::nullopt;
  auto cores = chooseCores(topology, room, needs.cpus, besides(topology, *devices));
  if (!cores) return std::nullopt;

  for (std::size_t i = 0; i < cores->size(); ++i) {
    room.cores[(*cores)[i]] -= partsOfCore(needs.cpus, i);
  }
  for (const DeviceGrant& grant : *devices) {
    room.devices[grant.gpu] -= grant.share.parts;
    room.deviceMemory[grant.gpu] -= grant.memory;
  }
  room.free.subtract(needs);
  return Taken{std::move(*cores), std::move(*devices)};
}

void give(NodeRoom& room, const ResourceSet& needs, const Taken& taken) {
  for (std::size_t i = 0; i < taken.cores.size(); ++i) {
    std::int64_t& parts = room.cores[taken.cores[i]];
    parts += partsOfCore(needs.cpus, i);
    ALNILAM_ASSERT(parts <= room.coreParts);
  }
  for (const DeviceGrant& grant : taken.devices) {
    room.devices[grant.gpu] += grant.share.parts;
    room.deviceMemory[grant.gpu] += grant.memory;
    ALNILAM_ASSERT(room.devices[grant.gpu] <= Amount::kPerUnit);
  }
  room.free.add(needs);
}

std::vector<std::uint32_t> bestLinked(const Topology& topology,
                                      const std::vector<std::uint32_t>& candidates,
                                      std::size_t count) {
  ALNILAM_ASSERT(count <= candidates.size());
  if (count == candidates.size()) return candidates;
  std::vector<std::uint32_t> best;
  Score bestScore;
  auto offer = [&](const std::vector<std::uint32_t>& set) {
    Score score = scoreOf(topology, set);
    if (best.empty() || score > bestScore) {
      best = set;
      bestScore = score;
    }
  };

  std::vector<std::uint32_t> set;
  if (candidates.size() <= kExhaustive) {
    for (std::uint32_t mask = 0; mask < (1u << candidates.size()); ++mask) {
      if (static_cast<std::size_t>(std::popcount(mask)) != count) continue;
      set.clear();
      for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (mask >> i & 1) set.push_back(candidates[i]);
      }
      offer(set);
    }
    return best;
  }

  std::vector<std::uint64_t> narrowest(candidates.size()), sum(candidates.size());
  for (std::size_t start = 0; start < candidates.size(); ++start) {
    std::vector<bool> in(candidates.size(), false);
    narrowest.assign(candidates.size(), std::numeric_limits<std::uint64_t>::max());
    sum.assign(candidates.size(), 0);
    set.clear();
    for (std::size_t next = start;;) {  // grow by whoever spoils the set least
      in[next] = true;
      set.push_back(candidates[next]);
      if (set.size() == count) break;
      std::optional<std::size_t> closest;
      for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (in[i]) continue;
        std::uint64_t link = rate(topology, candidates[i], candidates[next]);
        narrowest[i] = std::min(narrowest[i], link);
        sum[i] += link;
        auto key = [&](std::size_t c) { return std::tuple(narrowest[c], sum[c]); };
        if (!closest || key(i) > key(*closest)) closest = i;
      }
      next = *closest;
    }
    std::sort(set.begin(), set.end());
    offer(set);
  }
  return best;
}

}  // namespace alnilam::placement
