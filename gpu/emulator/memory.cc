#include "gpu/emulator/memory.h"

#include <sys/mman.h>

namespace alnilam::gpu::emulator {
namespace {

// Freed memory of this size and more is given back to the host at once.
constexpr std::uint64_t kGiveBack = 64ull << 20;
constexpr std::uint64_t kPage = 4096;

std::uint64_t rounded(std::uint64_t size, std::uint64_t to) { return (size + to - 1) / to * to; }

std::byte* map(std::uint64_t size, int protection) {
  void* at = mmap(nullptr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

}  // namespace

DeviceMemory::DeviceMemory(std::uint64_t capacity) : capacity_(capacity) {
  span_ = rounded(capacity * 2 + (1u << 20), 2u << 20);
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
  std::shared_lock lock(mutex_);
  return used_ + reserved_;
}

bool DeviceMemory::reserve(std::int64_t bytes) {
  std::unique_lock lock(mutex_);
  if (bytes > 0 && used_ + reserved_ + static_cast<std::uint64_t>(bytes) > capacity_) return false;
  reserved_ += static_cast<std::uint64_t>(bytes);
  return true;
}

std::uint64_t DeviceMemory::allocate(std::uint64_t size, Pool* pool) {
  if (size > capacity_) return 0;
  std::uint64_t length = rounded(size, kGranule);
  std::unique_lock lock(mutex_);
  if (length > capacity_ || used_ + reserved_ > capacity_ - length) return 0;
  for (auto hole = free_.begin(); hole != free_.end(); ++hole) {
    if (hole->second < length + kGranule) continue;
    std::uint64_t offset = hole->first, rest = hole->second - length - kGranule;
    free_.erase(hole);
    if (rest) free_[offset + length + kGranule] = rest;
    live_[offset] = {size, pool, ++lastId_};
    used_ += length;
    return reinterpret_cast<std::uint64_t>(base_) + offset;
  }
  return 0;
}

bool DeviceMemory::free(std::uint64_t address) {
  if (!contains(address)) return false;
  std::uint64_t offset = address - reinterpret_cast<std::uint64_t>(base_);
  std::unique_lock lock(mutex_);
  auto found = live_.find(offset);
  if (found == live_.end()) return false;
  std::uint64_t length = rounded(found->second.size, kGranule);
  live_.erase(found);
  used_ -= length;
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

void DeviceMemory::freeAll() {
  std::unique_lock lock(mutex_);
  live_.clear();
  free_.clear();
  free_[0] = span_;
  used_ = reserved_ = 0;
  madvise(storage_, span_, MADV_DONTNEED);
}

bool DeviceMemory::contains(std::uint64_t address) const {
  return address - reinterpret_cast<std::uint64_t>(base_) < span_;
}

MemoryRange DeviceMemory::find(std::uint64_t address) const {
  std::uint64_t base = reinterpret_cast<std::uint64_t>(base_), offset = address - base;
  if (offset >= span_) return {};
  std::shared_lock lock(mutex_);
  auto after = live_.upper_bound(offset);
  if (after == live_.begin()) return {};
  auto found = std::prev(after);
  if (offset - found->first >= found->second.size) return {};
  return {base + found->first, found->second.size, storage_ + found->first};
}

std::optional<DeviceMemory::Allocation> DeviceMemory::describe(std::uint64_t address,
                                                               std::uint64_t& start) const {
  std::uint64_t base = reinterpret_cast<std::uint64_t>(base_), offset = address - base;
  if (offset >= span_) return std::nullopt;
  std::shared_lock lock(mutex_);
  auto after = live_.upper_bound(offset);
  if (after == live_.begin()) return std::nullopt;
  auto found = std::prev(after);
  if (offset - found->first >= found->second.size) return std::nullopt;
  start = base + found->first;
  return found->second;
}

}  // namespace alnilam::gpu::emulator
