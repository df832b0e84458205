#include "gpu/emulator/stream.h"

namespace alnilam::gpu::emulator {

void Ticket::complete(Moment when) {
  std::lock_guard lock(mutex_);
  complete_ = true;
  when_ = std::move(when);
  changed_.notify_all();
}

bool Ticket::isComplete() const {
  std::lock_guard lock(mutex_);
  return complete_;
}

Moment Ticket::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return complete_; });
  return when_;
}

Moment Ticket::when() const {
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

std::uint64_t& Stream::inHostFunction() {
  thread_local std::uint64_t stream = 0;
  return stream;
}

void Stream::enqueue(Work work, Moment after, std::uint64_t call) {
  std::lock_guard lock(mutex_);
  push({std::move(work), std::move(after), call});
}

void Stream::enqueueOrDo(Work work, Moment after, std::uint64_t call) {
  std::lock_guard lock(mutex_);
  Item item{std::move(work), std::move(after), call};
  if (queue_.empty() && !busy_) carryOut(item);
  else push(std::move(item));
}

void Stream::push(Item item) {
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { this->work(); });
  }
  queue_.push_back(std::move(item));
  if (queue_.size() == 1) wake_.notify_one();
}

void Stream::carryOut(Item& item) {
  advanceTo(item.after);
  call_ = item.call;
  if (item.after.clock) {
    auto clock = std::make_shared<Clock>(*here_.clock);
    clock->raise(id_, ++number_);
    here_.clock = std::move(clock);
  }
  item.work();
}

std::shared_ptr<Ticket> Stream::mark() {
  auto ticket = std::make_shared<Ticket>();
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty() && !busy_) {
      ticket->complete(here_);
      return ticket;
    }
  }
  enqueue([this, ticket] { ticket->complete(here_); });
  return ticket;
}

bool Stream::isIdle() const {
  std::lock_guard lock(mutex_);
  return queue_.empty() && !busy_;
}

std::optional<Moment> Stream::idleAt() const {
  std::lock_guard lock(mutex_);
  if (queue_.empty() && !busy_) return here_;
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
    for (Item& next : batch) carryOut(next);
    batch.clear();
    lock.lock();
    busy_ = false;
    if (queue_.empty()) idle_.notify_all();
  }
}

}  // namespace alnilam::gpu::emulator
