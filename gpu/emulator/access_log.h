#pragma once
// Which bytes of device memory one piece of work has read, written, or changed atomically.
//
// Copies know theirs beforehand.  A kernel's are noted while it runs, by each thread of the
// emulator for itself, as one bit a byte in pages that appear when they are touched; in the end the
// pages become runs of bytes.  Being exact matters: two kernels that share an array in stripes are
// right, and must not be told that they race.
//
// Volatile accesses, and those with an ordering, count as atomic ones: code waits by them.
//
// Threading: a log belongs to one thread at a time.

#include "gpu/emulator/lanes.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace alnilam::gpu::emulator {

constexpr std::size_t kAccesses = 3;

struct Bytes {  // [from, to)
  std::uint64_t from = 0, to = 0;
};
using Runs = std::vector<Bytes>;  // in order, apart from each other

// By Access.
struct Accesses {
  std::array<Runs, kAccesses> runs;

  Runs& of(Access access) { return runs[static_cast<std::size_t>(access)]; }
  const Runs& of(Access access) const { return runs[static_cast<std::size_t>(access)]; }
};

// The first bytes that both have; an empty run if there are none.
Bytes common(const Runs& one, const Runs& other);
// Whether all bytes of `inner` are in `outer` or `more`.
bool covers(const Runs& outer, const Runs& more, const Runs& inner);

class AccessLog {
 public:
  // What 32 lanes do: those in `mask` access `bytes` (at most 16) at their address.
  void note(const std::uint64_t* addresses, std::uint32_t mask, std::uint32_t bytes,
            Access access);
  // Takes what another log has noted.
  void take(AccessLog&& other);
  // At most `most` runs of each kind, the lowest ones.
  Accesses finish(std::size_t most) const;

 private:
  static constexpr std::uint64_t kPage = 4096;
  struct Page {
    std::array<std::array<std::uint64_t, kPage / 64>, kAccesses> bits{};
  };

  Page& page(std::uint64_t number);
  void set(std::uint64_t address, std::uint32_t bytes, std::size_t access);

  std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
  std::uint64_t lastNumber_ = ~0ull;
  Page* last_ = nullptr;
};

}  // namespace alnilam::gpu::emulator
