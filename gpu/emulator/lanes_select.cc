#include "gpu/emulator/lanes.h"

namespace alnilam::gpu::emulator {

namespace lanes_baseline {
Routine find(const Request& request);
}
#ifdef ALNILAM_LANES_X86
namespace lanes_avx2 {
Routine find(const Request& request);
}
namespace lanes_avx512 {
Routine find(const Request& request);
}
#endif

Routine select(const Request& request) {
#ifdef ALNILAM_LANES_X86
  static const bool avx512 =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
  if (avx512 && avx2) return lanes_avx512::find(request);
  if (avx2) return lanes_avx2::find(request);
#endif
  return lanes_baseline::find(request);
}

}  // namespace alnilam::gpu::emulator
