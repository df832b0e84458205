#include "daemons/node/store.h"

#include <spdlog/spdlog.h>

namespace alnilam {

Result<Extent> Store::seal(ObjectId object) {
  Result<Extent> place = table_.seal(object);
  if (place) publish(object, place.value());
  return place;
}

void Store::drop(ObjectId object) {
  if (!table_.find(object)) return;
  tasks_.add(mover_.withdraw(object).then([this, object]() {
    static_cast<void>(table_.drop(object));
  }));
}

void Store::taskFailed(kj::Exception&& e) { spdlog::error("store: {}", e.getDescription().cStr()); }

}  // namespace alnilam
