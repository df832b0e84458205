#include "core/placement/outlook.h"

#include <algorithm>
#include <limits>

namespace alnilam::placement {
namespace {

// A node's state while it is filled: devices in ascending order of what is free.
struct Filling {
  std::int64_t cpu;
  Bytes memory;
  std::uint32_t count;
  std::int64_t idle = 0;
  std::array<std::int32_t, kMaxDevices> free;
  std::array<Bytes, kMaxDevices> bytes;

  explicit Filling(const NodeState& state)
      : cpu(state.cpu), memory(state.memory), count(state.deviceCount) {
    for (std::uint32_t i = 0; i < count; ++i) {
      free[i] = state.devices[i];
      bytes[i] = state.deviceMemory[i];
      idle += free[i];
      sink(i);
    }
  }
  Filling(const Filling& other) { *this = other; }
  Filling& operator=(const Filling& other) {
    cpu = other.cpu;
    memory = other.memory;
    count = other.count;
    idle = other.idle;
    std::copy_n(other.free.begin(), count, free.begin());
    std::copy_n(other.bytes.begin(), count, bytes.begin());
    return *this;
  }

  void sink(std::uint32_t i) {
    for (; i > 0 && free[i - 1] > free[i]; --i) {
      std::swap(free[i - 1], free[i]);
      std::swap(bytes[i - 1], bytes[i]);
    }
  }

  void put(const Request& request) {
    if (request.cpu > cpu || request.memory > memory) return;
    if (request.devices == 1) {
      std::uint32_t i = 0;
      while (i < count && (free[i] < request.share || bytes[i] < request.deviceMemory)) ++i;
      if (i == count) return;
      free[i] -= request.share;
      bytes[i] -= request.deviceMemory;
      sink(i);
    } else if (request.devices > 1) {
      std::uint32_t fitting = 0, taken = 0;
      for (std::uint32_t i = 0; i < count; ++i) {
        fitting += free[i] == kWhole && bytes[i] >= request.deviceMemory;
      }
      if (fitting < request.devices) return;
      for (std::uint32_t i = 0; i < count && taken < request.devices; ++i) {
        if (free[i] != kWhole || bytes[i] < request.deviceMemory) continue;
        free[i] = 0;
        bytes[i] -= request.deviceMemory;
        sink(i);
        ++taken;
      }
    }
    cpu -= request.cpu;
    memory -= request.memory;
    idle -= request.deviceParts();
  }
};

}  // namespace

std::int64_t usable(const NodeState& state, const Request& request) {
  if (request.share == 0 || state.cpu < request.cpu || state.memory < request.memory) return 0;
  std::int64_t times = std::numeric_limits<std::int64_t>::max();
  if (request.cpu > 0) times = state.cpu / request.cpu;
  if (request.memory > 0) {
    times = std::min(times, static_cast<std::int64_t>(state.memory / request.memory));
  }
  std::int64_t slots = 0;
  for (std::uint32_t i = 0; i < state.deviceCount; ++i) {
    if (!deviceFits(state, request, i)) continue;
    std::int64_t here = state.devices[i] / request.share;
    if (request.deviceMemory > 0) {
      auto byMemory = static_cast<std::int64_t>(state.deviceMemory[i] / request.deviceMemory);
      here = std::min(here, byMemory);
    }
    slots += here;
  }
  return std::min(times, slots / request.devices) * request.deviceParts();
}

void Outlook::learn(const TypicalMix& mix) {
  std::vector<WeighedClass> classes = mix.frequent(1, 1, kMostClasses);
  std::uint64_t total = 0;
  double demand = 0;
  for (const WeighedClass& one : classes) {
    total += one.count;
    demand += static_cast<double>(one.count) * static_cast<double>(one.request.deviceParts());
  }
  classes_.clear();
  weighed_.clear();
  streams_.clear();
  strandedCache_.clear();
  if (demand > 0) {
    for (const WeighedClass& one : classes) {
      classes_.push_back(one.request);
      double asked = static_cast<double>(one.count) *
                     static_cast<double>(one.request.deviceParts());
      if (asked > 0) weighed_.push_back({one.request, asked / demand, 0});
    }
    std::stable_sort(weighed_.begin(), weighed_.end(),
                     [](const Weighed& a, const Weighed& b) { return a.demand > b.demand; });
    if (weighed_.size() > kMostWeighed) weighed_.resize(kMostWeighed);
    std::vector<std::uint64_t> upTo;
    std::uint64_t sum = 0;
    for (const WeighedClass& one : classes) upTo.push_back(sum += one.count);
    for (std::uint64_t stream = 0; stream < kStreams; ++stream) {
      for (std::uint64_t i = 0; i < kStreamLength; ++i) {
        std::uint64_t point = i * 0x9e3779b97f4a7c15 + (2 * stream + 1) * (~std::uint64_t{0} / 16);
        std::uint64_t drawn = scaled(point, total);
        auto at = std::upper_bound(upTo.begin(), upTo.end(), drawn);
        streams_.push_back(static_cast<std::uint16_t>(at - upTo.begin()));
      }
    }
  }
  weigh();
}

void Outlook::weigh() {
  ++epoch_;
  weighedAt_ = nodes_.version();
  potentialCache_.clear();
  double idle = 0;
  std::vector<double> room(weighed_.size());
  for (NodeIndex::Group group = 0; group < nodes_.groupSlots(); ++group) {
    auto rows = static_cast<double>(nodes_.rowsOf(group).size());
    if (rows == 0) continue;
    const NodeState& state = nodes_.state(group);
    std::int64_t free = state.freeDeviceParts();
    if (free == 0) continue;
    idle += rows * static_cast<double>(free);
    for (std::size_t i = 0; i < weighed_.size(); ++i) {
      const Request& request = weighed_[i].request;
      if (!nodes_.allows(request.constraint, state.kind)) continue;
      room[i] += rows * static_cast<double>(usable(state, request));
    }
  }
  for (std::size_t i = 0; i < weighed_.size(); ++i) {
    double least = static_cast<double>(weighed_[i].request.deviceParts());
    double scarcity = std::min(idle / std::max(room[i], least), kMostScarce);
    weighed_[i].weight = static_cast<std::int64_t>(weighed_[i].demand * scarcity * kWeightUnit);
  }
}

bool Outlook::due() const {
  return nodes_.version() - weighedAt_ >= std::max<std::uint64_t>(64, nodes_.rowCount() / 3);
}

std::int64_t Outlook::fill(const NodeState& state) const {
  std::array<bool, kMostClasses> viable;
  bool any = false;
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    viable[i] = nodes_.allows(classes_[i].constraint, state.kind) && fits(state, classes_[i]);
    any = any || (viable[i] && classes_[i].share > 0);
  }
  const Filling start(state);
  if (!any) return start.idle * static_cast<std::int64_t>(kStreams);
  std::int64_t sum = 0;
  for (std::size_t stream = 0; stream < kStreams; ++stream) {
    Filling filling = start;
    for (std::size_t i = 0; i < kStreamLength && filling.idle > 0; ++i) {
      std::uint16_t drawn = streams_[stream * kStreamLength + i];
      if (viable[drawn]) filling.put(classes_[drawn]);
    }
    sum += filling.idle;
  }
  return sum;
}

std::int64_t Outlook::strandedSum(const NodeState& state) const {
  if (streams_.empty() || state.deviceCount == 0) return 0;
  StateCache::Key key = StateCache::keyOf(state, StateCache::Memory::counted);
  if (const std::int64_t* known = strandedCache_.find(key)) return *known;
  std::int64_t sum = fill(state);
  strandedCache_.insert(key, sum);
  return sum;
}

std::int64_t Outlook::worthFine(const NodeState& state) const {
  std::int64_t sum = 0;
  for (const Weighed& one : weighed_) {
    if (!nodes_.allows(one.request.constraint, state.kind)) continue;
    sum += one.weight * usable(state, one.request);
  }
  return sum / (kWeightUnit / kFine);
}

std::int64_t Outlook::potential(const NodeState& state) const {
  if (streams_.empty() || state.deviceCount == 0) return 0;
  StateCache::Key key = StateCache::keyOf(state, StateCache::Memory::counted);
  if (const std::int64_t* known = potentialCache_.find(key)) return *known;
  std::int64_t value = strandedSum(state) * (kFine / static_cast<std::int64_t>(kStreams)) -
                       worthFine(state) / kWorthDivisor;
  potentialCache_.insert(key, value);
  return value;
}

std::int64_t Outlook::stranded(const NodeState& state) const {
  return strandedSum(state) / static_cast<std::int64_t>(kStreams);
}

std::int64_t Outlook::worth(const NodeState& state) const { return worthFine(state) / kFine; }

}  // namespace alnilam::placement
