#pragma once
// How long a run takes, learned: by implementation, by device model, by size of what it reads.
//
// A *series* is one implementation (a variant of a task, with what it asks for) on one model of
// device, or "cpu".  Within a series runs are sorted by size class, the power of two below the
// bytes of their inputs and arguments together, and each class keeps a mean and a variance in which
// the last dozen of runs count most.  The first run of a class is a warm-up (a context made, a
// kernel loaded, pages touched): it stands until there is a second one and is then forgotten.
//
// A size class without runs is estimated from its neighbours: between two by the power law through
// both, above them by the slope of the two nearest, or with one in proportion to the bytes; below
// them as the smallest that ran, since what a run costs at least does not shrink with its inputs.
// Times are bounded by a year, so nothing overflows, whatever is reported.
//
// A *trial* is a run made only to learn.  Whoever wants one asks `mayTry` (at most kTrials for each
// size class of a series, at most one at a time) and reports its begin and end.
//
// Bounds: at most kMaxSeries series; the one that was used longest ago goes first, and who still
// holds its name gets "nothing known" for it.
//
// Threading: none.  Complexity: O(1) an observation, O(kSizeClasses) an estimate.

#include "core/base/units.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace alnilam::placement {

inline constexpr std::size_t kSizeClasses = 64;

// 0 for no bytes, otherwise 1 + log2, rounded down.
constexpr std::uint8_t sizeClassOf(Bytes bytes) {
  return static_cast<std::uint8_t>(
      std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(bytes)), kSizeClasses - 1));
}

// "0 B", "1MiB to 2MiB": the bytes that a size class stands for.
std::string showSizeClass(std::uint8_t sizeClass);

struct Estimate {
  enum class From : std::uint8_t { nothing, neighbours, runs };

  From from = From::nothing;
  Duration run{};        // meaningful unless from nothing
  Duration deviation{};  // from runs: the standard deviation
  std::uint32_t runs = 0;  // from runs: how many

  bool known() const { return from != From::nothing; }
};

class CostTable {
 public:
  static constexpr std::uint32_t kTrials = 3;  // of each size class of a series
  static constexpr std::size_t kMaxSeries = 1024;
  static constexpr std::uint32_t kMemory = 12;  // runs that a mean remembers
  static constexpr Duration kLongest = std::chrono::hours(24 * 365);

  // A name for a series, valid until it is forgotten; 0 is never one.
  using Series = std::uint64_t;

  // The series of this name, made if it is new.
  Series series(const std::string& implementation, const std::string& model);

  bool knows(Series series) const { return find(series) != nullptr; }

  void observe(Series series, std::uint8_t sizeClass, Duration ran);

  // What another table, of one node, has learned: `runs` since it last told, of `total`, after
  // which it expects `mean` and `deviation`.
  struct Lesson {
    std::uint32_t runs = 0;
    std::uint32_t total = 0;
    Duration mean{};
    Duration deviation{};
  };
  void learn(Series series, std::uint8_t sizeClass, const Lesson& lesson);

  Estimate estimate(Series series, std::uint8_t sizeClass) const;

  // The nearest smaller size class of `series` that has at least two runs, and its mean; none: no
  // runs.
  std::pair<std::uint8_t, Estimate> predecessor(Series series, std::uint8_t sizeClass) const;

  bool mayTry(Series series, std::uint8_t sizeClass) const;
  void tryBegins(Series series, std::uint8_t sizeClass);
  void tryEnds(Series series, std::uint8_t sizeClass);
  std::uint32_t trials(Series series, std::uint8_t sizeClass) const;  // begun so far

  std::size_t size() const { return byName_.size(); }

 private:
  struct Cell {
    double mean = 0;      // nanoseconds
    double variance = 0;  // of those
    std::uint32_t runs = 0;
    std::uint8_t trials = 0;
    bool trying = false;

    void add(double weight, double otherMean, double otherVariance);
  };
  struct Slot {
    std::uint32_t generation = 0;
    std::uint64_t used = 0;  // when, as a count of uses
    std::vector<Cell> cells;  // by size class; as many as were needed
    std::map<std::pair<std::string, std::string>, std::uint32_t>::iterator name;
  };

  const Slot* find(Series series) const;
  const Cell* find(Series series, std::uint8_t sizeClass) const;
  Cell* cellOf(Series series, std::uint8_t sizeClass);  // null if the series is forgotten

  std::vector<Slot> slots_;
  std::map<std::pair<std::string, std::string>, std::uint32_t> byName_;
  std::uint64_t uses_ = 0;
};

// How fast bytes come in, by what came lately; large pulls count more than small ones.
class TransferRate {
 public:
  static constexpr Bytes kAssumed = 1'000'000'000;  // bytes a second, while nothing is known

  void observe(Bytes bytes, Duration took);
  Bytes perSecond() const;  // 0 while nothing is known

 private:
  double bytes_ = 0;
  double seconds_ = 0;
};

// How long `bytes` take at `perSecond`, or at TransferRate::kAssumed if that is 0; at most
// CostTable::kLongest.
Duration transferTime(Bytes bytes, Bytes perSecond);

}  // namespace alnilam::placement
