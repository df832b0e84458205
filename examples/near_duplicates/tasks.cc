#include "tasks.h"

#include "shingles.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>

namespace near_duplicates {

namespace {

std::string contentsOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in.is_open() || in.bad()) throw std::runtime_error("cannot read '" + path + "'");
  return text;
}

// The sets of a PartShingles, in place.
std::vector<std::span<const std::uint64_t>> setsOf(std::span<const std::uint64_t> part) {
  std::vector<std::span<const std::uint64_t>> sets(part[0]);
  std::size_t at = 1 + sets.size();
  for (std::size_t file = 0; file < sets.size(); ++file) {
    sets[file] = part.subspan(at, part[1 + file]);
    at += part[1 + file];
  }
  return sets;
}

}  // namespace

PartShingles readShingles(const std::vector<std::string>& paths) {
  PartShingles part(1 + paths.size());
  part[0] = paths.size();
  for (std::size_t file = 0; file < paths.size(); ++file) {
    std::string text = contentsOf(paths[file]);
    if (text.find('\0') != std::string::npos) continue;  // no text
    std::vector<std::uint64_t> shingles = shinglesOf(text);
    part[1 + file] = shingles.size();
    part.insert(part.end(), shingles.begin(), shingles.end());
  }
  return part;
}

std::vector<std::uint32_t> signPart(alnilam::View<const std::uint64_t> shingles,
                                    std::uint32_t firstFile) {
  std::vector<std::uint32_t> rows;
  for (auto set : setsOf(shingles.span())) {
    if (set.empty()) {
      rows.insert(rows.end(), kSignatureValues, firstFile);
    } else {
      Signature signature = signatureOf(set);
      rows.insert(rows.end(), signature.begin(), signature.end());
    }
    ++firstFile;
  }
  return rows;
}

std::vector<std::uint32_t> stackParts(
    const std::vector<alnilam::View<const std::uint32_t>>& parts) {
  std::vector<std::uint32_t> block;
  for (const auto& part : parts) block.insert(block.end(), part.begin(), part.end());
  return block;
}

std::vector<std::uint32_t> compareOnCpu(alnilam::View<const std::uint32_t> left,
                                        alnilam::View<const std::uint32_t> right,
                                        std::uint32_t needed) {
  std::size_t rows = left.size() / kSignatureValues, columns = right.size() / kSignatureValues;
  std::size_t wordsARow = (columns + 31) / 32;
  std::vector<std::uint32_t> agree(rows * wordsARow);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      const std::uint32_t* a = left.data() + i * kSignatureValues;
      const std::uint32_t* b = right.data() + j * kSignatureValues;
      std::uint32_t equal = 0;
      for (std::size_t k = 0; k < kSignatureValues; ++k) equal += a[k] == b[k];
      if (equal >= needed) agree[i * wordsARow + j / 32] |= 1u << (j % 32);
    }
  }
  return agree;
}

std::vector<Link> verifyTile(const Tile& tile, alnilam::View<const std::uint32_t> agree,
                             const std::vector<std::uint32_t>& firstFiles,
                             const std::vector<alnilam::View<const std::uint64_t>>& parts,
                             double threshold) {
  std::vector<std::vector<std::span<const std::uint64_t>>> sets;
  for (const auto& part : parts) sets.push_back(setsOf(part.span()));
  auto setOf = [&](std::uint32_t file) {
    auto after = std::upper_bound(firstFiles.begin(), firstFiles.end(), file);
    auto part = static_cast<std::size_t>(after - firstFiles.begin()) - 1;
    return sets[part][file - firstFiles[part]];
  };
  // Whoever is joined already, by way of others, need not be looked at: a hundred copies of a
  // licence are five thousand candidates and a hundred comparisons.
  std::uint32_t base = std::min(tile.firstRow, tile.firstColumn);
  Groups groups(std::max(tile.firstRow + tile.rows, tile.firstColumn + tile.columns) - base);
  std::vector<Link> links;
  forEachCandidate(tile, agree.span(), [&](std::uint32_t left, std::uint32_t right) {
    if (groups.find(left - base) == groups.find(right - base)) return;
    auto leftSet = setOf(left), rightSet = setOf(right);
    if (leftSet.empty() || rightSet.empty() || !similar(leftSet, rightSet, threshold)) return;
    groups.join(left - base, right - base);
    links.push_back({left, right});
  });
  return links;
}

std::vector<Link> mergeLinks(const std::vector<std::vector<Link>>& parts) {
  std::vector<Link> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return forestOf(all);
}

}  // namespace near_duplicates
