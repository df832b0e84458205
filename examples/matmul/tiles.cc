#include "tiles.h"

#include <algorithm>
#include <random>

namespace matmul {

std::vector<Cut> cuts(std::size_t n, std::size_t tile) {
  std::vector<Cut> all;
  for (std::size_t first = 0; first < n; first += tile) {
    all.push_back({first, std::min(tile, n - first)});
  }
  return all;
}

float element(std::uint64_t seed, std::size_t row, std::size_t column) {
  // SplitMix64.  Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
  std::uint64_t z = seed * 0x9e3779b97f4a7c15 + (std::uint64_t{row} << 32 | column);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return static_cast<float>(static_cast<int>(z % 9) - 4);
}

namespace {

// M x, where at(row, column) is M's element.
template <typename At>
std::vector<std::int64_t> times(At&& at, const std::vector<std::int64_t>& x) {
  std::vector<std::int64_t> result(x.size());
  for (std::size_t row = 0; row < x.size(); ++row) {
    for (std::size_t column = 0; column < x.size(); ++column) {
      result[row] += static_cast<std::int64_t>(at(row, column)) * x[column];
    }
  }
  return result;
}

}  // namespace

bool isProduct(std::uint64_t seedA, std::uint64_t seedB, std::span<const float> c, std::size_t n,
               unsigned rounds) {
  std::mt19937_64 random(seedA ^ seedB);
  for (unsigned round = 0; round < rounds; ++round) {
    std::vector<std::int64_t> x(n);
    for (std::int64_t& value : x) value = static_cast<std::int64_t>(random() >> 63);
    auto bx = times([&](auto row, auto column) { return element(seedB, row, column); }, x);
    auto abx = times([&](auto row, auto column) { return element(seedA, row, column); }, bx);
    if (times([&](auto row, auto column) { return c[row * n + column]; }, x) != abx) return false;
  }
  return true;
}

}  // namespace matmul
