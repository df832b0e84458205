#include "gpu/device/completions.h"

#include <sys/prctl.h>

#include <utility>

namespace alnilam::gpu {

void Completions::stop() {
  {
    std::lock_guard lock(mutex_);
    leaving_ = true;
    woken_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Completions::hostFunction(void* ticket) {
  auto* passed = static_cast<Ticket*>(ticket);
  passed->queue->push({passed, Clock::now()});
}

void Completions::push(Passed passed) {
  std::lock_guard lock(mutex_);
  queue_.push_back(passed);
  if (queue_.size() == 1 && !gathering_) woken_.notify_one();
}

void Completions::wake() {
  std::lock_guard lock(mutex_);
  start();
  called_ = true;
  woken_.notify_one();
}

void Completions::watch() {
  if (next_.load() == Next::soon) return;
  std::lock_guard lock(mutex_);
  start();
  next_.store(Next::soon);
  woken_.notify_one();
}

void Completions::start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void Completions::run() {
  prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);  // nanoseconds; the usual is more than kGather
  std::vector<Passed> batch;
  std::unique_lock lock(mutex_);
  auto due = [this] { return !queue_.empty() || called_ || leaving_; };
  while (true) {
    bool look = false;
    switch (next_.load()) {
      case Next::never:
        woken_.wait(lock, [&] { return due() || next_.load() != Next::never; });
        break;
      case Next::later:
        look = !woken_.wait_for(lock, kLater,
                                [&] { return due() || next_.load() == Next::soon; });
        look = look && next_.load() == Next::later;
        break;
      case Next::soon:
        look = !woken_.wait_for(lock, kLook, due);
        break;
    }
    // Who begins something after this sets it again.
    if (look) next_.store(Next::never);
    bool last = leaving_;
    called_ = false;
    batch.swap(queue_);
    lock.unlock();
    if (look) {
      Next wanted = look_(), none = Next::never;
      next_.compare_exchange_strong(none, wanted);
    }
    std::size_t underWay = settle_(batch);
    batch.clear();
    lock.lock();
    if (last) return;
    gathering_ = underWay >= kMany;
    if (gathering_) woken_.wait_for(lock, kGather, [this] { return called_ || leaving_; });
    gathering_ = false;
  }
}

}  // namespace alnilam::gpu
