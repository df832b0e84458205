#pragma once
// Which bytes of a range are free, and which to hand out next.
//
// Free stretches are kept by offset (to merge neighbours) and by size (to find the best fit); both
// are ordered maps, so equal requests give equal answers.  Two neighbouring free stretches never
// exist: `give` merges at once, and when everything has been given back there is one stretch again.
//
// Memory that has been touched before is about seven times as fast to write as memory that has not.
// The list keeps a mark: everything below it has been handed out at least once.  A request is
// served below the mark if it can be, by the smallest stretch that fits; only else the mark moves
// up.
//
// Cost: O(log n) for n free stretches, and at most kLooks steps more where alignment spoils a fit.
// Invariants: free stretches and taken places cover the range exactly, without overlap.

#include "core/base/units.h"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace alnilam {

class FreeList {
 public:
  static constexpr Bytes kSmallAlign = 64;     // of places below kLarge: a cache line
  static constexpr Bytes kLarge = 64_KiB;      // from here on places begin and end on pages
  static constexpr Bytes kLargeAlign = 4_KiB;  // so that they can be mapped on their own

  // `size` must be a multiple of kLargeAlign.
  explicit FreeList(Bytes size);

  // What a request of `size` bytes really takes: at least 1, rounded up to its alignment.
  static Bytes rounded(Bytes size);

  // The offset of a place of rounded(size) bytes, now taken; nullopt if no free stretch fits.
  std::optional<Bytes> take(Bytes size);

  // The place that `take` would answer with, without taking it.
  std::optional<Bytes> peek(Bytes size) const;

  // Frees the place at `offset`, which must have been taken; answers with its rounded size.
  Bytes give(Bytes offset);

  Bytes size() const { return size_; }
  Bytes used() const { return used_; }
  Bytes mark() const { return mark_; }          // end of what has ever been handed out
  Bytes largest() const;                        // free stretch
  std::size_t stretches() const { return free_.size(); }
  std::size_t places() const { return taken_.size(); }

 private:
  static constexpr int kLooks = 16;

  void insert(Bytes offset, Bytes size);
  void erase(std::map<Bytes, Bytes>::iterator stretch);

  Bytes size_;
  Bytes used_ = 0;
  Bytes mark_ = 0;
  std::map<Bytes, Bytes> free_;                 // offset -> size
  std::set<std::pair<Bytes, Bytes>> bySize_;    // (size, offset) of the same stretches
  std::map<Bytes, Bytes> taken_;                // offset -> rounded size
};

}  // namespace alnilam
