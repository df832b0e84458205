#include "gpu/device/pipeline.h"

#include <algorithm>

namespace alnilam::gpu {

int streamPriority(Amount share, int least, int greatest) {
  double part = std::clamp(share.asDouble(), 0.0, 1.0);
  return least + static_cast<int>(part * (greatest - least));
}

Pipeline::~Pipeline() { device_.detach(*this); }

void Pipeline::enter(Passage& passage) { device_.enter(*this, passage); }

void Pipeline::withdraw(Passage& passage) { device_.withdraw(*this, passage); }

CUevent Pipeline::turnToTail(Passage& passage) {
  const Driver& driver = device_.driver();
  CUevent behind = passage.behind_.get();
  auto failed = check(driver.eventRecord(behind, compute_.get()), "cuEventRecord");
  if (!failed) {
    failed = check(driver.streamWaitEvent(tail_.get(), behind, 0), "cuStreamWaitEvent");
  }
  if (!failed) return behind;
  note(*failed);
  // A driver that has no room for it: the order is kept all the same.
  if (auto late = check(driver.streamSynchronize(compute_.get()), "cuStreamSynchronize")) {
    note(*late);
  }
  return behind;
}

CUstream Pipeline::intake() {
  if (!intake_) device_.openIntake(*this);
  return intake_.get();
}

void Pipeline::joinIntake() {
  const Driver& driver = device_.driver();
  auto failed = check(driver.eventRecord(arrived_.get(), intake_.get()), "cuEventRecord");
  if (!failed) {
    failed = check(driver.streamWaitEvent(compute_.get(), arrived_.get(), 0), "cuStreamWaitEvent");
  }
  if (!failed) return;
  note(*failed);
  // A driver that has no room for it: the order is kept all the same.
  if (auto late = check(driver.streamSynchronize(intake_.get()), "cuStreamSynchronize")) {
    note(*late);
  }
}

void Pipeline::send(Passage& passage) {
  Completions::Ticket* ticket = device_.handOver(*this, passage);
  if (!ticket) return;
  const Driver& driver = device_.driver();
  auto failed = check(driver.launchHostFunc(tail_.get(), &Completions::hostFunction, ticket),
                      "cuLaunchHostFunc");
  if (failed) {
    note(*failed);
    auto late = check(driver.streamSynchronize(tail_.get()), "cuStreamSynchronize");
    if (late) note(*late);
    else Completions::hostFunction(ticket);
  }
  device_.handedOver(*this);
}

void Pipeline::left() { device_.left(*this); }

void Pipeline::drain() { device_.drain(*this); }

const LoadedKernel* Pipeline::kernel(const Launch& launch, LaunchFault& fault) {
  for (const LoadedKernel* known : kernels_) {
    if (known->is(launch)) return known;
  }
  const LoadedKernel* found = life_->kernels().find(launch, fault);
  if (found) kernels_.push_back(found);
  return found;
}

void Pipeline::note(const DriverError& error) {
  Severity severity = error.severity();
  if (life_ && (severity == Severity::context || severity == Severity::device)) {
    device_.condemn(*life_, error);
  }
}

}  // namespace alnilam::gpu
