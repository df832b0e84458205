#pragma once
// What others may pull from this mover, and what is being read right now.
//
// A published object can be held (by a transfer that sends its bytes) and withdrawn: from then on
// nobody finds it, and the promise of `withdraw` comes true when the last hold is gone.  So its
// place in the arena can be used again without a reader ever seeing the next object's bytes.
//
// Nothing from outside is an address: a reader names an object and a part of it, and the part is
// checked against what the node published.
//
// Threading: one event loop.

#include "core/base/error.h"
#include "core/base/ids.h"
#include "transport/memory/arena.h"

#include <kj/async.h>
#include <kj/refcount.h>

#include <map>
#include <vector>

namespace alnilam::ucx {

class Serving {
 public:
  class Hold : public kj::Refcounted {
   public:
    explicit Hold(Extent place) : place_(place) {}
    ~Hold() noexcept(false) {
      if (gone_.get() != nullptr) gone_->fulfill();
    }
    Extent place() const { return place_; }

   private:
    friend class Serving;
    Extent place_;
    kj::Own<kj::PromiseFulfiller<void>> gone_;
  };

  explicit Serving(const ArenaMap& arena) : arena_(arena) {}

  // Replaces what was published under the same id.  Refuses (invalid) object 0 and places that are
  // not inside the arena.
  Result<Extent> publish(ObjectId object, Extent place);

  // Comes true when nobody reads any of them any more; unknown ones are ignored.
  kj::Promise<void> withdraw(const std::vector<ObjectId>& objects);

  // The bytes [offset, offset + length) of `object`, held until the answer is dropped.  Refuses
  // (unknown) what is not published, (invalid) another size than `size` and parts beyond its end.
  Result<kj::Own<Hold>> hold(ObjectId object, Bytes size, Extent part);

  std::size_t objects() const { return published_.size(); }

 private:
  const ArenaMap& arena_;
  std::map<ObjectId, kj::Own<Hold>> published_;
};

}  // namespace alnilam::ucx
