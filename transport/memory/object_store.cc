#include "transport/memory/object_store.h"

#include <string>

namespace alnilam {
namespace {

Refusal unknown(ObjectId object) {
  return {RefusalCode::unknown, "object " + show(object) + " is not in this store"};
}

Refusal invalid(ObjectId object, const char* why) {
  return {RefusalCode::invalid, "object " + show(object) + " " + why};
}

}  // namespace

ObjectStore::~ObjectStore() {
  for (auto& [id, object] : objects_) arena_.free(object.place.offset);
}

Result<Extent> ObjectStore::create(ObjectId id, Bytes size) {
  if (!id) return Refusal{RefusalCode::invalid, "0 is no object"};
  if (auto known = objects_.find(id); known != objects_.end()) {
    switch (known->second.state) {
      case State::writing: return invalid(id, "is being written already");
      case State::sealed: return invalid(id, "is in this store already");
      case State::leaving: return invalid(id, "was dropped and is still being read");
    }
  }
  auto place = arena_.allocate(size);
  if (!place) return place.error();
  objects_.emplace(id, Object{place.value(), State::writing, 0});
  bytes_ += size;
  return place;
}

Result<Extent> ObjectStore::seal(ObjectId id) {
  auto object = objects_.find(id);
  if (object == objects_.end()) return unknown(id);
  if (object->second.state != State::writing) return invalid(id, "was sealed before");
  object->second.state = State::sealed;
  return object->second.place;
}

Result<Extent> ObjectStore::abort(ObjectId id) {
  auto object = objects_.find(id);
  if (object == objects_.end()) return unknown(id);
  if (object->second.state != State::writing) return invalid(id, "is sealed; drop it instead");
  Extent place = object->second.place;
  erase(object);
  return place;
}

std::optional<Extent> ObjectStore::find(ObjectId id) const {
  auto object = objects_.find(id);
  if (object == objects_.end() || object->second.state != State::sealed) return std::nullopt;
  return object->second.place;
}

Result<Extent> ObjectStore::pin(ObjectId id) {
  auto object = objects_.find(id);
  if (object == objects_.end() || object->second.state != State::sealed) return unknown(id);
  if (object->second.pins == UINT32_MAX) {
    return Refusal{RefusalCode::overloaded, "object " + show(id) + " has too many readers"};
  }
  ++object->second.pins;
  return object->second.place;
}

Result<bool> ObjectStore::unpin(ObjectId id) {
  auto object = objects_.find(id);
  if (object == objects_.end() || object->second.pins == 0) return invalid(id, "was not pinned");
  --object->second.pins;
  bool gone = object->second.pins == 0 && object->second.state == State::leaving;
  if (gone) erase(object);
  return gone;
}

Result<bool> ObjectStore::drop(ObjectId id) {
  auto object = objects_.find(id);
  if (object == objects_.end() || object->second.state == State::leaving) return unknown(id);
  if (object->second.state == State::writing) return invalid(id, "is being written; abort instead");
  if (object->second.pins > 0) {
    object->second.state = State::leaving;
    return false;
  }
  erase(object);
  return true;
}

Result<Extent> ObjectStore::revive(ObjectId id) {
  auto object = objects_.find(id);
  if (object == objects_.end() || object->second.state != State::leaving) return unknown(id);
  object->second.state = State::sealed;
  return object->second.place;
}

std::vector<std::pair<ObjectId, Extent>> ObjectStore::sealed() const {
  std::vector<std::pair<ObjectId, Extent>> all;
  for (auto& [id, object] : objects_) {
    if (object.state == State::sealed) all.emplace_back(id, object.place);
  }
  return all;
}

void ObjectStore::erase(Objects::iterator object) {
  bytes_ -= object->second.place.size;
  arena_.free(object->second.place.offset);
  objects_.erase(object);
}

}  // namespace alnilam
