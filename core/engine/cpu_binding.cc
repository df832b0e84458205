#include "core/engine/cpu_binding.h"

#include <sched.h>

namespace alnilam {

void bindThread(std::span<const std::uint32_t> osCpus, std::span<const std::uint32_t> cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (std::uint32_t core : cores) {
    if (core < osCpus.size()) CPU_SET(osCpus[core], &set);
  }
  if (cores.empty()) {
    for (std::uint32_t cpu : osCpus) CPU_SET(cpu, &set);
  }
  static_cast<void>(sched_setaffinity(0, sizeof set, &set));
}

}  // namespace alnilam
