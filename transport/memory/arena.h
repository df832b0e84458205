#pragma once
// The object memory of a node: one memfd, mapped shared by the node, its executors and its mover.
//
// The node creates it at its full size and seals the size at once (F_SEAL_SHRINK, F_SEAL_GROW): a
// peer that truncated it would end every process that reads it with SIGBUS.  Whoever receives the
// descriptor maps it by ArenaMap::map, which believes nothing but the kernel.
//
// Reserving.  A memfd's bytes are memory, and touching them when there is none left kills the
// process that happens to touch.  So memory is reserved by fallocate before a place is handed out,
// and lack of it is a refusal.  Not all at the start: that would take the whole store from the
// machine (and 0.3 s a GiB) before the first object.  It is done in steps of kReserveStep as the
// free list's mark moves up, at 3 GB/s; below the mark nothing is ever reserved twice, since
// fallocate over what is there is not free either (0.1 s a GiB).  `reserveAhead` does a step when
// the node has nothing better to do.
//
// Warmth.  Each process pays once a page for mapping it: 2.6 GB/s when a write faults it in, 12
// GB/s by MADV_POPULATE_READ, against 30 GB/s for writing where it is mapped.  Reuse is the cure:
// the free list hands out what was used before it hands out anything new.  Mappings are aligned to
// 2 MiB and advised for huge pages, which helps where the kernel's shmem_enabled allows them.
//
// Threading: an Arena belongs to one thread; a map may be read from any.
// Lifetime: a map stays valid after the Arena is gone; its places then belong to nobody.

#include "core/base/error.h"
#include "transport/memory/free_list.h"
#include "transport/memory/owned_fd.h"

#include <cstddef>
#include <span>

namespace alnilam {

// Where an object lies, in bytes from the start of the arena.
struct Extent {
  Bytes offset = 0;
  Bytes size = 0;
  bool operator==(const Extent&) const = default;
};

// Somebody's view of an arena's bytes; unmapped on destruction.
class ArenaMap {
 public:
  static constexpr Bytes kLargestArena = 64_TiB;

  enum class Access { write, read };  // `write`: both

  // Maps the first `size` bytes of `fd`.  Refuses (invalid) unless fd is a
  // memfd of at least that size whose size can never shrink again; refuses (unavailable) if the
  // kernel will not map it.  Does not keep `fd`.
  static Result<ArenaMap> map(int fd, Bytes size, Access access = Access::write);

  ArenaMap() = default;
  ArenaMap(ArenaMap&& other) noexcept;
  ArenaMap& operator=(ArenaMap&& other) noexcept;
  ~ArenaMap();

  // The bytes of a place.  One that is not inside the arena is a bug: check `holds` first for
  // numbers from outside.
  std::span<std::byte> at(Extent place) const;
  bool holds(Extent place) const;

  std::byte* base() const { return base_; }
  Bytes size() const { return size_; }

  // Maps the pages of `place` for writing, allocating those that are not there yet.  False if there
  // is no memory for them; nobody dies of it.
  bool faultIn(Extent place) const;

 private:
  ArenaMap(std::byte* base, Bytes size) : base_(base), size_(size) {}

  std::byte* base_ = nullptr;
  Bytes size_ = 0;
};

class Arena {
 public:
  static constexpr Bytes kReserveStep = 32_MiB;

  // A new arena of `size` bytes, rounded up to 2 MiB.  Refuses (invalid) sizes of 0 and above
  // kLargestArena, and (unavailable) if the kernel gives no memfd.
  static Result<Arena> create(Bytes size);

  // A place for `size` bytes, aligned to 64 (from 64 KiB on to 4096) and backed by memory.  Its
  // contents are undefined.  Refuses (overloaded) if no free stretch is long enough, naming what
  // was wanted and what is free, or if the machine has no memory left to back it.
  Result<Extent> allocate(Bytes size);

  // Gives a place back; an offset that `allocate` has not answered is a bug.
  void free(Bytes offset);

  // Reserves one step beyond what is reserved; false if all is, or if there is no memory.
  bool reserveAhead();

  int fd() const { return fd_.get(); }  // to be passed on; close-on-exec
  const ArenaMap& map() const { return map_; }
  std::span<std::byte> at(Extent place) const { return map_.at(place); }

  Bytes size() const { return map_.size(); }
  Bytes used() const { return list_.used(); }
  Bytes largestFree() const { return list_.largest(); }
  Bytes reserved() const { return reserved_; }

 private:
  Arena(OwnedFd fd, ArenaMap map);
  bool reserveTo(Bytes end);

  OwnedFd fd_;
  ArenaMap map_;
  FreeList list_;
  Bytes reserved_ = 0;  // [0, reserved_) is backed by memory
};

}  // namespace alnilam
