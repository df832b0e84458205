#pragma once
// Where a simulated world gets its luck: one seeded generator, the same numbers everywhere.
//
// The standard fixes the sequence of mt19937_64 but not what its distributions make of it; hence
// the plain remainder.

#include "core/base/units.h"

#include <cstdint>
#include <random>

namespace alnilam::sim {

class Luck {
 public:
  explicit Luck(std::uint64_t seed) : prng_(seed) {}

  std::uint64_t below(std::uint64_t n) { return prng_() % n; }
  bool percent(std::uint64_t chance) { return below(100) < chance; }
  // At least `low`, less than `high`.
  Duration between(Duration low, Duration high) {
    return low + Duration(static_cast<std::int64_t>(
                     below(static_cast<std::uint64_t>((high - low).count()))));
  }

 private:
  std::mt19937_64 prng_;
};

}  // namespace alnilam::sim
