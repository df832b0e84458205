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

void shares(std::span<const Way> ways, std::span<const Duration> runs, std::uint64_t tasks,
            std::vector<std::uint64_t>& out) {
  Duration last = level(ways, runs, tasks);
  for (std::size_t i = 0; i < ways.size(); ++i) {
    out.push_back(last == kNever ? 0 : std::min(endedBy(ways[i], runs[i], last), tasks));
  }
}

bool isHopeless(const Estimate& slow, const Estimate& fast) {
  if (slow.runs == 0 || fast.runs == 0) return false;
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
  if (own.runs > 0 || !before.known() || !isHopelessAt(smaller, before)) return true;
  // Larger inputs do not take less time: that of the smaller ones is the least to expect.
  Duration fastest = kNever;
  for (CostTable::Series other : others) {
    if (Estimate here = costs.estimate(other, sizeClass); here.runs > 0) {
      fastest = std::min(fastest, here.run);
    }
  }
  return fastest != kNever && before.run < fastest;
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

std::optional<std::size_t> bestFor(const Way& way, std::span<const Offer> offers) {
  // How many times as long it takes elsewhere, in 1,024ths, roughly.
  auto gain = [](const Offer& offer) {
    return offer.alternative.count() / (offer.run.count() / 1024 + 1);
  };
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < offers.size(); ++i) {
    const Offer& offer = offers[i];
    if (offer.tasks == 0 || offer.run == kNever || endOn(way, offer.run) > offer.level) continue;
    if (!best || gain(offer) > gain(offers[*best])) best = i;
  }
  return best;
}

}  // namespace alnilam::placement
