#include "core/placement/fragmentation.h"

namespace alnilam::placement {

Fragmentation::Fragmentation(const NodeIndex& nodes, std::vector<WeighedClass> classes)
    : nodes_(nodes), classes_(std::move(classes)) {
  for (const WeighedClass& one : classes_) total_ += one.count;
  total_ = std::max<std::uint64_t>(total_, 1);
}

std::int64_t Fragmentation::of(const NodeState& state) const {
  StateCache::Key key = StateCache::keyOf(state, StateCache::Memory::ignored);
  if (const std::int64_t* known = cache_.find(key)) return *known;
  std::int64_t amount = compute(state);
  cache_.insert(key, amount);
  return amount;
}

std::int64_t Fragmentation::compute(const NodeState& state) const {
  std::int64_t idle = state.freeDeviceParts();
  std::int64_t sum = 0;
  for (const WeighedClass& one : classes_) {
    const Request& request = one.request;
    std::int64_t lost = idle;
    if (request.devices > 0 && state.cpu >= request.cpu &&
        nodes_.allows(request.constraint, state.kind)) {
      std::uint32_t fitting = 0;
      std::int64_t tooFull = 0;
      for (std::uint32_t i = 0; i < state.deviceCount; ++i) {
        if (state.devices[i] >= request.share) ++fitting;
        else tooFull += state.devices[i];
      }
      if (fitting >= request.devices) lost = tooFull;
    }
    sum += lost * static_cast<std::int64_t>(one.count);
  }
  return sum;
}

}  // namespace alnilam::placement
