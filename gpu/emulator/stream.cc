#include "gpu/emulator/stream.h"

namespace alnilam::gpu::emulator {

void Ticket::complete(std::chrono::nanoseconds when) {
  std::lock_guard lock(mutex_);
  complete_ = true;
  when_ = when;
  changed_.notify_all();
}

bool Ticket::isComplete() const {
  std::lock_guard lock(mutex_);
  return complete_;
}

std::chrono::nanoseconds Ticket::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return complete_; });
  return when_;
}

std::chrono::nanoseconds Ticket::when() const {
  std::lock_guard lock(mutex_);
  return when_;
}

Stream::~Stream() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool& Stream::inHostFunction() {
  thread_local bool inside = false;
  return inside;
}

void Stream::enqueue(Work work, std::chrono::nanoseconds notBefore, std::uint64_t call) {
  std::lock_guard lock(mutex_);
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { this->work(); });
  }
  queue_.push_back({std::move(work), notBefore, call});
  if (queue_.size() == 1) wake_.notify_one();
}

std::shared_ptr<Ticket> Stream::mark() {
  auto ticket = std::make_shared<Ticket>();
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty() && !busy_) {
      ticket->complete(now_);
      return ticket;
    }
  }
  enqueue([this, ticket] { ticket->complete(now_); });
  return ticket;
}

bool Stream::isIdle() const {
  std::lock_guard lock(mutex_);
  return queue_.empty() && !busy_;
}

std::optional<std::chrono::nanoseconds> Stream::idleAt() const {
  std::lock_guard lock(mutex_);
  if (queue_.empty() && !busy_) return now_;
  return std::nullopt;
}

void Stream::wait() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

void Stream::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return !queue_.empty() || closing_; });
    if (queue_.empty()) return;
    std::deque<Item> batch;
    batch.swap(queue_);
    busy_ = true;
    lock.unlock();
    for (Item& next : batch) {
      advanceTo(next.notBefore);
      call_ = next.call;
      next.work();
    }
    batch.clear();
    lock.lock();
    busy_ = false;
    if (queue_.empty()) idle_.notify_all();
  }
}

}  // namespace alnilam::gpu::emulator
