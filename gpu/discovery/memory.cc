#include "gpu/discovery/memory.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>

namespace alnilam::gpu {
namespace {

__extension__ using Wide = unsigned __int128;

std::optional<Bytes> readLimit(const std::string& path) {
  std::ifstream file(path);
  Bytes limit = 0;
  if (!(file >> limit)) return std::nullopt;  // missing, or "max"
  return limit;
}

Bytes memTotal(const std::string& procRoot) {
  std::ifstream file(procRoot + "/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    Bytes kib = 0;
    if (words >> name >> kib && name == "MemTotal:") return kib * 1024;
  }
  return 0;
}

// The limits of `group` and of each group above it, smallest.
std::optional<Bytes> smallestLimit(const std::string& root, std::string group, const char* file) {
  std::optional<Bytes> least;
  for (;;) {
    if (auto limit = readLimit(root + group + "/" + file)) {
      least = std::min(least.value_or(*limit), *limit);
    }
    std::size_t slash = group.rfind('/');
    if (slash == std::string::npos) return least;
    group.resize(slash);
  }
}

}  // namespace

Bytes usableMemory(const std::string& procRoot, const std::string& cgroupRoot) {
  Bytes total = memTotal(procRoot);
  std::ifstream file(procRoot + "/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    // "hierarchy:controllers:path"; version 2 has no controllers.
    std::size_t first = line.find(':');
    std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    std::optional<Bytes> limit;
    if (controllers == ",,") {
      limit = smallestLimit(cgroupRoot, group, "memory.max");
    } else if (controllers.find(",memory,") != std::string::npos) {
      // Inside a container the path is the host's while only the group itself is mounted: the walk
      // upwards ends at the mount in any case.
      limit = smallestLimit(cgroupRoot + "/memory", group, "memory.limit_in_bytes");
    }
    if (limit && *limit > 0 && (total == 0 || *limit < total)) total = *limit;
  }
  return total;
}

std::vector<Bytes> scaleTo(Bytes total, std::vector<Bytes> parts) {
  if (total == 0 || parts.empty()) return parts;
  Wide sum = 0;
  for (Bytes part : parts) sum += part;
  if (sum == 0) {
    std::fill(parts.begin(), parts.end(), 1);
    sum = parts.size();
  }
  Bytes given = 0;
  for (Bytes& part : parts) {
    part = static_cast<Bytes>(Wide{total} * part / sum);
    given += part;
  }
  parts.front() += total - given;
  return parts;
}

}  // namespace alnilam::gpu
