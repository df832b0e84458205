#include "transport/rpc/wakeup.h"

#include <kj/debug.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace alnilam::rpc {
namespace {

kj::AutoCloseFd newEventFd() {
  int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) KJ_FAIL_SYSCALL("eventfd", errno);
  return kj::AutoCloseFd(fd);
}

}  // namespace

Wakeup::Wakeup(kj::UnixEventPort& port, kj::Function<void()> ring)
    : fd_(newEventFd()),
      ring_(kj::mv(ring)),
      observer_(port, fd_, kj::UnixEventPort::FdObserver::OBSERVE_READ),
      loop_(loop().eagerlyEvaluate(
          [](kj::Exception&& cause) { KJ_LOG(FATAL, "the loop's wake-up is gone", cause); })) {}

void Wakeup::wake() noexcept {
  if (rung_.exchange(true, std::memory_order_acq_rel)) return;
  std::uint64_t one = 1;
  // It cannot fail: the counter is reset before it could run over.
  static_cast<void>(!::write(fd_, &one, sizeof one));
}

kj::Promise<void> Wakeup::loop() {
  return observer_.whenBecomesReadable().then([this]() {
    std::uint64_t count = 0;
    static_cast<void>(!::read(fd_, &count, sizeof count));
    // First the flag, then the work: a wake that comes during the work rings again.
    if (rung_.exchange(false, std::memory_order_acq_rel)) ring_();
    return loop();
  });
}

}  // namespace alnilam::rpc
