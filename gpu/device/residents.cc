#include "gpu/device/residents.h"

#include <iterator>
#include <utility>

namespace alnilam::gpu {

Residents::Resident* Residents::keep(ObjectId object, std::uint64_t address, Bytes bytes,
                                     CUstream madeOn, CUevent ready) {
  std::list<Resident> fresh(1), gone;
  Resident& made = fresh.front();
  made.object = object;
  made.address = address;
  made.bytes = bytes;
  made.madeOn = madeOn;
  made.ready = ready;
  made.users = 1;
  {
    std::lock_guard lock(mutex_);
    if (auto before = places_.find(object); before != places_.end()) {
      Place place = before->second;
      unlist(*place);
      if (place->users == 0) moveOut(place, gone);
    }
    all_.splice(all_.end(), fresh);
    made.place = std::prev(all_.end());
    places_.emplace(object, made.place);
    bytes_ += bytes;
    shrink(gone);
  }
  free(gone);
  return &made;
}

void Residents::settle(Resident* resident, bool isGood) {
  std::list<Resident> gone;
  {
    std::lock_guard lock(mutex_);
    resident->ready = nullptr;
    if (!isGood) unlist(*resident);
    release(*resident, gone);
  }
  free(gone);
}

Residents::Resident* Residents::use(ObjectId object) {
  std::lock_guard lock(mutex_);
  auto found = places_.find(object);
  if (found == places_.end()) return nullptr;
  all_.splice(all_.end(), all_, found->second);
  ++found->second->users;
  return &*found->second;
}

void Residents::letGo(Resident* resident) {
  std::list<Resident> gone;
  {
    std::lock_guard lock(mutex_);
    release(*resident, gone);
  }
  free(gone);
}

std::optional<CUevent> Residents::waitFor(const Resident& resident, CUstream stream) const {
  std::lock_guard lock(mutex_);
  if (!resident.ready || resident.madeOn == stream) return std::nullopt;
  return resident.ready;
}

void Residents::drop(ObjectId object) {
  std::list<Resident> gone;
  {
    std::lock_guard lock(mutex_);
    auto found = places_.find(object);
    if (found == places_.end()) return;
    Place place = found->second;
    unlist(*place);
    if (place->users == 0) moveOut(place, gone);
  }
  free(gone);
}

void Residents::evictIdle() {
  std::list<Resident> gone;
  {
    std::lock_guard lock(mutex_);
    for (Place place = all_.begin(); place != all_.end();) {
      Place here = place++;
      if (here->users == 0) moveOut(here, gone);
    }
  }
  free(gone);
}

void Residents::clear() {
  evictIdle();
  std::lock_guard lock(mutex_);
  ALNILAM_ASSERT(all_.empty());
}

Bytes Residents::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

void Residents::release(Resident& resident, std::list<Resident>& gone) {
  if (--resident.users > 0) return;
  if (resident.isListed) shrink(gone);
  else moveOut(resident.place, gone);
}

void Residents::unlist(Resident& resident) {
  if (!std::exchange(resident.isListed, false)) return;
  places_.erase(resident.object);
}

// Until it is within bounds, or nothing more is idle.
void Residents::shrink(std::list<Resident>& gone) {
  for (Place place = all_.begin();
       place != all_.end() && (bytes_ > bound_ || all_.size() > kMost);) {
    Place here = place++;
    if (here->users == 0) moveOut(here, gone);
  }
}

void Residents::moveOut(Place place, std::list<Resident>& gone) {
  unlist(*place);
  bytes_ -= place->bytes;
  gone.splice(gone.end(), all_, place);
}

void Residents::free(std::list<Resident>& gone) {
  if (gone.empty()) return;
  CurrentContext current(driver_, context_);
  for (const Resident& one : gone) {
    if (one.address != 0) static_cast<void>(driver_.memFree(one.address));
  }
}

}  // namespace alnilam::gpu
