#include "transport/memory/arena.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>

namespace alnilam {
namespace {

Arena arenaOf(Bytes size) {
  auto arena = Arena::create(size);
  EXPECT_TRUE(arena) << arena.error().why;
  return std::move(arena).value();
}

TEST(Arena, WhatIsWrittenThroughOneMapIsReadThroughAnother) {
  // Arrange
  Arena arena = arenaOf(8_MiB);
  auto other = ArenaMap::map(arena.fd(), arena.size());
  ASSERT_TRUE(other);
  Extent place = arena.allocate(100'000).value();
  // Act
  std::memset(arena.at(place).data(), 42, place.size);
  // Assert
  for (std::byte b : other.value().at(place)) ASSERT_EQ(b, std::byte{42});
  EXPECT_NE(other.value().base(), arena.map().base());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(arena.map().base()) % 2_MiB, 0u);
}

TEST(Arena, IsSizedUpToWholeHugePages) {
  EXPECT_EQ(arenaOf(1).size(), 2_MiB);
  EXPECT_EQ(arenaOf(2_MiB).size(), 2_MiB);
  EXPECT_EQ(arenaOf(2_MiB + 1).size(), 4_MiB);
}

TEST(Arena, RefusesSizesThatCannotBe) {
  for (Bytes size : {Bytes{0}, ArenaMap::kLargestArena + 1, Bytes{UINT64_MAX}}) {
    auto arena = Arena::create(size);
    ASSERT_FALSE(arena);
    EXPECT_EQ(arena.error().code, RefusalCode::invalid);
  }
}

TEST(Arena, RefusesWhatDoesNotFitNamingWhatWasWantedAndWhatIsFree) {
  // Arrange
  Arena arena = arenaOf(4_MiB);
  Extent place = arena.allocate(3_MiB).value();
  // Act
  auto refused = arena.allocate(2_MiB);
  // Assert
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, RefusalCode::overloaded);
  EXPECT_EQ(refused.error().why,
            "object memory is full: 2097152 bytes wanted, 1048576 bytes free "
            "(1048576 bytes in one piece) of 4194304 bytes");
  arena.free(place.offset);
  EXPECT_EQ(arena.used(), 0u);
  EXPECT_TRUE(arena.allocate(4_MiB));
}

TEST(Arena, EveryPlaceIsBackedByMemoryBeforeItIsHandedOut) {
  // Arrange
  Arena arena = arenaOf(256_MiB);
  auto backed = [&] {
    struct stat about {};
    fstat(arena.fd(), &about);
    return static_cast<Bytes>(about.st_blocks) * 512;
  };
  ASSERT_EQ(backed(), 0u);
  // Act, Assert: a step for the first place, nothing for the next, more for what passes the step
  ASSERT_TRUE(arena.allocate(1_MiB));
  EXPECT_EQ(backed(), Arena::kReserveStep);
  ASSERT_TRUE(arena.allocate(1_MiB));
  EXPECT_EQ(backed(), Arena::kReserveStep);
  ASSERT_TRUE(arena.allocate(Arena::kReserveStep));
  EXPECT_EQ(backed(), 2 * Arena::kReserveStep);
  EXPECT_TRUE(arena.reserveAhead());
  EXPECT_EQ(backed(), 3 * Arena::kReserveStep);
  while (arena.reserveAhead()) {
  }
  EXPECT_EQ(arena.reserved(), arena.size());
}

// From now on the kernel answers ENOSPC to every fallocate that does not begin at 0.
bool allowOnlyTheFirstReserve() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 2),  // others: allow
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
  };
  sock_fprog filter{std::size(program), program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(Arena, LackOfMemoryIsARefusalAndNotADeath) {
  // Arrange
  Arena arena = arenaOf(256_MiB);
  pid_t child = fork();
  if (child == 0) {
    if (!allowOnlyTheFirstReserve()) _exit(99);
    // Act
    bool first = arena.allocate(20_MiB).hasValue();
    auto refused = arena.allocate(33_MiB);
    bool told = !refused && refused.error().code == RefusalCode::overloaded &&
                refused.error().why.find("no memory left") != std::string::npos;
    bool smaller = arena.allocate(1_MiB).hasValue();
    _exit((first ? 1 : 0) | (told ? 2 : 0) | (smaller ? 4 : 0) | (arena.used() == 21_MiB ? 8 : 0));
  }
  int status = 0;
  waitpid(child, &status, 0);
  // Assert
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 15);
}

TEST(Arena, NobodyCanShrinkOrGrowIt) {
  Arena arena = arenaOf(4_MiB);
  EXPECT_NE(ftruncate(arena.fd(), 4096), 0);
  EXPECT_EQ(errno, EPERM);
  EXPECT_NE(ftruncate(arena.fd(), 8_MiB), 0);
  EXPECT_EQ(errno, EPERM);
}

TEST(ArenaMap, BelievesNothingButTheKernel) {
  // Arrange: descriptors that are not the memory promised
  OwnedFd unsealed(memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(unsealed.get(), 4_MiB), 0);
  OwnedFd sealedShort(memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(sealedShort.get(), 4096), 0);
  ASSERT_EQ(fcntl(sealedShort.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
  OwnedFd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  OwnedFd directory(open("/", O_RDONLY | O_CLOEXEC));
  OwnedFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  Arena arena = arenaOf(4_MiB);

  struct Row { const char* name; int fd; Bytes size; };
  for (Row row : {Row{"none", -1, 4096}, Row{"closed", 987654, 4096},
                  Row{"can still be truncated", unsealed.get(), 4_MiB},
                  Row{"shorter than promised", sealedShort.get(), 4_MiB},
                  Row{"a file", file.get(), 4096}, Row{"a directory", directory.get(), 4096},
                  Row{"a device", null.get(), 4096}, Row{"nothing promised", arena.fd(), 0},
                  Row{"more than there is", arena.fd(), 4_MiB + 1},
                  Row{"absurd", arena.fd(), UINT64_MAX}}) {
    SCOPED_TRACE(row.name);
    // Act
    auto map = ArenaMap::map(row.fd, row.size);
    // Assert
    ASSERT_FALSE(map);
    EXPECT_EQ(map.error().code, RefusalCode::invalid);
  }
}

TEST(ArenaMap, KnowsWhatIsInside) {
  Arena arena = arenaOf(4_MiB);
  EXPECT_TRUE(arena.map().holds({0, 4_MiB}));
  EXPECT_TRUE(arena.map().holds({4_MiB, 0}));
  EXPECT_FALSE(arena.map().holds({1, 4_MiB}));
  EXPECT_FALSE(arena.map().holds({UINT64_MAX, 2}));
  EXPECT_FALSE(arena.map().holds({4096, UINT64_MAX}));
}

}  // namespace
}  // namespace alnilam
