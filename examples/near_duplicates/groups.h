#pragma once
// Which files belong together, given which pairs are alike.
//
// Links are pairs of file numbers.  A forest of them says all there is to say about who is joined
// with whom, in at most one link a file: that is what tasks hand on to each other, however many
// pairs they have found.

#include <cstdint>
#include <span>
#include <vector>

namespace near_duplicates {

struct Link {
  std::uint32_t left = 0, right = 0;
  bool operator==(const Link&) const = default;
};

// Disjoint sets over 0 .. size-1.  Amortised almost constant for each call.
class Groups {
 public:
  explicit Groups(std::size_t size);

  // The least member of the set that holds `member`.
  std::uint32_t find(std::uint32_t member);
  // False if they were joined already.
  bool join(std::uint32_t left, std::uint32_t right);

 private:
  std::vector<std::uint32_t> parent_;  // never greater than the member itself
};

// As few of `links` as join the same files, in their order.
std::vector<Link> forestOf(std::span<const Link> links);

// The groups of two files and more, each ascending, in the order of their first member.
std::vector<std::vector<std::uint32_t>> groupsOf(std::size_t files, std::span<const Link> links);

}  // namespace near_duplicates
