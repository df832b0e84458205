#pragma once
// One figure of a benchmark: a JSON object on a line, beside the limit it is measured against.
//
// A figure measured while others used the processor is marked as disturbed: `disturbed` is the
// share of the machine's time that went to processes that are not the benchmark's, as /proc/stat
// has it.

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

namespace alnilam::bench {

inline double now() {
  auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

inline void print(const std::string& name, double value, const char* unit, double limit,
                  const char* limitName, bool emulated = false) {
  std::printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"limit\":%.6g,"
              "\"limitName\":\"%s\",\"ratio\":%.4g,\"emulated\":%s}\n",
              name.c_str(), value, unit, limit, limitName, limit > 0 ? value / limit : 0,
              emulated ? "true" : "false");
  std::fflush(stdout);
}

// Processor seconds of the whole machine since its start.
inline double machineBusy() {
  std::ifstream stat("/proc/stat");
  std::string label;
  double user = 0, nice = 0, system = 0;
  stat >> label >> user >> nice >> system;
  return (user + nice + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace alnilam::bench
