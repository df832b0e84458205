#pragma once
// What tasks typically ask for, learned from those that arrive.
//
// Counts how often each class of requests came, for at most kMostClasses of them.  When all places
// are taken a newcomer takes over the place of the rarest class and its count, so a class that is
// frequent enough is never missing for long (the "space saving" of Metwally, Agrawal, El Abbadi,
// "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005).  When the
// total reaches kHalvedAt all counts are halved, so that what came long ago counts less.
//
// The mix asks to be looked at again (`due`) when it has grown by a quarter, or by kLongest: soon
// while little is known, seldom later.  Models built of it (outlook.h) are built anew only then.
//
// Complexity: O(log classes) to observe, O(classes) when a class is displaced.

#include "core/placement/fragmentation.h"

#include <cstdint>
#include <map>
#include <vector>

namespace alnilam::placement {

class TypicalMix {
 public:
  static constexpr std::size_t kMostClasses = 512;
  static constexpr std::uint64_t kHalvedAt = std::uint64_t{1} << 17;
  static constexpr std::uint64_t kLongest = 4096;

  void observe(const Request& request, std::uint64_t times = 1);

  // Whether so much has come since the last `looked` that models of the mix are out of date.
  bool due() const;
  void looked() { since_ = 0; }

  std::uint64_t total() const { return total_; }

  // The most frequent classes that together make up `share` of `of` (19 of 20: all but a
  // twentieth), the most frequent first, equal ones in order of their requests; at most `most`.
  std::vector<WeighedClass> frequent(std::uint64_t share, std::uint64_t of, std::size_t most) const;

 private:
  std::map<Request, std::uint64_t> counts_;
  std::uint64_t total_ = 0;
  std::uint64_t since_ = 0;
};

}  // namespace alnilam::placement
