#include "transport/memory/free_list.h"

#include "core/base/error.h"

#include <algorithm>
#include <cstdint>

namespace alnilam {
namespace {

Bytes roundUp(Bytes value, Bytes align) { return (value + align - 1) & ~(align - 1); }

Bytes alignOf(Bytes size) {
  return size >= FreeList::kLarge ? FreeList::kLargeAlign : FreeList::kSmallAlign;
}

}  // namespace

FreeList::FreeList(Bytes size) : size_(size) {
  ALNILAM_ASSERT(size % kLargeAlign == 0);
  if (size > 0) insert(0, size);
}

Bytes FreeList::rounded(Bytes size) {
  size = std::max<Bytes>(size, 1);
  Bytes align = alignOf(size);
  return size > UINT64_MAX - align ? UINT64_MAX : roundUp(size, align);
}

std::optional<Bytes> FreeList::peek(Bytes size) const {
  Bytes want = rounded(size);
  Bytes align = alignOf(size);
  if (want > size_) return std::nullopt;

  std::optional<Bytes> beyondMark;
  auto fits = [&](const std::pair<Bytes, Bytes>& stretch) -> std::optional<Bytes> {
    auto [room, offset] = stretch;
    Bytes at = roundUp(offset, align);
    if (at + want > offset + room) return std::nullopt;
    if (at + want <= mark_) return at;
    if (!beyondMark || at < *beyondMark) beyondMark = at;
    return std::nullopt;
  };

  int looks = 0;
  auto candidate = bySize_.lower_bound({want, 0});
  for (; candidate != bySize_.end() && looks < kLooks; ++candidate, ++looks) {
    if (auto at = fits(*candidate)) return at;
  }
  // From here on every stretch fits wherever it begins; only the mark can speak against it, and at
  // most one stretch reaches beyond the mark.
  candidate = bySize_.lower_bound({want + align, 0});
  for (int tries = 0; candidate != bySize_.end() && tries < 2; ++candidate, ++tries) {
    if (auto at = fits(*candidate)) return at;
  }
  return beyondMark;
}

std::optional<Bytes> FreeList::take(Bytes size) {
  auto at = peek(size);
  if (!at) return std::nullopt;
  Bytes want = rounded(size);

  auto stretch = std::prev(free_.upper_bound(*at));
  auto [offset, room] = *stretch;
  erase(stretch);
  if (*at > offset) insert(offset, *at - offset);
  if (offset + room > *at + want) insert(*at + want, offset + room - *at - want);

  taken_.emplace(*at, want);
  used_ += want;
  mark_ = std::max(mark_, *at + want);
  return at;
}

Bytes FreeList::give(Bytes offset) {
  auto place = taken_.find(offset);
  ALNILAM_ASSERT(place != taken_.end());
  Bytes given = place->second;
  taken_.erase(place);
  used_ -= given;

  Bytes begin = offset, end = offset + given;
  auto after = free_.lower_bound(offset);
  if (after != free_.begin()) {
    auto before = std::prev(after);
    if (before->first + before->second == begin) {
      begin = before->first;
      erase(before);
    }
  }
  if (after != free_.end() && after->first == end) {
    end += after->second;
    erase(after);
  }
  insert(begin, end - begin);
  return given;
}

Bytes FreeList::largest() const { return bySize_.empty() ? 0 : bySize_.rbegin()->first; }

void FreeList::insert(Bytes offset, Bytes size) {
  free_.emplace(offset, size);
  bySize_.emplace(size, offset);
}

void FreeList::erase(std::map<Bytes, Bytes>::iterator stretch) {
  bySize_.erase({stretch->second, stretch->first});
  free_.erase(stretch);
}

}  // namespace alnilam
