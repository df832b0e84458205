// Copies of a gpu::Context, from and to pinned memory: they run beside the host and the kernels.

#include "core/api/errors.h"
#include "gpu/device/context_state.h"
#include "gpu/device/pinned_arena.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

namespace alnilam::gpu {
namespace {

// More pinned memory than this a task does not hold at once; copies beyond it wait.
constexpr std::size_t kMaxStagedOfTask = 64 << 20;

}  // namespace

Staging& Context::State::stage(std::size_t bytes) {
  auto block = pipeline.life().takeStaging(bytes);
  if (!block) {
    pipeline.note(block.error());
    device.raise(block.error(), "taking pinned memory for a copy");
  }
  stagedBytes += block.value().size();
  return staged.emplace_back(std::move(block).value());
}

std::size_t Context::State::inPlace(const std::byte* begin, std::size_t size) {
  PinnedArena::Reach reach = device.arena().reach(begin, size, device, pipeline.life());
  if (reach.bytes == 0 || reach.life == pipeline.life().serial()) return reach.bytes;
  for (auto& [owner, guest] : pinners) {
    if (guest.life->serial() == reach.life) return reach.bytes;
  }
  Device::Guest guest = reach.owner->visit(reach.life);
  if (!guest.life) return 0;  // it has died meanwhile
  pinners.emplace_back(reach.owner, guest);
  return reach.bytes;
}

void Context::State::releaseStaged() {
  for (Staging& block : staged) pipeline.life().giveStaging(std::move(block));
  staged.clear();
  stagedBytes = 0;
  deliveries.clear();
}

void Context::copyIn(std::uint64_t to, const void* from, std::size_t bytes) {
  copyInOn(state_->pipeline.compute(), to, from, bytes);
}

void Context::copyInOn(CUstream_st* stream, std::uint64_t to, const void* from,
                       std::size_t bytes) {
  State& state = *state_;
  if (deviceCount() > 1) makeCurrent();
  auto* source = static_cast<const std::byte*>(from);
  while (bytes > 0) {
    std::size_t part = state.inPlace(source, bytes);
    const std::byte* begin = source;
    if (part == 0) {
      if (state.stagedBytes >= kMaxStagedOfTask) synchronize();
      Staging& block = state.stage(bytes);
      part = std::min(bytes, block.size());
      std::memcpy(block.data(), source, part);
      begin = block.data();
    }
    state.must(state.driver().memcpyHtoDAsync(to, begin, part, stream), "cuMemcpyHtoDAsync");
    source += part;
    to += part;
    bytes -= part;
  }
}

void Context::copyOut(void* to, std::uint64_t from, std::size_t bytes) {
  State& state = *state_;
  if (deviceCount() > 1) makeCurrent();
  auto* target = static_cast<std::byte*>(to);
  while (bytes > 0) {
    if (state.stagedBytes >= kMaxStagedOfTask) synchronize();
    Staging& block = state.stage(bytes);
    std::size_t part = std::min(bytes, block.size());
    state.must(state.driver().memcpyDtoHAsync(block.data(), from, part,
                                              state.pipeline.compute()),
               "cuMemcpyDtoHAsync");
    state.deliveries.push_back({target, state.staged.size() - 1, part});
    target += part;
    from += part;
    bytes -= part;
  }
}

std::uintptr_t Context::takeInput(std::span<const std::byte> bytes) {
  if (bytes.empty()) return 0;
  State& state = *state_;
  const State::Input* known = state.inputWith(bytes);
  if (known && known->here) {
    checkBound(bytes.size());
    state.used += bytes.size();
    state.follow(state.pipeline.life().residents(), *known->here, state.pipeline.compute());
    return static_cast<std::uintptr_t>(known->here->address);
  }
  CUstream intake = state.pipeline.intake();
  CUstream stream = intake ? intake : state.pipeline.compute();
  OwnedBlock block = allocateOn(stream, bytes.size());
  std::uint64_t address = block->address;
  state.inputs.push_back(std::move(block));
  if (known) {
    if (deviceCount() > 1) makeCurrent();
    const auto& [life, resident] = known->guest;
    state.follow(life->residents(), *resident, stream);
    state.pipeline.life().reach(*life);
    state.must(state.driver().memcpyPeerAsync(address, state.pipeline.life().context(),
                                              resident->address, life->context(), bytes.size(),
                                              stream),
               "cuMemcpyPeerAsync", "taking a result from " + known->there->title());
  } else {
    copyInOn(stream, address, bytes.data(), bytes.size());
  }
  if (intake) state.pipeline.joinIntake();
  return static_cast<std::uintptr_t>(address);
}

// Goes on its way when the function has returned (send).
void Context::copyResult(OwnedBlock from, std::span<std::byte> to) {
  if (!from || !from->owner) return;
  Context& home = *from->owner;  // the result may lie on another of the task's devices
  home.unlist(*from);
  home.state_->homeward.push_back({std::move(from), to});
}

void Context::State::copyHome(std::uint64_t from, std::span<std::byte> to) {
  while (!to.empty()) {
    std::size_t part = inPlace(to.data(), to.size());
    void* target = to.data();
    if (part == 0) {
      part = to.size();
      // Beyond what is staged, the driver copies to pageable memory, and holds this thread up.
      if (stagedBytes < kMaxStagedOfTask) {
        Staging& block = stage(part);
        part = std::min(part, block.size());
        results.push_back({target, staged.size() - 1, part});
        target = block.data();
      }
    }
    must(driver().memcpyDtoHAsync(target, from, part, pipeline.tail()), "cuMemcpyDtoHAsync",
         "copying the result home");
    from += part;
    to = to.subspan(part);
  }
}

// ---- Inputs that are on devices.

bool Context::State::findInputs(const std::vector<std::unique_ptr<Device>>& all,
                                std::span<const DeviceInput> wanted) {
  for (const DeviceInput& input : wanted) {
    Input found{input.bytes, pipeline.life().residents().use(input.object), nullptr, {}};
    for (auto other = all.begin(); !found.here && !found.there && other != all.end(); ++other) {
      if (other->get() == &device || !device.canCopyFrom(**other)) continue;
      found.guest = (*other)->visit(input.object);
      if (found.guest.resident) found.there = other->get();
    }
    if (found.here || found.there) taken.push_back(found);
    else if (input.coming) return false;
  }
  return true;
}

void Context::State::letGoOfInputs() {
  for (auto& [owner, guest] : pinners) owner->leaveGuest(guest);
  pinners.clear();
  for (const Input& input : taken) {
    if (input.here) pipeline.life().residents().letGo(input.here);
    else input.there->leaveGuest(input.guest);
  }
  taken.clear();
}

// Functions take their inputs in order, as a rule.
const Context::State::Input* Context::State::inputWith(std::span<const std::byte> bytes) {
  for (std::size_t i = 0; i < taken.size(); ++i) {
    const Input& input = taken[(nextInput + i) % taken.size()];
    const std::byte* begin = input.object.data();
    if (std::less<>()(bytes.data(), begin) ||
        std::less<>()(begin + input.object.size(), bytes.data() + bytes.size())) {
      continue;
    }
    nextInput += i + 1;
    Bytes there = (input.here ? input.here : input.guest.resident)->bytes;
    return there == bytes.size() ? &input : nullptr;
  }
  return nullptr;
}

void Context::State::follow(const Residents& of, const Residents::Resident& resident,
                            CUstream stream) {
  if (auto event = of.waitFor(resident, stream)) {
    must(driver().streamWaitEvent(stream, *event, 0), "cuStreamWaitEvent");
  }
}

void Context::copyAcross(std::uint64_t to, std::uint64_t from, std::size_t bytes, Context& of) {
  State& state = *state_;
  const Driver& driver = state.driver();
  if (bytes == 0) return;
  if (&of == this) {
    state.must(driver.memcpyDtoDAsync(to, from, bytes, state.pipeline.compute()),
               "cuMemcpyDtoDAsync");
    return;
  }
  // Behind what the other device has been given, and the other's later work behind the copy, since
  // it may free or overwrite the source.
  auto follow = [&](Context& later, Context& earlier) {
    earlier.makeCurrent();
    auto event = createEvent(driver);
    if (!event) {
      earlier.state_->pipeline.note(event.error());
      earlier.state_->device.raise(event.error(), "");
    }
    earlier.state_->must(
        driver.eventRecord(event.value().get(), earlier.state_->pipeline.compute()),
        "cuEventRecord");
    later.makeCurrent();
    later.state_->must(
        driver.streamWaitEvent(later.state_->pipeline.compute(), event.value().get(), 0),
        "cuStreamWaitEvent");
    earlier.makeCurrent();  // the event is destroyed in its own context
  };
  follow(*this, of);
  makeCurrent();
  state.pipeline.life().reach(of.state_->pipeline.life());
  state.must(driver.memcpyPeerAsync(to, state.pipeline.life().context(), from,
                                    of.state_->pipeline.life().context(), bytes,
                                    state.pipeline.compute()),
             "cuMemcpyPeerAsync");
  follow(of, *this);
  on(0).makeCurrent();
}

}  // namespace alnilam::gpu
