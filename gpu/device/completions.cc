#include "gpu/device/completions.h"

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
  if (queue_.size() == 1) woken_.notify_one();
}

void Completions::wake() {
  std::lock_guard lock(mutex_);
  start();
  called_ = true;
  woken_.notify_one();
}

void Completions::watch() {
  if (watching_.load()) return;
  std::lock_guard lock(mutex_);
  start();
  watching_.store(true);
  woken_.notify_one();
}

void Completions::start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void Completions::run() {
  std::vector<Passed> batch;
  std::unique_lock lock(mutex_);
  auto due = [this] { return !queue_.empty() || called_ || leaving_; };
  while (true) {
    bool look = false;
    if (!watching_.load()) {
      woken_.wait(lock, [&] { return due() || watching_.load(); });
    } else {
      look = !woken_.wait_for(lock, kLook, due);
    }
    // Who begins something after this sets it again.
    if (look) watching_.store(false);
    bool last = leaving_;
    called_ = false;
    batch.swap(queue_);
    lock.unlock();
    if (look && look_()) watching_.store(true);
    settle_(batch);
    batch.clear();
    lock.lock();
    if (last) return;
  }
}

}  // namespace alnilam::gpu
