#include "core/placement/cost.h"

#include "core/cluster/resources.h"

#include <cmath>

namespace alnilam::placement {
namespace {

// A size class is estimated from others at most this far away.
constexpr int kReach = 12;
// From one size class to the next, time grows by nothing at least and fourfold at most (as the
// square of the bytes); twofold where only one class is known.
constexpr double kLeastGrowth = 1, kMostGrowth = 4, kUsualGrowth = 2;
// How much of what was seen of a transfer rate is left after the next pull.
constexpr double kFading = 0.875;

double bounded(Duration time) {
  return static_cast<double>(std::clamp(time, Duration{0}, CostTable::kLongest).count());
}

Duration rounded(double nanoseconds) {
  double most = static_cast<double>(CostTable::kLongest.count());
  return Duration(static_cast<std::int64_t>(std::llround(std::clamp(nanoseconds, 0.0, most))));
}

double growth(double from, double to, int classes) {
  double each = std::pow(std::max(to, 1.0) / std::max(from, 1.0), 1.0 / classes);
  return std::clamp(each, kLeastGrowth, kMostGrowth);
}

}  // namespace

std::string showSizeClass(std::uint8_t sizeClass) {
  if (sizeClass == 0) return "no bytes";
  Bytes least = Bytes{1} << (sizeClass - 1);
  if (sizeClass == kSizeClasses - 1) return showBytes(least) + " or more";
  return showBytes(least) + " to " + showBytes(least << 1);
}

// ---- Series.

CostTable::Series CostTable::series(const std::string& implementation, const std::string& model) {
  auto nameOf = [&](std::uint32_t index) {
    slots_[index].used = ++uses_;
    return std::uint64_t{slots_[index].generation} << 32 | (index + 1);
  };
  auto known = byName_.find({implementation, model});
  if (known != byName_.end()) return nameOf(known->second);
  std::uint32_t index = static_cast<std::uint32_t>(slots_.size());
  if (slots_.size() < kMaxSeries) {
    slots_.emplace_back();
  } else {
    auto oldest = std::min_element(slots_.begin(), slots_.end(),
                                   [](const Slot& a, const Slot& b) { return a.used < b.used; });
    index = static_cast<std::uint32_t>(oldest - slots_.begin());
    byName_.erase(oldest->name);
    oldest->cells.clear();
    ++oldest->generation;
  }
  slots_[index].name = byName_.emplace(std::pair(implementation, model), index).first;
  return nameOf(index);
}

const CostTable::Slot* CostTable::find(Series series) const {
  auto index = static_cast<std::uint32_t>(series);
  if (index == 0 || index > slots_.size()) return nullptr;
  const Slot& slot = slots_[index - 1];
  return slot.generation == series >> 32 ? &slot : nullptr;
}

const CostTable::Cell* CostTable::find(Series series, std::uint8_t sizeClass) const {
  const Slot* slot = find(series);
  return slot && sizeClass < slot->cells.size() ? &slot->cells[sizeClass] : nullptr;
}

CostTable::Cell* CostTable::cellOf(Series series, std::uint8_t sizeClass) {
  auto* slot = const_cast<Slot*>(find(series));
  if (!slot) return nullptr;
  slot->used = ++uses_;
  if (slot->cells.size() <= sizeClass) slot->cells.resize(sizeClass + std::size_t{1});
  return &slot->cells[sizeClass];
}

// ---- Learning.

// Joins another sample of `weight` runs; what is here counts as kMemory runs at most.
// Source: the parallel form of Welford's algorithm, Chan, Golub and LeVeque, 1979.
void CostTable::Cell::add(double weight, double otherMean, double otherVariance) {
  double here = std::min(runs - 1, kMemory);  // the first run is forgotten
  double all = here + weight;
  double off = otherMean - mean;
  variance = (here * variance + weight * otherVariance) / all + off * off * here * weight /
                                                                    (all * all);
  mean += off * weight / all;
}

void CostTable::observe(Series series, std::uint8_t sizeClass, Duration ran) {
  Cell* cell = cellOf(series, sizeClass);
  if (!cell) return;
  if (cell->runs == 0) cell->mean = bounded(ran);
  else cell->add(1, bounded(ran), 0);
  if (cell->runs != UINT32_MAX) ++cell->runs;
}

void CostTable::learn(Series series, std::uint8_t sizeClass, const Lesson& lesson) {
  Cell* cell = cellOf(series, sizeClass);
  if (!cell || lesson.runs == 0) return;
  double mean = bounded(lesson.mean), deviation = bounded(lesson.deviation);
  bool isWarmUp = lesson.total <= 1;
  if (cell->runs == 0) {
    cell->mean = mean;
    cell->variance = deviation * deviation;
  } else if (!isWarmUp) {
    cell->add(std::min(lesson.runs, kMemory), mean, deviation * deviation);
  }
  cell->runs += std::min(lesson.runs, UINT32_MAX - cell->runs);
}

// ---- Estimates.

Estimate CostTable::estimate(Series series, std::uint8_t sizeClass) const {
  const Slot* slot = find(series);
  if (!slot) return {};
  int wanted = sizeClass, count = static_cast<int>(slot->cells.size());
  auto has = [&](int at) { return slot->cells[static_cast<std::size_t>(at)].runs > 0; };
  auto mean = [&](int at) { return slot->cells[static_cast<std::size_t>(at)].mean; };
  if (wanted < count && has(wanted)) {
    const Cell& cell = slot->cells[sizeClass];
    return {Estimate::From::runs, rounded(cell.mean), rounded(std::sqrt(cell.variance)),
            cell.runs};
  }
  int above = wanted + 1;
  while (above < count && !has(above)) ++above;
  bool isAbove = above < count && above - wanted <= kReach;
  std::array<int, 2> below{-1, -1};  // the two nearest, the nearest first; -1: none
  std::size_t found = 0;
  for (int at = std::min(wanted, count) - 1; at >= 0 && found < 2 && wanted - at <= kReach; --at) {
    if (has(at)) below[found++] = at;
  }
  if (found == 0 && !isAbove) return {};
  double run = isAbove ? mean(above) : 0;
  if (found > 0) {
    double each = kUsualGrowth;
    if (isAbove) each = growth(mean(below[0]), mean(above), above - below[0]);
    else if (found == 2) each = growth(mean(below[1]), mean(below[0]), below[0] - below[1]);
    run = mean(below[0]) * std::pow(each, wanted - below[0]);
  }
  return {Estimate::From::neighbours, rounded(run), {}, 0};
}

std::pair<std::uint8_t, Estimate> CostTable::predecessor(Series series,
                                                         std::uint8_t sizeClass) const {
  const Slot* slot = find(series);
  if (!slot) return {};
  for (std::size_t at = std::min<std::size_t>(sizeClass, slot->cells.size()); at-- > 0;) {
    if (slot->cells[at].runs < 2) continue;
    auto found = static_cast<std::uint8_t>(at);
    return {found, estimate(series, found)};
  }
  return {};
}

// ---- Trials.

bool CostTable::mayTry(Series series, std::uint8_t sizeClass) const {
  if (!find(series)) return false;
  const Cell* cell = find(series, sizeClass);
  return !cell || (cell->runs < kTrials && cell->trials < kTrials && !cell->trying);
}

void CostTable::tryBegins(Series series, std::uint8_t sizeClass) {
  Cell* cell = cellOf(series, sizeClass);
  if (!cell) return;
  ++cell->trials;
  cell->trying = true;
}

void CostTable::tryEnds(Series series, std::uint8_t sizeClass) {
  if (Cell* cell = cellOf(series, sizeClass)) cell->trying = false;
}

std::uint32_t CostTable::trials(Series series, std::uint8_t sizeClass) const {
  const Cell* cell = find(series, sizeClass);
  return cell ? cell->trials : 0;
}

// ---- Transfers.

void TransferRate::observe(Bytes bytes, Duration took) {
  bytes_ = bytes_ * kFading + static_cast<double>(bytes);
  seconds_ = seconds_ * kFading + bounded(std::max(took, Duration{1})) / 1e9;
}

Bytes TransferRate::perSecond() const {
  if (seconds_ <= 0) return 0;
  constexpr double kMost = 1e15;  // more than any lane carries, and no trouble to compute with
  return static_cast<Bytes>(std::clamp(bytes_ / seconds_, 1.0, kMost));
}

Duration transferTime(Bytes bytes, Bytes perSecond) {
  double rate = static_cast<double>(perSecond == 0 ? TransferRate::kAssumed : perSecond);
  return rounded(static_cast<double>(bytes) / rate * 1e9);
}

}  // namespace alnilam::placement
