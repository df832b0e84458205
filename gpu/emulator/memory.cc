#include "gpu/emulator/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>

namespace alnilam::gpu::emulator {
namespace {

// Freed memory of this size and more is given back to the host at once.
constexpr std::uint64_t kGiveBack = 64ull << 20;
constexpr std::uint64_t kPage = 4096;
// Addresses for what the host allocates before streams have given back as much.
constexpr std::uint64_t kMostAhead = 64ull << 30;

std::uint64_t rounded(std::uint64_t size, std::uint64_t to) { return (size + to - 1) / to * to; }

std::byte* map(std::uint64_t size, int protection) {
  void* at = mmap(nullptr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

// Holders are quick, and sleeping until one is through takes longer than most of them do.
template <typename Lock>
Lock soon(std::shared_mutex& mutex) {
  Lock lock(mutex, std::defer_lock);
  for (int tries = 0; tries < 200; ++tries) {
    if (lock.try_lock()) return lock;
  }
  lock.lock();
  return lock;
}

}  // namespace

DeviceMemory::DeviceMemory(std::uint64_t capacity) : capacity_(capacity) {
  span_ = rounded(capacity * 2 + std::min(capacity * 14, kMostAhead) + (1u << 20), 2u << 20);
  base_ = map(span_, PROT_NONE);
  storage_ = map(span_, PROT_READ | PROT_WRITE);
  if (base_ && storage_) {
    // A crash of the host's program must not write gigabytes of emulated memory to its core file.
    madvise(storage_, span_, MADV_DONTDUMP);
    free_[0] = span_;
  } else {
    if (base_) munmap(base_, span_);
    if (storage_) munmap(storage_, span_);
    base_ = storage_ = nullptr;
  }
}

DeviceMemory::~DeviceMemory() {
  if (!base_) return;
  munmap(base_, span_);
  munmap(storage_, span_);
}

std::uint64_t DeviceMemory::used() const {
  auto lock = soon<std::shared_lock<std::shared_mutex>>(mutex_);
  return used_ + reserved_;
}

bool DeviceMemory::reserve(std::int64_t bytes) {
  auto lock = soon<std::unique_lock<std::shared_mutex>>(mutex_);
  if (bytes > 0 && used_ + reserved_ + static_cast<std::uint64_t>(bytes) > capacity_) return false;
  reserved_ += static_cast<std::uint64_t>(bytes);
  return true;
}

std::uint64_t DeviceMemory::allocate(std::uint64_t size, Pool* pool) {
  if (size > capacity_) return 0;
  std::uint64_t length = rounded(size, kGranule);
  auto lock = soon<std::unique_lock<std::shared_mutex>>(mutex_);
  if (length > capacity_ || used_ + reserved_ > capacity_ - length) return 0;
  auto fits = [length](auto& hole) { return hole.second >= length + kGranule; };
  auto hole = std::find_if(free_.begin(), free_.end(), fits);
  while (hole == free_.end()) {
    if (retired_ == 0) return 0;
    freed_.wait(lock);
    hole = std::find_if(free_.begin(), free_.end(), fits);
  }
  std::uint64_t offset = hole->first, rest = hole->second - length - kGranule;
  free_.erase(hole);
  if (rest) free_[offset + length + kGranule] = rest;
  live_[offset] = {size, pool, ++lastId_, false};
  auto reused = past_.lower_bound(offset);
  if (reused != past_.begin() && std::prev(reused)->first + std::prev(reused)->second > offset) {
    --reused;
  }
  past_.erase(reused, past_.lower_bound(offset + length));
  used_ += length;
  return reinterpret_cast<std::uint64_t>(base_) + offset;
}

bool DeviceMemory::free(std::uint64_t address) {
  if (!contains(address)) return false;
  std::uint64_t offset = address - reinterpret_cast<std::uint64_t>(base_);
  auto lock = soon<std::unique_lock<std::shared_mutex>>(mutex_);
  auto found = live_.find(offset);
  if (found == live_.end()) return false;
  std::uint64_t length = rounded(found->second.size, kGranule);
  if (past_.size() >= kMostPast) past_.clear();
  past_[offset] = found->second.size;
  if (found->second.retired) --retired_;
  else used_ -= length;
  freed_.notify_all();
  live_.erase(found);
  if (length >= kGiveBack) {
    std::uint64_t first = rounded(offset, kPage);
    madvise(storage_ + first, (offset + length - first) / kPage * kPage, MADV_DONTNEED);
  }
  std::uint64_t whole = length + kGranule;
  auto next = free_.lower_bound(offset);
  if (next != free_.end() && offset + whole == next->first) {
    whole += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    auto before = std::prev(next);
    if (before->first + before->second == offset) {
      before->second += whole;
      return true;
    }
  }
  free_[offset] = whole;
  return true;
}

std::optional<DeviceMemory::Allocation> DeviceMemory::retire(std::uint64_t address) {
  if (!contains(address)) return std::nullopt;
  auto lock = soon<std::unique_lock<std::shared_mutex>>(mutex_);
  auto found = live_.find(address - reinterpret_cast<std::uint64_t>(base_));
  if (found == live_.end() || found->second.retired) return std::nullopt;
  found->second.retired = true;
  ++retired_;
  used_ -= rounded(found->second.size, kGranule);
  return found->second;
}

void DeviceMemory::freeAll() {
  auto lock = soon<std::unique_lock<std::shared_mutex>>(mutex_);
  live_.clear();
  free_.clear();
  past_.clear();
  free_[0] = span_;
  used_ = reserved_ = 0;
  retired_ = 0;
  madvise(storage_, span_, MADV_DONTNEED);
}

bool DeviceMemory::contains(std::uint64_t address) const {
  return address - reinterpret_cast<std::uint64_t>(base_) < span_;
}

MemoryRange DeviceMemory::find(std::uint64_t address) const {
  std::uint64_t base = reinterpret_cast<std::uint64_t>(base_), offset = address - base;
  if (offset >= span_) return {};
  auto lock = soon<std::shared_lock<std::shared_mutex>>(mutex_);
  auto after = live_.upper_bound(offset);
  if (after == live_.begin()) return {};
  auto found = std::prev(after);
  if (offset - found->first >= found->second.size) return {};
  return {base + found->first, found->second.size, storage_ + found->first};
}

std::string DeviceMemory::explain(std::uint64_t address) const {
  std::uint64_t base = reinterpret_cast<std::uint64_t>(base_), offset = address - base;
  auto lock = soon<std::shared_lock<std::shared_mutex>>(mutex_);
  // The last of `map` that starts at or before the address.
  auto before = [offset](const auto& map) {
    auto after = map.upper_bound(offset);
    return after == map.begin() ? map.end() : std::prev(after);
  };
  auto at = [base](std::uint64_t start, std::uint64_t size) {
    char text[80];
    std::snprintf(text, sizeof text, "the allocation at 0x%llx of %llu bytes",
                  static_cast<unsigned long long>(base + start),
                  static_cast<unsigned long long>(size));
    return std::string(text);
  };
  auto freed = before(past_);
  if (freed != past_.end() && offset - freed->first < freed->second) {
    return "in " + at(freed->first, freed->second) + ", which was freed";
  }
  auto live = before(live_);
  if (live == live_.end()) return "before any allocation";
  std::uint64_t size = live->second.size, distance = offset - live->first;
  if (distance < size) {
    return std::to_string(size - distance) + " bytes before the end of " + at(live->first, size);
  }
  return std::to_string(distance - size) + " bytes past the end of " + at(live->first, size);
}

std::optional<DeviceMemory::Allocation> DeviceMemory::describe(std::uint64_t address,
                                                               std::uint64_t& start) const {
  std::uint64_t base = reinterpret_cast<std::uint64_t>(base_), offset = address - base;
  if (offset >= span_) return std::nullopt;
  auto lock = soon<std::shared_lock<std::shared_mutex>>(mutex_);
  auto after = live_.upper_bound(offset);
  if (after == live_.begin()) return std::nullopt;
  auto found = std::prev(after);
  if (offset - found->first >= found->second.size) return std::nullopt;
  start = base + found->first;
  return found->second;
}

}  // namespace alnilam::gpu::emulator
