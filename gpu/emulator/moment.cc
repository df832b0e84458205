#include "gpu/emulator/moment.h"

#include <algorithm>

namespace alnilam::gpu::emulator {
namespace {

bool isBefore(const std::pair<std::uint64_t, std::uint64_t>& entry, std::uint64_t stream) {
  return entry.first < stream;
}

}  // namespace

std::uint64_t Clock::of(std::uint64_t stream) const {
  auto found = std::lower_bound(known_.begin(), known_.end(), stream, isBefore);
  return found != known_.end() && found->first == stream ? found->second : 0;
}

void Clock::raise(std::uint64_t stream, std::uint64_t number) {
  auto found = std::lower_bound(known_.begin(), known_.end(), stream, isBefore);
  if (found != known_.end() && found->first == stream) {
    found->second = std::max(found->second, number);
  } else {
    known_.insert(found, {stream, number});
  }
}

void Clock::join(const Clock& other) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> both;
  both.reserve(std::max(known_.size(), other.known_.size()));
  auto a = known_.cbegin(), b = other.known_.cbegin();
  while (a != known_.end() || b != other.known_.end()) {
    if (b == other.known_.end() || (a != known_.end() && a->first < b->first)) {
      both.push_back(*a++);
    } else if (a == known_.end() || b->first < a->first) {
      both.push_back(*b++);
    } else {
      both.emplace_back(a->first, std::max(a->second, b->second));
      ++a;
      ++b;
    }
  }
  known_ = std::move(both);
}

bool Clock::covers(const Clock& other) const {
  return std::all_of(other.known_.begin(), other.known_.end(),
                     [this](auto& entry) { return of(entry.first) >= entry.second; });
}

SharedClock joined(const SharedClock& one, const SharedClock& other) {
  if (!other || one == other || (one && one->covers(*other))) return one;
  if (!one || other->covers(*one)) return other;
  auto both = std::make_shared<Clock>(*one);
  both->join(*other);
  return both;
}

void Moment::join(const Moment& other) {
  time = std::max(time, other.time);
  clock = joined(clock, other.clock);
}

}  // namespace alnilam::gpu::emulator
