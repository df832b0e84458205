#pragma once
// A table indexed by dense numbers that forgets as it goes.
//
// Ids of a job's objects are drawn densely and mostly die in the order in which they were made.
// The table keeps chunks of kChunk entries, made when first touched and freed when every entry
// that was made in them has been erased, so that a program which submits for a week needs memory
// for what is alive and a pointer for each kChunk of what was.
//
// Complexity: O(1) for everything.  References stay valid until the entry is erased.

#include "core/base/error.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace alnilam {

template <typename Entry>
class ChunkedTable {
 public:
  static constexpr std::uint32_t kChunk = 1024;

  // Makes the entry of `index`, which must not exist.
  Entry& make(std::uint32_t index) {
    std::size_t number = index / kChunk;
    if (chunks_.size() <= number) chunks_.resize(number + 1);
    if (!chunks_[number]) chunks_[number] = std::make_unique<Chunk>();
    Chunk& chunk = *chunks_[number];
    std::optional<Entry>& place = chunk.entries[index % kChunk];
    ALNILAM_ASSERT(!place.has_value());
    place.emplace();
    ++chunk.live;
    return *place;
  }

  // Null if there is none.
  Entry* find(std::uint32_t index) {
    std::size_t number = index / kChunk;
    if (number >= chunks_.size() || !chunks_[number]) return nullptr;
    std::optional<Entry>& place = chunks_[number]->entries[index % kChunk];
    return place ? &*place : nullptr;
  }

  // Does nothing if there is none.
  void erase(std::uint32_t index) {
    if (!find(index)) return;
    std::unique_ptr<Chunk>& chunk = chunks_[index / kChunk];
    chunk->entries[index % kChunk].reset();
    if (--chunk->live == 0) chunk.reset();
  }

  // Calls `visit(Entry&)` for every entry, by index.
  template <typename Visit>
  void each(Visit&& visit) {
    for (std::unique_ptr<Chunk>& chunk : chunks_) {
      if (!chunk) continue;
      for (std::optional<Entry>& entry : chunk->entries) {
        if (entry) visit(*entry);
      }
    }
  }

 private:
  struct Chunk {
    std::array<std::optional<Entry>, kChunk> entries;
    std::uint32_t live = 0;
  };
  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace alnilam
