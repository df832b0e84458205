#include "gpu/device/pinned_arena.h"

#include "gpu/device/device.h"

#include <algorithm>
#include <functional>

namespace alnilam::gpu {

void PinnedArena::use(std::span<std::byte> arena) {
  arena_ = arena;
  chunks_.assign((arena.size() + kChunk - 1) / kChunk, {});
}

std::span<std::byte> PinnedArena::bytesOf(std::size_t chunk) const {
  std::size_t begin = chunk * kChunk;
  return arena_.subspan(begin, std::min<std::size_t>(kChunk, arena_.size() - begin));
}

PinnedArena::Reach PinnedArena::reach(const std::byte* begin, std::size_t size, Device& device,
                                      const Life& life) {
  std::less<> isBefore;
  if (size == 0 || arena_.empty() || isBefore(begin, arena_.data()) ||
      !isBefore(begin, arena_.data() + arena_.size())) {
    return {};
  }
  auto offset = static_cast<std::size_t>(begin - arena_.data());
  std::size_t index = offset / kChunk;
  std::span<std::byte> whole = bytesOf(index);
  std::lock_guard lock(mutex_);
  Chunk& chunk = chunks_[index];
  if (chunk.refused) return {};
  if (chunk.life == 0) {
    CUresult code = driver_->memHostRegister(whole.data(), whole.size(), kMemHostRegisterPortable);
    // Pages of a context that has failed may still count as pinned.
    if (code != CUDA_SUCCESS && code != CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED) {
      // A context that has failed says so to everybody, and the next one may be asked again.
      Severity severity = severityOf(code);
      chunk.refused = severity != Severity::context && severity != Severity::device;
      return {};
    }
    chunk = {&device, life.serial(), false};
  }
  return {std::min(size, whole.size() - (offset - index * kChunk)), chunk.owner, chunk.life};
}

void PinnedArena::unpinAllOf(const Life& life) {
  std::lock_guard lock(mutex_);
  for (std::size_t index = 0; index < chunks_.size(); ++index) {
    if (chunks_[index].life != life.serial()) continue;
    // In a context that has failed the driver refuses this, and unpins the pages with the context.
    static_cast<void>(driver_->memHostUnregister(bytesOf(index).data()));
    chunks_[index] = {};
  }
}

}  // namespace alnilam::gpu
