#pragma once
// The memory of one emulated device.
//
// Device addresses are a reservation without access: a host that dereferences one gets a fault, as
// it would with a real device.  The bytes themselves are in a second mapping of the same size,
// which only copies and kernels reach.  Neither takes real memory before it is touched.
//
// Allocations are kept apart by a gap, so that running over the end of one is noticed.  The space
// of addresses is several times the capacity: like a real device's, this one doesn't fail for
// fragmentation, nor because the host is far ahead of the streams that give back.
//
// Threading: any thread may call anything.

#include "gpu/emulator/lanes.h"

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

namespace alnilam::gpu::emulator {

struct Pool;

class DeviceMemory {
 public:
  explicit DeviceMemory(std::uint64_t capacity);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  struct Allocation {
    std::uint64_t size = 0;  // as asked for
    Pool* pool = nullptr;    // null: allocated without one
    std::uint64_t id = 0;    // never used again
    bool retired = false;    // given back, by work that is still to come
  };

  // False where the host has no room for the reservation.
  bool usable() const { return base_ != nullptr; }
  std::uint64_t capacity() const { return capacity_; }
  std::uint64_t used() const;

  // The address of `size` (> 0) new bytes; 0: out of memory.  Where only addresses are short, it
  // waits until retired ones are free.
  std::uint64_t allocate(std::uint64_t size, Pool* pool);
  // False: no allocation starts there.
  bool free(std::uint64_t address);
  // Stops counting what will be freed in stream order: as with the driver, its bytes may be
  // allocated from now on.  Null: no allocation starts there, or it's retired already.
  std::optional<Allocation> retire(std::uint64_t address);
  void freeAll();

  // Holds back or gives back capacity for what a pool keeps beyond what it uses.  False: not there.
  bool reserve(std::int64_t bytes);

  bool contains(std::uint64_t address) const;  // of the whole reservation
  // The live allocation that holds `address`, or an empty range.
  MemoryRange find(std::uint64_t address) const;
  std::optional<Allocation> describe(std::uint64_t address, std::uint64_t& start) const;
  // What is known of an address of the reservation that isn't in a live allocation, or is near the
  // end of one.
  std::string explain(std::uint64_t address) const;

 private:
  static constexpr std::uint64_t kGranule = 512;
  static constexpr std::size_t kMostPast = 4096;

  const std::uint64_t capacity_;
  std::uint64_t span_ = 0;
  std::byte* base_ = nullptr;     // addresses given out
  std::byte* storage_ = nullptr;  // where their bytes are
  mutable std::shared_mutex mutex_;
  std::map<std::uint64_t, Allocation> live_;     // by offset
  std::map<std::uint64_t, std::uint64_t> free_;  // offset -> length
  std::map<std::uint64_t, std::uint64_t> past_;  // offset -> size, of what was freed and not reused
  std::uint64_t used_ = 0;
  std::uint64_t reserved_ = 0;  // held back for pools
  std::size_t retired_ = 0;     // allocations
  std::condition_variable_any freed_;
  std::uint64_t lastId_ = 0;
};

}  // namespace alnilam::gpu::emulator
