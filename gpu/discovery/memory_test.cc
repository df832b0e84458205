// What memory a process may use, from a made /proc and made cgroups of both versions.

#include "gpu/discovery/memory.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace alnilam::gpu {
namespace {

struct Row {
  const char* name;
  std::map<std::string, std::string> files;
  Bytes want;
};

const Row kRows[] = {
    {"without a cgroup, all there is",
     {{"proc/meminfo", "MemTotal:  8388608 kB\nMemFree: 1 kB\n"}},
     8_GiB},
    {"a version 2 limit binds",
     {{"proc/meminfo", "MemTotal: 8388608 kB\n"},
      {"proc/self/cgroup", "0::/a/b\n"},
      {"cgroup/a/b/memory.max", "1073741824\n"}},
     1_GiB},
    {"a limit further up binds as well",
     {{"proc/meminfo", "MemTotal: 8388608 kB\n"},
      {"proc/self/cgroup", "0::/a/b\n"},
      {"cgroup/a/memory.max", "2147483648\n"},
      {"cgroup/a/b/memory.max", "max\n"}},
     2_GiB},
    {"a container's root has its limit under its own name",
     {{"proc/meminfo", "MemTotal: 8388608 kB\n"},
      {"proc/self/cgroup", "0::/\n"},
      {"cgroup/memory.max", "3221225472\n"}},
     3_GiB},
    {"a version 1 limit binds",
     {{"proc/meminfo", "MemTotal: 8388608 kB\n"},
      {"proc/self/cgroup", "9:cpu,cpuacct:/x\n4:memory:/x\n"},
      {"cgroup/memory/x/memory.limit_in_bytes", "4294967296\n"}},
     4_GiB},
    {"no limit is a very large number in version 1",
     {{"proc/meminfo", "MemTotal: 8388608 kB\n"},
      {"proc/self/cgroup", "4:memory:/\n"},
      {"cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}},
     8_GiB},
    {"nothing readable is unknown", {}, 0},
};

TEST(UsableMemory, IsTheSmallestOfMemoryAndLimits) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    std::string made = testing::TempDir() + "alnilam_memory_XXXXXX";
    ASSERT_NE(mkdtemp(made.data()), nullptr);
    for (const auto& [path, content] : row.files) {
      std::filesystem::path file = std::filesystem::path(made) / path;
      std::filesystem::create_directories(file.parent_path());
      std::ofstream(file) << content;
    }
    EXPECT_EQ(usableMemory(made + "/proc", made + "/cgroup"), row.want);
    std::filesystem::remove_all(made);
  }
}

TEST(ScaleTo, KeepsProportionsAndTheExactSum) {
  using Parts = std::vector<Bytes>;
  EXPECT_EQ(scaleTo(24_GiB, {4_GiB, 2_GiB}), (Parts{16_GiB, 8_GiB}));
  EXPECT_EQ(scaleTo(10, {1, 1, 1}), (Parts{4, 3, 3}));
  EXPECT_EQ(scaleTo(9, {0, 0, 0}), (Parts{3, 3, 3}));
  EXPECT_EQ(scaleTo(0, {5, 6}), (Parts{5, 6}));
  EXPECT_EQ(scaleTo(5, {}), Parts{});
  EXPECT_EQ(scaleTo(1_TiB, {UINT64_MAX, UINT64_MAX}), (Parts{512_GiB, 512_GiB}));
}

}  // namespace
}  // namespace alnilam::gpu
