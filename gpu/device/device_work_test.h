#pragma once
// Reads what emulated devices did from a trace (gpu/emulator/trace.h), for tests and benches of
// what overlaps.  Times are modelled ones, in nanoseconds.

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace alnilam::gpu {

struct DeviceWork {
  std::string kind;    // "kernel", "copyHtoD", ...
  std::string engine;  // "compute", "copyHtoD", ..., "host"
  std::uint64_t stream = 0;
  std::int64_t begin = 0, end = 0;
};

// Of one device; host functions are left out, which take no time.
inline std::vector<DeviceWork> readDeviceWork(const std::string& path) {
  std::vector<DeviceWork> all;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line.back() != ',') continue;
    line.pop_back();
    auto event = nlohmann::json::parse(line);
    if (event.value("cat", "") != "device" || event["args"]["kind"] == "hostFunction") continue;
    const auto& args = event["args"];
    all.push_back({args["kind"], args["engine"], args["stream"], args["beginNs"], args["endNs"]});
  }
  return all;
}

// From the first beginning to the last end.
inline std::int64_t spanOf(const std::vector<DeviceWork>& work) {
  if (work.empty()) return 0;
  std::int64_t first = work.front().begin, last = 0;
  for (const DeviceWork& one : work) {
    first = std::min(first, one.begin);
    last = std::max(last, one.end);
  }
  return last - first;
}

// How long each engine worked, one piece after the other.
inline std::map<std::string, std::int64_t> busyOf(const std::vector<DeviceWork>& work) {
  std::map<std::string, std::int64_t> busy;
  for (const DeviceWork& one : work) busy[one.engine] += one.end - one.begin;
  return busy;
}

}  // namespace alnilam::gpu
