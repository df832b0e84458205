#include "core/engine/outbox.h"

namespace alnilam {

Collector::~Collector() {
  {
    std::lock_guard lock(mutex_);
    leaving_ = true;
    woken_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Collector::wake() {
  std::lock_guard lock(mutex_);
  if (leaving_ || isDue_.exchange(true)) return;
  if (thread_.joinable()) woken_.notify_one();
  else thread_ = std::thread([this] { live(); });
}

void Collector::live() {
  if (onThread_) onThread_();
  std::unique_lock lock(mutex_);
  while (true) {
    woken_.wait(lock, [&] { return isDue_ || leaving_; });
    woken_.wait_for(lock, kRound, [&] { return leaving_; });
    if (leaving_) return;
    isDue_ = false;  // what is put from here on is for the next round
    lock.unlock();
    round_();
    lock.lock();
  }
}

}  // namespace alnilam
