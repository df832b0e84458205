#include "transport/ucx/neighbour.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

namespace alnilam::ucx {
namespace {

constexpr std::uint32_t kMagic = 0x314d4c41;  // "ALM1"

std::uint64_t thisBoot() {
  OwnedFd file(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  std::array<char, 64> text{};
  if (!file || read(file.get(), text.data(), text.size() - 1) <= 0) return 0;
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

Whereabouts Whereabouts::here(int fd, Bytes size) {
  struct stat about {};
  if (fd < 0 || fstat(fd, &about) != 0) return {};
  return {thisBoot(), about.st_dev, about.st_ino, size, static_cast<std::uint32_t>(getpid()),
          static_cast<std::uint32_t>(fd)};
}

std::string MoverAddress::encode() const {
  std::string bytes(sizeof(kMagic) + sizeof(whereabouts), '\0');
  std::memcpy(bytes.data(), &kMagic, sizeof(kMagic));
  std::memcpy(bytes.data() + sizeof(kMagic), &whereabouts, sizeof(whereabouts));
  return bytes + ucx;
}

std::optional<MoverAddress> MoverAddress::decode(const std::string& bytes) {
  constexpr std::size_t kFixed = sizeof(kMagic) + sizeof(Whereabouts);
  std::uint32_t magic = 0;
  if (bytes.size() <= kFixed) return std::nullopt;
  std::memcpy(&magic, bytes.data(), sizeof(magic));
  if (magic != kMagic) return std::nullopt;
  MoverAddress address;
  std::memcpy(&address.whereabouts, bytes.data() + sizeof(magic), sizeof(Whereabouts));
  address.ucx = bytes.substr(kFixed);
  return address;
}

kj::Own<Neighbour> Neighbour::meet(const Whereabouts& found, kj::UnixEventPort& port) {
  if (found.boot == 0 || found.boot != thisBoot()) return {};
  OwnedFd process(static_cast<int>(syscall(SYS_pidfd_open, found.pid, 0)));
  if (!process) return {};
  std::string path = "/proc/" + std::to_string(found.pid) + "/fd/" + std::to_string(found.fd);
  OwnedFd memory(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat about {};
  if (!memory || fstat(memory.get(), &about) != 0) return {};
  if (about.st_dev != found.device || about.st_ino != found.inode) return {};
  auto arena = ArenaMap::map(memory.get(), found.size, ArenaMap::Access::read);
  if (!arena) return {};
  return kj::heap<Neighbour>(std::move(arena).value(), std::move(process), port);
}

Neighbour::Neighbour(ArenaMap arena, OwnedFd process, kj::UnixEventPort& port)
    : arena_(std::move(arena)),
      process_(std::move(process)),
      ended_(port, process_.get(), kj::UnixEventPort::FdObserver::OBSERVE_READ) {}

}  // namespace alnilam::ucx
