#include "transport/ucx/serving.h"

#include <kj/vector.h>

#include <string>
#include <utility>

namespace alnilam::ucx {

Result<Extent> Serving::publish(ObjectId object, Extent place) {
  if (!object || place.size == 0 || !arena_.holds(place)) {
    return Refusal{RefusalCode::invalid,
                   "object " + show(object) + " cannot lie at " + std::to_string(place.offset) +
                       " with " + std::to_string(place.size) + " bytes: the arena has " +
                       std::to_string(arena_.size())};
  }
  published_[object] = kj::refcounted<Hold>(place);
  return place;
}

kj::Promise<void> Serving::withdraw(const std::vector<ObjectId>& objects) {
  kj::Vector<kj::Promise<void>> gone;
  for (ObjectId object : objects) {
    auto known = published_.find(object);
    if (known == published_.end()) continue;
    auto readers = kj::mv(known->second);
    published_.erase(known);
    if (!readers->isShared()) continue;
    auto last = kj::newPromiseAndFulfiller<void>();
    readers->gone_ = kj::mv(last.fulfiller);
    gone.add(kj::mv(last.promise));
  }
  return kj::joinPromises(gone.releaseAsArray());
}

Result<kj::Own<Serving::Hold>> Serving::hold(ObjectId object, Bytes size, Extent part) {
  auto known = published_.find(object);
  if (known == published_.end()) {
    return Refusal{RefusalCode::unknown, "object " + show(object) + " is not published here"};
  }
  Extent place = known->second->place();
  if (place.size != size) {
    return Refusal{RefusalCode::invalid, "object " + show(object) + " has " +
                                             std::to_string(place.size) + " bytes here, not " +
                                             std::to_string(size)};
  }
  if (part.offset > size || part.size > size - part.offset) {
    return Refusal{RefusalCode::invalid,
                   "the part at " + std::to_string(part.offset) + " of " +
                       std::to_string(part.size) + " bytes is not inside object " + show(object)};
  }
  return kj::addRef(*known->second);
}

}  // namespace alnilam::ucx
