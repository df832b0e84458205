#pragma once
// Which processors a thread runs on.

#include <cstdint>
#include <span>

namespace alnilam {

// Binds the calling thread to osCpus[core] for each core of `cores`, or to all of `osCpus` if there
// are none.  A host that forbids it (a smaller cpuset than at start) leaves the thread as it was.
void bindThread(std::span<const std::uint32_t> osCpus, std::span<const std::uint32_t> cores);

}  // namespace alnilam
