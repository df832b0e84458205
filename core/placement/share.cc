#include "core/placement/share.h"

#include "core/graph/job.h"

#include <algorithm>
#include <bit>

namespace alnilam::placement {
namespace {

// `part` of `whole`, both first brought below 2^32, so that nothing overflows.
Share partOf(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return 0;
  int shift = std::max(0, static_cast<int>(std::bit_width(whole)) - 32);
  std::uint64_t of = whole >> shift;
  return std::min(part >> shift, of) * kWholeShare / of;
}

Share partOf(Amount part, Amount whole) {
  return partOf(static_cast<std::uint64_t>(part.parts), static_cast<std::uint64_t>(whole.parts));
}

}  // namespace

std::int64_t effectivePriority(std::int32_t priority, Duration waited, Duration step) {
  constexpr std::int64_t kMost = 1'000'000'000;
  std::int64_t steps = waited.count() / std::max<std::int64_t>(step.count(), 1);
  return priority + std::clamp<std::int64_t>(steps, 0, kMost);
}

Share dominantShare(const ResourceSet& held, const ResourceSet& total) {
  Share share = std::max({partOf(held.cpus, total.cpus), partOf(held.gpus, total.gpus),
                          partOf(held.memory, total.memory),
                          partOf(held.gpuMemory, total.gpuMemory)});
  auto at = total.named.begin();
  for (const NamedAmount& one : held.named) {
    while (at != total.named.end() && at->name < one.name) ++at;
    if (at == total.named.end()) break;
    if (at->name == one.name) share = std::max(share, partOf(one.amount, at->amount));
  }
  return share;
}

Share standing(Share share, std::uint32_t weight) {
  return share * JobShare::kDefaultWeight / std::max<std::uint32_t>(weight, 1);
}

}  // namespace alnilam::placement
