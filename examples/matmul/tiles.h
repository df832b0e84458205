#pragma once
// Square matrices of small whole numbers, cut into tiles.
//
// The numbers are floats, since that is what GPUs multiply, and whole and small, so that every sum
// is exact: results can be compared bit by bit, whatever the order of the additions.
//
// Threading: pure functions.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace matmul {

using Tile = std::vector<float>;  // row after row

// Where a tile begins along either side, and how long it is there; the last may be shorter.
struct Cut {
  std::size_t first = 0, size = 0;
};
std::vector<Cut> cuts(std::size_t n, std::size_t tile);

constexpr std::size_t kMostSize = 16384;  // of a matrix: sums stay far below 2^24

// Of the matrix that `seed` names; the same numbers whoever asks, -4 to 4.
float element(std::uint64_t seed, std::size_t row, std::size_t column);

// Whether C = A B, by Freivalds: C x = A (B x) for random vectors x of 0 and 1, in whole numbers.
// A wrong C passes at most once in 2^rounds.  `c` is C row after row.
// Source: R. Freivalds, "Probabilistic machines can use less running time", IFIP 1977.
bool isProduct(std::uint64_t seedA, std::uint64_t seedB, std::span<const float> c, std::size_t n,
               unsigned rounds);

}  // namespace matmul
