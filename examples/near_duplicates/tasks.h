#pragma once
// The task functions: what runs on nodes.
//
// Files are numbered in the order of their paths and cut into parts of a few files; parts make up
// blocks, the rows of the signature matrix that are compared at once.
//
//   readShingles   part        -> the files' shingles               CPU, reads the files
//   signPart       shingles    -> 128 values a file                 CPU
//   stackParts     signatures  -> a block                           CPU
//   compareBlocks  two blocks  -> which rows agree                  GPU or CPU, whichever is faster
//   verifyTile     agreement, shingles -> links                     CPU
//   mergeLinks     links       -> fewer links                       CPU
//
// Errors: readShingles throws for a file that cannot be read on the node; nothing else throws.

#include "groups.h"

#include <alnilam/alnilam.h>

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace near_duplicates {

// A part's shingles in one array, so that they are read where they lie: the number of files, then
// for each how many shingles it has (0: it is no text), then all shingles, file after file.
using PartShingles = std::vector<std::uint64_t>;

PartShingles readShingles(const std::vector<std::string>& paths);

// 128 values a file, row after row.  A file that is no text gets its own number in each place,
// which agrees with no other row.
std::vector<std::uint32_t> signPart(alnilam::View<const std::uint64_t> shingles,
                                    std::uint32_t firstFile);

std::vector<std::uint32_t> stackParts(
    const std::vector<alnilam::View<const std::uint32_t>>& parts);

// The variants of compareBlocks.
// Bit j % 32 of word i * ((rows of right + 31) / 32) + j / 32 is set where row i of left and row j
// of right have at least `needed` values in common.
alnilam::gpu::Array<std::uint32_t> compareOnGpu(alnilam::gpu::Context& gpu,
                                                alnilam::gpu::View<const std::uint32_t> left,
                                                alnilam::gpu::View<const std::uint32_t> right,
                                                std::uint32_t needed);
std::vector<std::uint32_t> compareOnCpu(alnilam::View<const std::uint32_t> left,
                                        alnilam::View<const std::uint32_t> right,
                                        std::uint32_t needed);

// Where a tile of the matrix of all pairs lies: file numbers of its first row and column.
struct Tile {
  std::uint32_t firstRow = 0, rows = 0;
  std::uint32_t firstColumn = 0, columns = 0;

  std::size_t wordsARow() const { return (columns + 31) / 32; }
};

// Calls see(left, right) with the file numbers of each pair of the tile that agrees, left < right.
template <typename See>
void forEachCandidate(const Tile& tile, std::span<const std::uint32_t> agree, See&& see) {
  for (std::uint32_t row = 0; row < tile.rows; ++row) {
    for (std::size_t word = 0; word < tile.wordsARow(); ++word) {
      std::uint32_t bits = agree[row * tile.wordsARow() + word];
      for (; bits != 0; bits &= bits - 1) {
        auto column = static_cast<std::uint32_t>(word * 32) +
                      static_cast<std::uint32_t>(std::countr_zero(bits));
        std::uint32_t left = tile.firstRow + row, right = tile.firstColumn + column;
        if (left < right) see(left, right);
      }
    }
  }
}

// The links between files of the tile whose similarity reaches `threshold`, as a forest.  `parts`
// are those that hold a candidate, firstFiles[i] is the number of parts[i]'s first file, ascending.
std::vector<Link> verifyTile(const Tile& tile, alnilam::View<const std::uint32_t> agree,
                             const std::vector<std::uint32_t>& firstFiles,
                             const std::vector<alnilam::View<const std::uint64_t>>& parts,
                             double threshold);

std::vector<Link> mergeLinks(const std::vector<std::vector<Link>>& parts);

}  // namespace near_duplicates
