#include "shingles.h"

#include <algorithm>
#include <cmath>

namespace near_duplicates {

namespace {

// Source: the finaliser of MurmurHash3, which is a bijection.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

bool isSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Source: FNV-1a, 64 bits.
std::uint64_t fingerprint(std::string_view word) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (unsigned char byte : word) hash = (hash ^ byte) * 0x100000001b3ULL;
  return mix(hash);
}

std::vector<std::uint64_t> wordsOf(std::string_view text) {
  std::vector<std::uint64_t> words;
  for (std::size_t at = 0; at < text.size();) {
    while (at < text.size() && isSpace(text[at])) ++at;
    std::size_t start = at;
    while (at < text.size() && !isSpace(text[at])) ++at;
    if (at > start) words.push_back(fingerprint(text.substr(start, at - start)));
  }
  return words;
}

// Depends on the order of the words and on how many there are.
std::uint64_t join(std::span<const std::uint64_t> words) {
  std::uint64_t hash = words.size();
  for (std::uint64_t word : words) hash = mix(hash * 0x9e3779b97f4a7c15ULL + word);
  return hash;
}

}  // namespace

std::vector<std::uint64_t> shinglesOf(std::string_view text) {
  std::vector<std::uint64_t> words = wordsOf(text);
  if (words.size() < kWordsPerShingle) return {join(words)};
  std::vector<std::uint64_t> shingles;
  shingles.reserve(words.size() - kWordsPerShingle + 1);
  for (std::size_t first = 0; first + kWordsPerShingle <= words.size(); ++first) {
    shingles.push_back(join(std::span(words).subspan(first, kWordsPerShingle)));
  }
  std::sort(shingles.begin(), shingles.end());
  shingles.erase(std::unique(shingles.begin(), shingles.end()), shingles.end());
  return shingles;
}

Signature signatureOf(std::span<const std::uint64_t> shingles) {
  Signature keys, least;
  least.fill(UINT32_MAX);
  // 32 bits of a shingle are enough to tell shingles apart here (a clash makes a pair look more
  // alike, which verifying settles), and let the compiler work on eight values at once.
  for (std::size_t k = 0; k < keys.size(); ++k) keys[k] = static_cast<std::uint32_t>(mix(k + 1));
  for (std::uint64_t shingle : shingles) {
    auto low = static_cast<std::uint32_t>(shingle);
    auto high = static_cast<std::uint32_t>(shingle >> 32);
    for (std::size_t k = 0; k < kSignatureValues; ++k) {
      std::uint32_t x = low ^ keys[k];
      x = (x ^ (x >> 16)) * 0x85ebca6bU;
      x = ((x ^ (x >> 13)) + high) * 0xc2b2ae35U;
      x ^= x >> 16;
      least[k] = std::min(least[k], x);
    }
  }
  return least;
}

bool similar(std::span<const std::uint64_t> left, std::span<const std::uint64_t> right,
             double threshold) {
  std::size_t both = 0;
  for (std::size_t i = 0, j = 0; i < left.size() && j < right.size();) {
    if (left[i] == right[j]) {
      ++both, ++i, ++j;
    } else if (left[i] < right[j]) {
      ++i;
    } else {
      ++j;
    }
  }
  std::size_t either = left.size() + right.size() - both;
  return static_cast<double>(both) / static_cast<double>(either) >= threshold;
}

std::uint32_t candidateBound(double threshold) {
  constexpr double kMissed = 1e-6;
  if (threshold >= 1) return kSignatureValues;
  if (threshold <= 0) return 0;
  // The chance of at most `count` equal values of 128, each with probability `threshold`.
  double atMost = 0, logOdds = std::log(threshold) - std::log1p(-threshold);
  double logChance = static_cast<double>(kSignatureValues) * std::log1p(-threshold);
  std::uint32_t count = 0;
  while (count < kSignatureValues) {
    atMost += std::exp(logChance);
    if (atMost >= kMissed) break;
    logChance += logOdds + std::log(static_cast<double>(kSignatureValues - count)) -
                 std::log(static_cast<double>(count + 1));
    ++count;
  }
  return count;
}

}  // namespace near_duplicates
