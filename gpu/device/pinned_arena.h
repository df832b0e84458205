#pragma once
// The node's object memory, as far as devices may copy from it and to it without the host.
//
// A device copies to and from pinned memory by itself, beside everything else; other memory has to
// go through pinned blocks (Life::takeStaging), which costs a copy by the host.  Inputs and large
// results of tasks lie in the arena, which is mapped once for the life of the process: so it is
// pinned in place, in chunks of kChunk, each when a copy first touches it, and stays so.
//
//     not asked -- a copy touches it --> pinned by a Life -- that ends --> not asked
//         \------- the driver refuses --> refused, for good: copies are staged
//
// The driver counts pinned pages as their context's, and they count as pinned for the others too
// (CU_MEMHOSTREGISTER_PORTABLE).  So a task of another device that copies there is that Life's
// guest meanwhile, as one that copies its results is (device.h).
//
// Threading: any thread.  Its mutex is never held while a Device's is taken.
// Lifetime: outlives the Devices; the memory outlives it.
// Errors: none: what cannot be pinned is staged.

#include "core/base/units.h"
#include "gpu/driver/driver.h"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace alnilam::gpu {

class Device;
class Life;

class PinnedArena {
 public:
  explicit PinnedArena(const Driver* driver) : driver_(driver) {}

  // Once, before any task; without it nothing is ever pinned.
  void use(std::span<std::byte> arena);

  // How much from `begin` on, of at most `size` bytes, lies in one pinned chunk, and whose that is.
  // 0: none of it is pinned.
  struct Reach {
    std::size_t bytes = 0;
    Device* owner = nullptr;   // whose Life pinned it
    std::uint64_t life = 0;    // its serial
  };
  // `life` of `device`, whose context is current, pins what nobody has pinned yet.
  Reach reach(const std::byte* begin, std::size_t size, Device& device, const Life& life);

  // Its end is near, its context is current, and it has no guests.
  void unpinAllOf(const Life& life);

  static constexpr Bytes kChunk = 32 << 20;

 private:
  struct Chunk {
    Device* owner = nullptr;
    std::uint64_t life = 0;  // 0: not pinned
    bool refused = false;
  };
  std::span<std::byte> bytesOf(std::size_t chunk) const;

  const Driver* const driver_;  // null where there is none, and then nobody asks
  std::span<std::byte> arena_;
  std::mutex mutex_;  // of what follows
  std::vector<Chunk> chunks_;
};

}  // namespace alnilam::gpu
