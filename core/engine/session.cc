#include "core/engine/session.h"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace alnilam {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFetchTries = 5;

// A deadline that cannot overflow; a century stands for "never".
Clock::time_point deadlineAfter(std::optional<Duration> timeout) {
  constexpr Duration kNever = std::chrono::hours(24 * 365 * 100);
  return Clock::now() + std::clamp(timeout.value_or(kNever), Duration{0}, kNever);
}

}  // namespace

Session::Session(JobId job, Bytes inlineLimit, SessionLink& link)
    : job_(job), inlineLimit_(inlineLimit), link_(link) {}

Result<ClassIndex> Session::classFor(const TaskClass& wanted) {
  std::lock_guard lock(mutex_);
  if (lastClass_ < classes_.size() && classes_[lastClass_] == wanted) return lastClass_;
  std::vector<ClassIndex>& same = classesOf_[wanted.function];
  for (ClassIndex index : same) {
    if (classes_[index] == wanted) return lastClass_ = index;
  }
  if (wanted.priority < -TaskClass::kMaxPriority || wanted.priority > TaskClass::kMaxPriority) {
    return Refusal{RefusalCode::invalid, "priority " + std::to_string(wanted.priority) +
                                             " is not between -1000 and 1000"};
  }
  if (wanted.retries > TaskClass::kMaxRetries) {
    return Refusal{RefusalCode::invalid,
                   "retries " + std::to_string(wanted.retries) + " is more than 100"};
  }
  if (classes_.size() == kMaxClasses) {
    return Refusal{RefusalCode::overloaded,
                   "a job has at most 65536 different kinds of tasks (function and options)"};
  }
  lastClass_ = static_cast<ClassIndex>(classes_.size());
  same.push_back(lastClass_);
  classes_.push_back(wanted);
  outgoing_.classes.push_back(wanted);
  return lastClass_;
}

Result<TaskId> Session::submit(ClassIndex taskClass, Blob arguments,
                               std::vector<ObjectId> inputs) {
  std::unique_lock lock(mutex_);
  drained_.wait(lock, [&] { return outgoing_.tasks.size() < kMaxUnsent || lost_; });
  if (lost_) return *lost_;
  if (nextIndex_ >= kMaxTasks) {
    return Refusal{RefusalCode::overloaded, "a job has at most 4294967280 tasks and values"};
  }
  TaskId id = ObjectId::make(job_, nextIndex_++);
  objects_.make(id.index());
  outgoing_.tasks.push_back({id, taskClass, std::move(arguments), std::move(inputs)});
  wakeLink();
  return id;
}

Result<ObjectId> Session::put(Bytes size,
                              const std::function<void(std::span<std::byte>)>& fill) {
  ObjectId id;
  {
    std::lock_guard lock(mutex_);
    if (lost_) return *lost_;
    if (nextIndex_ >= kMaxTasks) {
      return Refusal{RefusalCode::overloaded, "a job has at most 4294967280 tasks and values"};
    }
    id = ObjectId::make(job_, nextIndex_++);
  }
  Value value;
  if (size <= inlineLimit_) {
    value = Value::of(Blob::fill(size, fill));
  } else {
    Result<Value> stored = link_.store(id, size, fill);
    if (!stored) return stored.error();
    value = std::move(stored).value();
  }
  std::lock_guard lock(mutex_);
  objects_.make(id.index()).value = value;
  outgoing_.puts.emplace_back(id, std::move(value));
  wakeLink();
  return id;
}

Result<Value> Session::get(ObjectId object, std::optional<Duration> timeout) {
  if (std::optional<Value> here = peek(object)) return *std::move(here);
  Clock::time_point deadline = deadlineAfter(timeout);
  for (int tries = 1;; ++tries) {
    Result<Value> known = await(object, deadline);
    if (!known || known.value().state != Value::State::stored) return known;

    auto left = std::max(Duration{0}, Duration(deadline - Clock::now()));
    Result<Blob> bytes =
        link_.fetch(object, known.value(), timeout ? std::optional(left) : std::nullopt);
    if (bytes) return Value::of(std::move(bytes).value());
    if (timeout && Clock::now() >= deadline) return Value{};  // they did not come in time
    if (bytes.error().code != RefusalCode::unavailable || tries == kFetchTries) {
      return bytes.error();
    }
    forget(object);  // its holder is gone: the head knows of another, or has it made again
  }
}

std::optional<Value> Session::peek(ObjectId object) {
  std::lock_guard lock(mutex_);
  Entry* entry = find(object);
  if (!entry || entry->value.state == Value::State::pending ||
      entry->value.state == Value::State::stored) {
    return std::nullopt;
  }
  return entry->value;
}

Result<Value> Session::await(ObjectId object, Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  Entry* entry = find(object);
  if (!entry) {
    return Refusal{RefusalCode::unknown, "no object " + show(object) + " in this program"};
  }
  if (entry->value.state == Value::State::pending) {
    ask(object, *entry);
    entry->awaited = true;
    ready_.wait_until(lock, deadline, [&] { return lost_ || isReady(object); });
    entry = find(object);
    if (!entry || entry->value.state == Value::State::pending) {
      if (lost_) return *lost_;
      return Value{};
    }
  }
  return entry->value;
}

void Session::forget(ObjectId object) {
  std::lock_guard lock(mutex_);
  Entry* entry = find(object);
  if (!entry || entry->value.state != Value::State::stored) return;
  entry->value = {};
  entry->wanted = false;
}

Result<std::vector<bool>> Session::wait(std::span<const ObjectId> objects, std::size_t count,
                                        std::optional<Duration> timeout) {
  Clock::time_point deadline = deadlineAfter(timeout);
  count = std::min(count, objects.size());
  std::unique_lock lock(mutex_);
  for (ObjectId object : objects) {
    Entry* entry = find(object);
    if (!entry) {
      return Refusal{RefusalCode::unknown, "no object " + show(object) + " in this program"};
    }
    if (entry->value.state == Value::State::pending) {
      ask(object, *entry);
      entry->awaited = true;
    }
  }
  std::vector<bool> ready(objects.size());
  std::vector<std::size_t> missing(objects.size());
  std::iota(missing.begin(), missing.end(), std::size_t{0});
  auto look = [&] {
    std::erase_if(missing, [&](std::size_t i) { return ready[i] = isReady(objects[i]); });
    return objects.size() - missing.size() >= count || lost_;
  };
  ready_.wait_until(lock, deadline, look);
  if (objects.size() - missing.size() < count && lost_) return *lost_;
  return ready;
}

void Session::want(std::span<const ObjectId> objects) {
  std::lock_guard lock(mutex_);
  for (ObjectId object : objects) {
    Entry* entry = find(object);
    if (entry && entry->value.state == Value::State::pending) ask(object, *entry);
  }
}

Result<std::string> Session::explain(TaskId task) {
  {
    std::unique_lock lock(mutex_);  // the head shall have heard of the task
    if (!outgoing_.empty()) wakeLink();
    drained_.wait(lock, [&] { return outgoing_.empty() || lost_; });
    if (lost_) return *lost_;
  }
  return link_.explain(task);
}

void Session::cancel(TaskId task) {
  std::lock_guard lock(mutex_);
  outgoing_.cancels.push_back(task);
  wakeLink();
}

void Session::retain(ObjectId object) {
  std::lock_guard lock(mutex_);
  if (Entry* entry = find(object)) ++entry->refs;
}

void Session::release(ObjectId object) {
  std::lock_guard lock(mutex_);
  Entry* entry = find(object);
  if (!entry || --entry->refs > 0) return;
  objects_.erase(object.index());
  outgoing_.releases.push_back(object);
  wakeLink();
}

bool Session::take(ClientBatch& batch) {
  std::lock_guard lock(mutex_);
  if (outgoing_.empty()) {
    awake_ = false;
    return false;
  }
  std::size_t tasks = outgoing_.tasks.size();
  batch = std::exchange(outgoing_, {});
  outgoing_.tasks.reserve(tasks);  // who submits in a loop goes on as before
  drained_.notify_all();
  return true;
}

void Session::told(std::vector<std::pair<ObjectId, Value>>& objects) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    for (auto& [object, value] : objects) {
      Entry* entry = find(object);
      if (!entry || entry->value.state != Value::State::pending) continue;
      wake |= std::exchange(entry->awaited, false);
      entry->value = std::move(value);
    }
  }
  if (wake) ready_.notify_all();
}

void Session::lost(Refusal why) {
  std::lock_guard lock(mutex_);
  if (!lost_) lost_ = std::move(why);
  ready_.notify_all();
  drained_.notify_all();
}

void Session::wakeLink() {
  if (awake_) return;
  awake_ = true;
  link_.wake();
}

void Session::ask(ObjectId object, Entry& entry) {
  if (std::exchange(entry.wanted, true)) return;
  outgoing_.wants.push_back(object);
  wakeLink();
}

Session::Entry* Session::find(ObjectId object) {
  return object.job() == job_ ? objects_.find(object.index()) : nullptr;
}

bool Session::isReady(ObjectId object) {
  Entry* entry = find(object);
  return !entry || entry->value.state != Value::State::pending;
}

}  // namespace alnilam
