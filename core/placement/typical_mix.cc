#include "core/placement/typical_mix.h"

#include <algorithm>

namespace alnilam::placement {

void TypicalMix::observe(const Request& request, std::uint64_t times) {
  if (times == 0) return;
  auto at = counts_.find(request);
  if (at == counts_.end()) {
    std::uint64_t inherited = 0;
    if (counts_.size() >= kMostClasses) {
      auto rarest = std::min_element(
          counts_.begin(), counts_.end(),
          [](const auto& a, const auto& b) { return a.second < b.second; });
      inherited = rarest->second;
      counts_.erase(rarest);
    }
    at = counts_.emplace(request, inherited).first;
  }
  times = std::min(times, kHalvedAt);
  at->second += times;
  total_ += times;
  since_ += times;
  if (total_ < kHalvedAt) return;
  total_ = 0;
  for (auto one = counts_.begin(); one != counts_.end();) {
    one->second /= 2;
    total_ += one->second;
    one = one->second == 0 ? counts_.erase(one) : std::next(one);
  }
}

bool TypicalMix::due() const { return since_ > 0 && since_ >= std::min(kLongest, total_ / 5); }

std::vector<WeighedClass> TypicalMix::frequent(std::uint64_t share, std::uint64_t of,
                                               std::size_t most) const {
  std::vector<WeighedClass> classes;
  for (const auto& [request, count] : counts_) classes.push_back({request, count});
  std::stable_sort(classes.begin(), classes.end(),
                   [](const WeighedClass& a, const WeighedClass& b) { return a.count > b.count; });
  std::uint64_t sum = 0;
  std::size_t kept = 0;
  while (kept < classes.size() && kept < most && sum * of < share * total_) {
    sum += classes[kept++].count;
  }
  classes.resize(kept);
  return classes;
}

}  // namespace alnilam::placement
