#pragma once
// Which object lies where in a node's arena, and who still needs it there.
//
//   create -> writing -- seal --> sealed -- drop, nobody reads --> gone
//                |                   |
//              abort              drop while pinned --> leaving -- last unpin --> gone
//                v                                        |
//              gone                                     revive --> sealed
//
// An object is written once, by whoever created it, and never changes after `seal`.  A pin says
// that somebody reads it in place; its bytes stay where they are until the last pin is gone,
// whatever else is asked.  An object that leaves is not found any more, though its place is taken.
//
// Everything that a confused or hostile executor may ask in the wrong order (sealing twice, sealing
// what is not there, dropping what it does not hold) is a refusal and changes nothing.
//
// Threading: one thread, the arena's.  Lifetime: the arena must outlive the store.

#include "core/base/error.h"
#include "core/base/ids.h"
#include "transport/memory/arena.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace alnilam {

class ObjectStore {
 public:
  explicit ObjectStore(Arena& arena) : arena_(arena) {}
  ~ObjectStore();
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;

  // A place to write `size` bytes of `object` to.  Refuses (invalid) if the store has the object in
  // any state, and as Arena::allocate does.
  Result<Extent> create(ObjectId object, Bytes size);

  // Its bytes are complete and will not change.  Refuses (unknown, or invalid if sealed before).
  Result<Extent> seal(ObjectId object);

  // Frees what was created and not sealed.  Refuses (unknown, or invalid if sealed).
  Result<Extent> abort(ObjectId object);

  // Where a sealed object lies; nullopt for all others.
  std::optional<Extent> find(ObjectId object) const;

  // Holds a sealed object in place until the `unpin` that belongs to it.  Refuses (unknown) what is
  // not sealed or leaves.
  Result<Extent> pin(ObjectId object);

  // Refuses (invalid) if nobody had pinned it.  The answer is true when this freed the object.
  Result<bool> unpin(ObjectId object);

  // Frees a sealed object, as soon as nobody reads it.  Refuses (unknown, or invalid if not
  // sealed). The answer is true when it is free now, false when it leaves with the last pin.
  Result<bool> drop(ObjectId object);

  // Takes back a drop that has not come to its end; the same bytes are then found again.  Refuses
  // (unknown) what does not leave.
  Result<Extent> revive(ObjectId object);

  // All sealed objects, in the order of their ids: what a new mover must be told.
  std::vector<std::pair<ObjectId, Extent>> sealed() const;

  std::size_t objects() const { return objects_.size(); }  // in any state
  Bytes bytes() const { return bytes_; }                   // of these

 private:
  enum class State : std::uint8_t { writing, sealed, leaving };
  struct Object {
    Extent place;
    State state = State::writing;
    std::uint32_t pins = 0;
  };
  using Objects = std::map<ObjectId, Object>;

  void erase(Objects::iterator object);

  Arena& arena_;
  Objects objects_;
  Bytes bytes_ = 0;
};

}  // namespace alnilam
