#include "gpu/emulator/races.h"

#include <cstdio>

namespace alnilam::gpu::emulator {
namespace {

const char* const kVerbs[] = {"reads", "writes", "atomically changes"};

std::string hex(std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

// Which two accesses need an order.
constexpr std::pair<Access, Access> kConflicts[] = {
    {Access::write, Access::write},  {Access::write, Access::read}, {Access::read, Access::write},
    {Access::write, Access::atomic}, {Access::atomic, Access::write},
    {Access::read, Access::atomic},  {Access::atomic, Access::read},
};

}  // namespace

SharedClock Races::host() const {
  std::lock_guard lock(mutex_);
  return host_;
}

void Races::hostLearns(const SharedClock& clock) {
  std::lock_guard lock(mutex_);
  host_ = joined(host_, clock);
}

std::uint64_t Races::found() const {
  std::lock_guard lock(mutex_);
  return found_;
}

std::string Races::describe(const Region& region, const Record& before, Access was,
                            const Work& work, Access is, Bytes bytes) {
  auto who = [](const Work& one, Access does) {
    return one.name + " on stream " + std::to_string(one.stream) + " " +
           kVerbs[static_cast<std::size_t>(does)];
  };
  std::string where =
      region.device < 0 ? "pinned host memory" : "the allocation of device " +
                                                     std::to_string(region.device);
  return "race: " + who(before.work, was) + " and " + who(work, is) + " the " +
         std::to_string(bytes.to - bytes.from) + " bytes at " + hex(bytes.from) + ", in " + where +
         " at " + hex(region.base) + " of " + std::to_string(region.size) +
         " bytes, and nothing orders them";
}

// Forgets what the new record makes needless: whatever would race with that would race with it.
void Races::keep(std::deque<Record>& records, Record fresh) {
  const Accesses& now = fresh.accesses;
  static const Runs kNothing;
  std::erase_if(records, [&](const Record& old) {
    bool isBefore = old.work.stream == fresh.work.stream ||
                    fresh.work.clock->of(old.work.stream) >= old.work.number;
    if (!isBefore) return false;
    const Runs& written = now.of(Access::write);
    return covers(written, now.of(Access::read), old.accesses.of(Access::read)) &&
           covers(written, now.of(Access::atomic), old.accesses.of(Access::atomic)) &&
           covers(written, kNothing, old.accesses.of(Access::write));
  });
  records.push_back(std::move(fresh));
  if (records.size() <= kMostRecords) return;
  // What the host knows of is before all that it will enqueue.
  std::erase_if(records, [this](const Record& old) {
    return host_->of(old.work.stream) >= old.work.number;
  });
  while (records.size() > kMostRecords) records.pop_front();
}

std::optional<std::string> Races::check(const Region& region, const Work& work,
                                        Accesses accesses) {
  std::lock_guard lock(mutex_);
  std::deque<Record>& records = regions_[region.key()];
  std::optional<std::string> race;
  for (const Record& before : records) {
    if (before.work.stream == work.stream ||
        work.clock->of(before.work.stream) >= before.work.number) {
      continue;
    }
    for (auto [was, is] : kConflicts) {
      Bytes bytes = common(before.accesses.of(was), accesses.of(is));
      if (bytes.from == bytes.to) continue;
      race = describe(region, before, was, work, is, bytes);
      break;
    }
    if (race) break;
  }
  if (race) ++found_;
  keep(records, {work, std::move(accesses)});
  return race;
}

std::string Races::gone(const Work& work, const std::string& where) {
  std::lock_guard lock(mutex_);
  ++found_;
  return "race: " + work.name + " on stream " + std::to_string(work.stream) + " used " + where +
         " meanwhile, and nothing orders them";
}

void Races::forget(const Region& region) {
  std::lock_guard lock(mutex_);
  regions_.erase(region.key());
}
void Races::forgetDevice(int device) {
  std::lock_guard lock(mutex_);
  std::erase_if(regions_, [device](auto& entry) { return entry.first.first == device; });
}

}  // namespace alnilam::gpu::emulator
