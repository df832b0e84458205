#pragma once
// Maps an arena's pages into this process, in the background, before somebody waits for them.
//
// Writing to pages that are there but not yet mapped runs at 2.6 GB/s, to mapped ones at 30; pages
// that are not there at all are made on the way.  When the machine has no memory left the warmer
// stops: the rest is then found or refused where it is needed.
//
// Threading: one thread of its own, of the lowest priority; it touches no byte's value.
// Lifetime: the map must outlive it; the destructor waits for at most one step.

#include "transport/memory/arena.h"

#include <atomic>
#include <thread>

namespace alnilam::mover {

class PageWarmer {
 public:
  explicit PageWarmer(const ArenaMap& arena);
  ~PageWarmer();

 private:
  static constexpr Bytes kStep = 16_MiB;

  std::atomic<bool> enough_{false};
  std::thread thread_;  // last: it uses the member above
};

}  // namespace alnilam::mover
