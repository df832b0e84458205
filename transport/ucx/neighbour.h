#pragma once
// A mover on this host: its arena mapped for reading, its process watched.
//
// Messages through a queue in shared memory are two copies in lock-step: both processes must run at
// the same time, and on a machine whose cores are busy with tasks that is 0.2 GB/s.  A reader that
// copies from the holder's own memory needs one core and one copy, and nobody's answer on the way.
// UCX can do neither here (its posix transport reads only memory that it allocated itself, and cma
// is not offered with error handling), so the bytes of neighbours are copied by the reader itself
// and only the protocol around them goes by UCX (exchange.h).
//
// A mover's address says where to find it: the host's boot, its process, the descriptor of its
// arena and that file's identity.  None of it is believed: another boot is another host; what is
// opened must be the very file, and ArenaMap takes nothing but a memfd that cannot shrink.  Whoever
// may open another process's descriptor has its user's rights already.
//
// Threading: one event loop.

#include "transport/memory/arena.h"

#include <kj/async-unix.h>
#include <kj/async.h>
#include <kj/memory.h>

#include <cstdint>
#include <optional>
#include <string>

namespace alnilam::ucx {

// Where a mover's process and its arena are to be found, by others on the same host.
struct Whereabouts {
  std::uint64_t boot = 0;  // of the host; 0: not to be found
  std::uint64_t device = 0, inode = 0, size = 0;
  std::uint32_t pid = 0, fd = 0;

  // This process's, whose arena of `size` bytes is open as `fd`.
  static Whereabouts here(int fd, Bytes size);
};

// What movers know each other by.
struct MoverAddress {
  Whereabouts whereabouts;
  std::string ucx;  // the worker's

  std::string encode() const;
  static std::optional<MoverAddress> decode(const std::string& bytes);
};

class Neighbour {
 public:
  // Null if the mover is not on this host, or cannot be looked into.
  static kj::Own<Neighbour> meet(const Whereabouts& whereabouts, kj::UnixEventPort& port);

  Neighbour(ArenaMap arena, OwnedFd process, kj::UnixEventPort& port);

  const ArenaMap& arena() const { return arena_; }

  // Comes true when its process has ended; once.
  kj::Promise<void> onEnd() { return ended_.whenBecomesReadable(); }

 private:
  ArenaMap arena_;
  OwnedFd process_;
  kj::UnixEventPort::FdObserver ended_;
};

}  // namespace alnilam::ucx
