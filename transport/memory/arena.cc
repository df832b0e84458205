#include "transport/memory/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

namespace alnilam {
namespace {

constexpr Bytes kHugePage = 2_MiB;

Bytes roundUp(Bytes value, Bytes align) { return (value + align - 1) & ~(align - 1); }

Refusal refuse(RefusalCode code, std::string why) { return {code, std::move(why)}; }

std::string bytes(Bytes n) { return std::to_string(n) + " bytes"; }

}  // namespace

// ---- ArenaMap

Result<ArenaMap> ArenaMap::map(int fd, Bytes size, Access access) {
  struct stat about {};
  if (fstat(fd, &about) != 0) {
    return refuse(RefusalCode::invalid, "object memory: descriptor " + std::to_string(fd) + ": " +
                                            std::strerror(errno));
  }
  // The seals are read before the size: once it cannot shrink, the size that is seen stays true.
  int seals = fcntl(fd, F_GET_SEALS);
  if (!S_ISREG(about.st_mode) || seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return refuse(RefusalCode::invalid, "object memory: descriptor " + std::to_string(fd) +
                                            " is not a memfd sealed against shrinking");
  }
  if (fstat(fd, &about) != 0 || size == 0 || size > kLargestArena || about.st_size < 0 ||
      static_cast<Bytes>(about.st_size) < size) {
    return refuse(RefusalCode::invalid,
                  "object memory: descriptor " + std::to_string(fd) + " has " +
                      bytes(static_cast<Bytes>(about.st_size)) + ", not the " + bytes(size) +
                      " that were promised");
  }

  // Address space for the mapping and its alignment; what is too much is given back.
  Bytes room = size + kHugePage;
  void* reserved =
      mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) {
    return refuse(RefusalCode::unavailable, "object memory: no address space for " + bytes(size) +
                                                ": " + std::strerror(errno));
  }
  auto begin = reinterpret_cast<std::uintptr_t>(reserved);
  auto aligned = roundUp(begin, kHugePage);
  Bytes mapped = roundUp(size, FreeList::kLargeAlign);
  if (aligned > begin) munmap(reserved, aligned - begin);
  if (begin + room > aligned + mapped) {
    munmap(reinterpret_cast<void*>(aligned + mapped), begin + room - aligned - mapped);
  }
  int protection = access == Access::read ? PROT_READ : PROT_READ | PROT_WRITE;
  void* base =
      mmap(reinterpret_cast<void*>(aligned), size, protection, MAP_SHARED | MAP_FIXED, fd, 0);
  if (base == MAP_FAILED) {
    int why = errno;
    munmap(reinterpret_cast<void*>(aligned), mapped);
    return refuse(RefusalCode::unavailable,
                  "object memory: cannot map " + bytes(size) + ": " + std::strerror(why));
  }
  madvise(base, size, MADV_HUGEPAGE);  // advice: a kernel that will not, will not
  return ArenaMap(static_cast<std::byte*>(base), size);
}

ArenaMap::ArenaMap(ArenaMap&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), size_(std::exchange(other.size_, 0)) {}

ArenaMap& ArenaMap::operator=(ArenaMap&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  return *this;
}

ArenaMap::~ArenaMap() {
  if (base_ != nullptr) munmap(base_, size_);
}

bool ArenaMap::holds(Extent place) const {
  return place.offset <= size_ && place.size <= size_ - place.offset;
}

std::span<std::byte> ArenaMap::at(Extent place) const {
  ALNILAM_ASSERT(holds(place));
  return {base_ + place.offset, place.size};
}

bool ArenaMap::faultIn(Extent place) const {
  ALNILAM_ASSERT(holds(place));
  if (place.size == 0) return true;
  Bytes begin = place.offset & ~(FreeList::kLargeAlign - 1);
  int done;
  do {
    done = madvise(base_ + begin, place.offset + place.size - begin, MADV_POPULATE_WRITE);
  } while (done != 0 && (errno == EINTR || errno == EAGAIN));
  return done == 0;
}

// ---- Arena

Result<Arena> Arena::create(Bytes size) {
  if (size == 0 || size > ArenaMap::kLargestArena) {
    return refuse(RefusalCode::invalid, "object memory of " + bytes(size) + ": from 1 to " +
                                            bytes(ArenaMap::kLargestArena) + " are possible");
  }
  size = roundUp(size, kHugePage);
  OwnedFd fd(memfd_create("alnilam-objects", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ftruncate(fd.get(), static_cast<off_t>(size)) != 0 ||
      fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return refuse(RefusalCode::unavailable,
                  "object memory of " + bytes(size) + ": " + std::strerror(errno));
  }
  auto map = ArenaMap::map(fd.get(), size);
  if (!map) return map.error();
  return Arena(std::move(fd), std::move(map).value());
}

Arena::Arena(OwnedFd fd, ArenaMap map)
    : fd_(std::move(fd)), map_(std::move(map)), list_(map_.size()) {}

Result<Extent> Arena::allocate(Bytes size) {
  auto place = list_.peek(size);
  if (!place) {
    return refuse(RefusalCode::overloaded, "object memory is full: " + bytes(size) + " wanted, " +
                                               bytes(list_.size() - list_.used()) + " free (" +
                                               bytes(list_.largest()) + " in one piece) of " +
                                               bytes(list_.size()));
  }
  if (!reserveTo(*place + FreeList::rounded(size))) {
    return refuse(RefusalCode::overloaded,
                  "the machine has no memory left for " + bytes(size) + " more of objects: " +
                      std::strerror(errno));
  }
  return Extent{*list_.take(size), size};
}

void Arena::free(Bytes offset) { list_.give(offset); }

bool Arena::reserveAhead() { return reserved_ < size() && reserveTo(reserved_ + 1); }

bool Arena::reserveTo(Bytes end) {
  if (end <= reserved_) return true;
  auto reserve = [this](Bytes to) {
    int done;
    do {
      done = fallocate(fd_.get(), 0, static_cast<off_t>(reserved_),
                       static_cast<off_t>(to - reserved_));
    } while (done != 0 && errno == EINTR);
    if (done == 0) reserved_ = to;
    return done == 0;
  };
  Bytes step = std::min(size(), roundUp(end, kReserveStep));
  // Near the end of the machine's memory a whole step may be too much and the place itself not.
  return reserve(step) || reserve(roundUp(end, FreeList::kLargeAlign));
}

}  // namespace alnilam
