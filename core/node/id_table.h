#pragma once
// From an id to a place in a pool, for lookups on the path of every task.
//
// Open addressing with linear probing over a power of two, at most half full; erasing shifts back,
// so there are no tombstones and a table that breathes does not decay.  It is never iterated:
// nothing a brain says may depend on the order of a hash.
//
// Complexity: O(1) expected; memory follows the number of live ids, not their range.

#include "core/base/error.h"
#include "core/base/ids.h"

#include <cstdint>
#include <vector>

namespace alnilam::node {

class IdTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  // The place stored for `id`, or kNone.
  std::uint32_t find(ObjectId id) const {
    if (cells_.empty()) return kNone;
    for (std::size_t at = home(id.value);; at = (at + 1) & mask()) {
      if (cells_[at].id == id.value) return cells_[at].place;
      if (cells_[at].id == 0) return kNone;
    }
  }

  // `id` must not be none and not be here yet.
  void insert(ObjectId id, std::uint32_t place) {
    ALNILAM_ASSERT(id.value != 0);
    if ((size_ + 1) * 2 > cells_.size()) grow();
    put({id.value, place});
    ++size_;
  }

  // `id` must be here.
  void erase(ObjectId id) {
    std::size_t hole = home(id.value);
    while (cells_[hole].id != id.value) {
      ALNILAM_ASSERT(cells_[hole].id != 0);
      hole = (hole + 1) & mask();
    }
    for (std::size_t at = (hole + 1) & mask(); cells_[at].id != 0; at = (at + 1) & mask()) {
      std::size_t wants = home(cells_[at].id);
      bool mayMove = ((at - wants) & mask()) >= ((at - hole) & mask());
      if (!mayMove) continue;
      cells_[hole] = cells_[at];
      hole = at;
    }
    cells_[hole] = {};
    --size_;
  }

  std::size_t size() const { return size_; }

 private:
  struct Cell {
    std::uint64_t id = 0;
    std::uint32_t place = 0;
  };

  std::size_t mask() const { return cells_.size() - 1; }
  // Source: Fibonacci hashing, Knuth, TAOCP 3, 6.4: neighbours in a job land far apart.
  std::size_t home(std::uint64_t id) const { return (id * 0x9e3779b97f4a7c15u) >> shift_; }

  void put(Cell cell) {
    std::size_t at = home(cell.id);
    while (cells_[at].id != 0) at = (at + 1) & mask();
    cells_[at] = cell;
  }

  void grow() {
    std::vector<Cell> old = std::move(cells_);
    cells_.assign(old.empty() ? 16 : old.size() * 2, Cell{});
    shift_ = old.empty() ? 60 : shift_ - 1;
    for (const Cell& cell : old) {
      if (cell.id != 0) put(cell);
    }
  }

  std::vector<Cell> cells_;
  std::size_t size_ = 0;
  unsigned shift_ = 60;  // 64 - log2(cells_.size())
};

}  // namespace alnilam::node
