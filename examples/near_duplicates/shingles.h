#pragma once
// Texts as sets of shingles, and what can be told about two sets from 128 numbers each.
//
// A word is a run of bytes without white space, case kept.  A shingle is five words in a row; a
// text of fewer words (an empty one too) is one shingle.  Two texts are as similar as their sets
// overlap: Jaccard, the shingles that both have by the shingles that either has.
//
// A shingle is kept as a 64-bit fingerprint.  Two different ones of a pair of texts with n shingles
// share a fingerprint with a probability of about n^2 / 2^64: 10^-7 for texts of a million words.
//
// A signature is MinHash: value k is the least of the k-th hash over the set, so two sets agree in
// a value with a probability that is their Jaccard similarity.  Every number here depends on the
// bytes of the texts alone; no machine, order or run changes it.
// Source: Broder, On the resemblance and containment of documents (1997).

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace near_duplicates {

inline constexpr std::size_t kSignatureValues = 128;
inline constexpr std::size_t kWordsPerShingle = 5;
using Signature = std::array<std::uint32_t, kSignatureValues>;

// The set of `text`'s shingles, ascending; never empty.
std::vector<std::uint64_t> shinglesOf(std::string_view text);

// `shingles` must not be empty.  O(128 * shingles).
Signature signatureOf(std::span<const std::uint64_t> shingles);

// Both ascending without repetition, not empty.  True if |both| / |either|, rounded to a double, is
// at least `threshold`, so that 7 of 100 reach 0.07.
bool similar(std::span<const std::uint64_t> left, std::span<const std::uint64_t> right,
             double threshold);

// How many of the 128 values a pair must share to be looked at: the most for which a pair exactly
// at `threshold` (0 to 1) falls short with a probability below one in a million.  0.8 gives 79.
std::uint32_t candidateBound(double threshold);

}  // namespace near_duplicates
