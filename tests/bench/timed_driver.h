#pragma once
// A driver whose calls are timed, each on the thread that makes it.

#include "gpu/driver/driver.h"
#include "tests/bench/figure.h"

#include <utility>

namespace alnilam::bench {

// Seconds that this thread has spent in driver calls.
inline double& inDriver() {
  thread_local double seconds = 0;
  return seconds;
}

// Wraps every function of `driver`, which is the only one that is wrapped.
inline void timeCalls(gpu::Driver& driver) {
  static gpu::Driver real;
  real = driver;
#define ALNILAM_TIME(member, symbol, version, parameters)              \
  if (real.member) {                                                   \
    driver.member = [](auto... arguments) -> gpu::CUresult {           \
      double start = now();                                            \
      gpu::CUresult code = real.member(std::move(arguments)...);       \
      inDriver() += now() - start;                                     \
      return code;                                                     \
    };                                                                 \
  }
  ALNILAM_DRIVER_REQUIRED(ALNILAM_TIME)
  ALNILAM_DRIVER_OPTIONAL(ALNILAM_TIME)
#undef ALNILAM_TIME
}

}  // namespace alnilam::bench
