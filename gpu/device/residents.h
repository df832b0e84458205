#pragma once
// Results that are still on the device that made them, for tasks that take them as inputs.
//
// A result is copied home behind its task's work, and its memory stays as it is: a task on this
// device that takes the result takes the memory, without a copy, and a task on another device
// copies from it.  That may be while the work that makes it is still on its way through a stream;
// then whoever takes it makes its own stream wait for the event behind that work.
//
// Memory is kept in use by the maker, until its end is heard of, and by each taker, until its end
// is.  What nobody uses is idle, and is kept for later takers while all of it is within a bound (a
// share of the device's memory, and kMost results); the one that was used longest ago goes first.
// All that is idle goes when an allocation on the device finds no room.  Since users are done when
// they let go, memory is freed by the host, and needs no place in a stream.
//
//     in use -- the last user let go --> idle -- evicted or dropped --> freed
//        ^                                |
//        +------------- used -------------+
//
// A dropped result is not found any more, and freed when it is idle.
//
// Threading: any thread.
// Lifetime: of the context that the memory is in; nothing is in use at the end.
// Errors: none: a failed cuMemFree means that the context is dead.

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/units.h"
#include "gpu/driver/handle.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>

namespace alnilam::gpu {

class Residents {
 public:
  static constexpr std::size_t kMost = 4096;

  struct Resident {
    ObjectId object;
    std::uint64_t address = 0;  // 0: an empty array
    Bytes bytes = 0;

   private:
    friend class Residents;
    CUstream madeOn = nullptr;
    CUevent ready = nullptr;  // behind the work that makes it; null once that is known to be done
    std::size_t users = 0;
    bool isListed = true;
    std::list<Resident>::iterator place;
  };

  // `bound`: bytes, of all that is kept.
  Residents(const Driver& driver, CUcontext context, Bytes bound)
      : driver_(driver), context_(context), bound_(bound) {}
  ~Residents() { ALNILAM_ASSERT(all_.empty()); }
  Residents(const Residents&) = delete;
  Residents& operator=(const Residents&) = delete;

  // Takes over memory, which will be the result `object` when the stream `madeOn` has passed
  // `ready`; replaces one of that name.  In use by the caller, who made it.
  Resident* keep(ObjectId object, std::uint64_t address, Bytes bytes, CUstream madeOn,
                 CUevent ready);
  // The maker's end: it uses it no more, and `ready` is not waited for from now on.
  void settle(Resident* resident, bool isGood);

  // In use by the caller from now on; null if it is not here.
  Resident* use(ObjectId object);
  void letGo(Resident* resident);
  // What work on `stream` has to wait for before it may read it.
  std::optional<CUevent> waitFor(const Resident& resident, CUstream stream) const;

  void drop(ObjectId object);
  // Frees all that is idle.
  void evictIdle();
  // At the end of the context, which is current.
  void clear();

  Bytes bytes() const;

 private:
  using Place = std::list<Resident>::iterator;

  // With the mutex held.
  void release(Resident& resident, std::list<Resident>& gone);
  void unlist(Resident& resident);
  void shrink(std::list<Resident>& gone);
  void moveOut(Place place, std::list<Resident>& gone);
  // Without it.
  void free(std::list<Resident>& gone);

  const Driver& driver_;
  const CUcontext context_;
  const Bytes bound_;
  mutable std::mutex mutex_;
  std::list<Resident> all_;  // the one that was used longest ago first
  std::map<ObjectId, Place> places_;
  Bytes bytes_ = 0;
};

}  // namespace alnilam::gpu
