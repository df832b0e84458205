#pragma once
// Finds work on different streams that touches the same bytes without anything ordering it.
//
// Each piece of device work is numbered on its stream and knows, by its clock (moment.h), what has
// happened before it.  For each region of memory (an allocation, or pinned host memory) this keeps
// what touched which bytes last; new work is compared with it.  Two accesses race if they have a
// byte in common, one of them writes, they aren't both atomic, and neither is known to be before
// the other.  That is found from the program's synchronisation alone: whether the threads of the
// emulator met or just missed each other makes no difference.
//
// What orders: a stream's own order; cuStreamWaitEvent; the default stream and blocking ones; every
// wait of the host (cu...Synchronize, a query that finds an end, a copy that returns when it's
// done) and every host function, for all that any thread enqueues afterwards, since threads may
// tell each other in ways that can't be seen here.  A stream-ordered allocation is a write of all
// its bytes at its place in the stream, and so is giving it back: use on another stream has to be
// ordered behind the one and before the other.  cuMemcpyHtoDAsync from pageable memory returns when
// the memory was read, and not when it has arrived, so it orders nothing.
//
// Bounds: a region keeps at most kMostRecords pieces of work, and of each kMostRuns runs of bytes;
// beyond that the oldest, and the highest, are forgotten, and a race with those isn't found.  There
// are no false alarms, except for code that learns of results by polling memory.
//
// Threading: any thread may call anything.

#include "gpu/emulator/access_log.h"
#include "gpu/emulator/moment.h"

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace alnilam::gpu::emulator {

// Memory that lives and dies as one; `id` is never used again.
struct Region {
  int device = -1;  // -1: of the host
  std::uint64_t id = 0;
  std::uint64_t base = 0, size = 0;

  auto key() const { return std::pair(device, id); }
};

class Races {
 public:
  static constexpr std::size_t kMostRecords = 128;
  static constexpr std::size_t kMostRuns = 65'536;

  struct Work {
    std::string name;  // "kernel saxpy", "copy"
    std::uint64_t stream = 0;
    std::uint64_t number = 0;  // on that stream
    SharedClock clock;         // when it began
  };

  // What the host knows, for work that it enqueues.
  SharedClock host() const;
  void hostLearns(const SharedClock& clock);

  // Compares accesses to `region` with what was there before, and keeps them.  Says which two race.
  std::optional<std::string> check(const Region& region, const Work& work, Accesses accesses);
  // The same for memory that another stream gave back while the work used it; `where` tells of it.
  std::string gone(const Work& work, const std::string& where);
  // After the region's memory is free, so that who still used it finds one or the other.
  void forget(const Region& region);
  void forgetDevice(int device);

  std::uint64_t found() const;

 private:
  struct Record {
    Work work;
    Accesses accesses;
  };

  static std::string describe(const Region& region, const Record& before, Access was,
                              const Work& work, Access is, Bytes bytes);
  void keep(std::deque<Record>& records, Record fresh);

  mutable std::mutex mutex_;
  SharedClock host_ = std::make_shared<const Clock>();
  std::map<std::pair<int, std::uint64_t>, std::deque<Record>> regions_;
  std::uint64_t found_ = 0;
};

}  // namespace alnilam::gpu::emulator
