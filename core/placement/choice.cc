#include "core/placement/choice.h"

#include <algorithm>

namespace alnilam::placement {
namespace {

constexpr std::int64_t kMost = INT64_MAX;

std::int64_t plus(std::int64_t a, std::int64_t b) { return a > kMost - b ? kMost : a + b; }

std::int64_t times(std::int64_t a, std::uint64_t n) {
  if (a == 0 || n == 0) return 0;
  return n > static_cast<std::uint64_t>(kMost / a) ? kMost : a * static_cast<std::int64_t>(n);
}

// How many more tasks of `run` the way has ended at `time`.
std::uint64_t endedBy(const Way& way, Duration run, Duration time) {
  if (way.slots == 0 || run == kNever || time < run) return 0;
  std::int64_t left = times(time.count(), way.slots) - way.backlog.count();
  return left <= 0 ? 0 : static_cast<std::uint64_t>(left / std::max<std::int64_t>(run.count(), 1));
}

}  // namespace

Duration endOn(const Way& way, Duration run, Duration transfer) {
  if (way.slots == 0 || run == kNever) return kNever;
  auto share = static_cast<std::uint64_t>(plus(way.backlog.count(), run.count())) / way.slots;
  return std::max(Duration(plus(run.count(), transfer.count())),
                  Duration(static_cast<std::int64_t>(share)));
}

Duration level(std::span<const Way> ways, std::span<const Duration> runs, std::uint64_t tasks) {
  auto enough = [&](Duration time) {
    std::uint64_t ended = 0;
    for (std::size_t i = 0; i < ways.size() && ended < tasks; ++i) {
      ended += endedBy(ways[i], runs[i], time);
    }
    return ended >= tasks;
  };
  // Between what no way beats and what the first of them needs for all.
  Duration low{0}, high = kNever;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    high = std::min(high, endOn({ways[i].slots, Duration(plus(ways[i].backlog.count(),
                                                              times(runs[i].count(), tasks)))},
                                runs[i]));
  }
  if (high == kNever) return kNever;
  while (low < high) {
    Duration middle = low + (high - low) / 2;
    if (enough(middle)) high = middle;
    else low = middle + Duration(1);
  }
  return low;
}

bool isHopeless(const Estimate& slow, const Estimate& fast) {
  if (!slow.known() || !fast.known()) return false;
  return slow.run.count() / kHopeless > fast.run.count();
}

bool isWorthATrial(const CostTable& costs, CostTable::Series candidate,
                   std::span<const CostTable::Series> others, std::uint8_t sizeClass) {
  if (!costs.mayTry(candidate, sizeClass)) return false;
  auto isHopelessAt = [&](std::uint8_t at, const Estimate& slow) {
    return std::any_of(others.begin(), others.end(), [&](CostTable::Series other) {
      return isHopeless(slow, costs.estimate(other, at));
    });
  };
  Estimate own = costs.estimate(candidate, sizeClass);
  if (own.runs >= 2 && isHopelessAt(sizeClass, own)) return false;
  auto [smaller, before] = costs.predecessor(candidate, sizeClass);
  return own.runs > 0 || !before.known() || !isHopelessAt(smaller, before);
}

std::optional<Pick> pick(std::span<const NodeWay> ways, std::size_t hint, Duration waited) {
  if (hint >= ways.size() || !ways[hint].feasible) {
    hint = ways.size();
    for (std::size_t i = ways.size(); i-- > 0;) {
      if (ways[i].feasible) hint = i;
    }
    if (hint == ways.size()) return std::nullopt;
  }
  std::optional<std::size_t> fastestFree;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    if (!ways[i].feasible || !ways[i].free || ways[i].run == kNever) continue;
    if (!fastestFree || ways[i].run < ways[*fastestFree].run) fastestFree = i;
  }
  if (ways[hint].run == kNever) {  // the head knows more, or nobody does
    return Pick{hint, ways[hint].free, kNever};
  }
  if (ways[hint].free) return Pick{*fastestFree, true, kNever};

  auto endOf = [&](const NodeWay& one) {
    if (!one.feasible) return kNever;
    return one.free ? one.run : endOn(one.way, one.run);
  };
  std::size_t first = hint;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    if (endOf(ways[i]) < endOf(ways[first])) first = i;
  }
  if (ways[first].free) return Pick{first, true, kNever};
  if (!fastestFree) return Pick{first, false, kNever};
  Duration patience = ways[*fastestFree].run;
  if (!isPatient(waited, patience)) return Pick{*fastestFree, true, kNever};
  return Pick{first, false, patience};
}

Earliest::Earliest(std::span<const Way> ways, std::span<const Duration> runs,
                   std::span<const std::uint64_t> rooms)
    : ways_(ways), runs_(runs), rooms_(rooms) {
  for (std::size_t i = 0; i < ways.size(); ++i) {
    Duration end = endOn(ways[i], runs[i]);
    if (rooms[i] > 0 && end != kNever) heap_.push_back({end, i});
  }
  std::make_heap(heap_.begin(), heap_.end());
}

std::optional<std::size_t> Earliest::first() {
  while (!heap_.empty()) {
    Entry top = heap_.front();
    Duration end = endOn(ways_[top.way], runs_[top.way]);
    if (rooms_[top.way] > 0 && end == top.end) return top.way;
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    if (rooms_[top.way] == 0) continue;
    heap_.push_back({end, top.way});
    std::push_heap(heap_.begin(), heap_.end());
  }
  return std::nullopt;
}

}  // namespace alnilam::placement
