#pragma once
// Where the elements of an array lie in its encoded object.
//
// An object that is one array of plain elements (std::vector<float>, gpu::Array<float>) is meant to
// be used where it lies: read through a View, copied to a device by one DMA, filled by one.  So
// its layout is fixed and needs no decoder:
//
//   offset 0         u64, little-endian: the number of elements, n
//   offset 8 or 64   n elements, contiguous, in memory order; and nothing after them
//
// Elements begin at 64 (a cache line, and what DMA engines and vector units like), except that an
// object of at most kSmallArray bytes keeps them at 8, so that a handful of numbers still fits into
// a Blob without an allocation.  Bytes between 8 and 64 are zero.
//
// Writers of device code need only this header: take `arrayLayout(sizeof(T), n)`, ask the sink for
// `total` bytes, call `writeArrayHeader`, and let the device copy n * sizeof(T) bytes to `offset`.
// Readers call `readArray` on an input's bytes and find count and offset, checked.
//
// Threading: pure functions.
// Errors: readArray throws BadArgumentsError for bytes that are not such an array.

#include "core/base/units.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace alnilam {

inline constexpr std::size_t kArrayAlign = 64;
inline constexpr std::size_t kSmallArray = 40;  // Blob::kSmall: kept without an allocation

struct ArrayLayout {
  Bytes total = 0;   // of the encoded object
  Bytes offset = 0;  // of the first element, from the object's beginning
};

// The layout of `n` elements of `elementSize` bytes.  n * elementSize must be below 2^63.
constexpr ArrayLayout arrayLayout(std::size_t elementSize, std::uint64_t n) {
  Bytes bytes = n * elementSize;
  Bytes offset = 8 + bytes <= kSmallArray ? 8 : kArrayAlign;
  return {offset + bytes, offset};
}

// Writes everything but the elements.  `object` is the whole object, arrayLayout(...).total bytes.
void writeArrayHeader(std::span<std::byte> object, std::size_t elementSize, std::uint64_t n);

struct ArrayPart {
  std::uint64_t count = 0;
  Bytes offset = 0;
};

// Count and place of the elements of the array encoded in `object`, whose length must fit exactly.
ArrayPart readArray(std::span<const std::byte> object, std::size_t elementSize);

}  // namespace alnilam
