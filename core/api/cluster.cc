#include "core/api/cluster.h"

#include "core/api/registry.h"

#include <algorithm>
#include <string>

namespace alnilam {

namespace {

// The class of a submission, remembered by each thread for the functions and options it used last:
// the backend's table is behind a lock and compares strings.  Direct-mapped; an entry is right only
// for the backend that `owner` still names.
struct CachedClass {
  std::weak_ptr<Backend> owner;  // keeps no connection open, yet is no later one's equal
  const void* function = nullptr;
  Options options;
  ClassIndex index = 0;

  bool isFor(const std::shared_ptr<Backend>& backend, const void* wanted,
             const Options& asked) const {
    return function == wanted && !owner.owner_before(backend) && !backend.owner_before(owner) &&
           options == asked;
  }
};

constexpr std::size_t kCachedClasses = 64;  // a power of two

CachedClass& cachedClass(const void* function, const Options& options) {
  thread_local std::array<CachedClass, kCachedClasses> cache;
  // Multiplication by 2^64 / golden ratio spreads what differs, mostly low bits, to the top.
  std::uint64_t key = reinterpret_cast<std::uintptr_t>(function) ^
                      std::bit_cast<std::uint64_t>(options.gpus) ^
                      (std::bit_cast<std::uint64_t>(options.cpus.value_or(0)) >> 1) ^
                      (options.memory << 3) ^ (options.gpuMemory << 7) ^
                      (static_cast<std::uint64_t>(options.priority) << 17);
  return cache[(key * 0x9e3779b97f4a7c15u) >> 58];
}

[[noreturn]] void throwUnregistered() {
  throw InvalidError(
      "submit: this function is not known as a task: write ALNILAM_TASK(name_of_it); at namespace "
      "scope beside it");
}

TaskClass classFor(const void* function, const Options& options) {
  const TaskFunction* task = findTask(function);
  if (task == nullptr) throwUnregistered();
  TaskClass wanted = taskClass(task->name, options);
  if (task->wantsGpu && wanted.needs.gpus.parts == 0) {
    throw InvalidError("submit: " + task->name +
                       " takes a gpu::Context&: say how much of a GPU it needs, {.gpus = 1}");
  }
  return wanted;
}

constexpr std::size_t padded(std::size_t n) { return (n + 7) & ~std::size_t{7}; }

// Lays the arguments out as core/api/task_call.h says.
class ArgumentWriter {
 public:
  explicit ArgumentWriter(std::span<std::byte> room) : room_(room) {}

  void value(const Argument& argument) {
    std::size_t size = argument.plan.total();
    byte(0);
    word(static_cast<std::uint32_t>(size));
    std::size_t start = padded(at_);
    std::memset(room_.data() + at_, 0, start - at_);
    argument.write(argument.object, argument.plan, room_.subspan(start, size));
    at_ = start + size;
  }
  void input(std::size_t index) {
    byte(1);
    word(static_cast<std::uint32_t>(index));
  }
  void inputs(std::size_t count, std::size_t first) {
    byte(2);
    word(static_cast<std::uint32_t>(count));
    word(static_cast<std::uint32_t>(first));
  }

  static constexpr std::size_t afterValue(std::size_t at, std::size_t size) {
    return padded(at + 5) + size;
  }
  static constexpr std::size_t kInput = 5;
  static constexpr std::size_t kInputs = 9;

 private:
  void byte(std::uint8_t value) { room_[at_++] = std::byte{value}; }
  void word(std::uint32_t value) {
    std::memcpy(room_.data() + at_, &value, sizeof value);
    at_ += sizeof value;
  }

  std::span<std::byte> room_;
  std::size_t at_ = 0;
};

}  // namespace

ObjectId Cluster::checked(const Handle& handle) const {
  if (!handle.id()) throw InvalidError("a Ref that refers to nothing was used");
  if (handle.backend() != backend_.get()) {
    throw InvalidError("the Ref " + show(handle.id()) + " belongs to another cluster");
  }
  return handle.id();
}

ClassIndex Cluster::classOf(Callee callee, const Options& options) const {
  const void* key = callee.function ? callee.function : callee.variants;
  CachedClass& cached = cachedClass(key, options);
  if (cached.isFor(backend_, key, options)) return cached.index;
  Result<ClassIndex> index = backend_->classFor(callee.function
                                                    ? classFor(callee.function, options)
                                                    : taskClass(*callee.variants, options));
  if (!index) throwRefusal(index.error());
  cached = {backend_, key, options, index.value()};
  return cached.index;
}

Handle Cluster::submitUntyped(Callee callee, const Options& options,
                              std::span<const Argument> arguments) const {
  ClassIndex taskClass = classOf(callee, options);
  std::vector<ObjectId> inputs;
  std::vector<Handle> large;  // values put here; kept until the backend holds them itself

  // First pass: what goes inline, and how large that is.
  std::size_t size = 0;
  for (const Argument& argument : arguments) {
    switch (argument.kind) {
      case Argument::Kind::value: {
        std::size_t after = ArgumentWriter::afterValue(size, argument.plan.total());
        if (after <= kInlineLimit) {
          size = after;
        } else {
          large.push_back(putUntyped(argument));
          inputs.push_back(large.back().id());
          size += ArgumentWriter::kInput;
        }
        break;
      }
      case Argument::Kind::ref:
        inputs.push_back(checked(*static_cast<const Handle*>(argument.object)));
        size += ArgumentWriter::kInput;
        break;
      case Argument::Kind::refs:
        if (argument.count > kMaxInputs - std::min(kMaxInputs, inputs.size())) {
          throw InvalidError("submit: " + std::to_string(argument.count) +
                             " inputs are more than one task can have (" +
                             std::to_string(kMaxInputs) + ")");
        }
        inputs.reserve(inputs.size() + argument.count);
        for (std::size_t i = 0; i < argument.count; ++i) {
          inputs.push_back(checked(argument.at(argument.object, i)));
        }
        size += ArgumentWriter::kInputs;
        break;
    }
  }

  // Second pass: the bytes; the same decisions.
  Blob bytes = Blob::fill(size, [&](std::span<std::byte> room) {
    ArgumentWriter writer(room);
    std::size_t at = 0, input = 0;
    for (const Argument& argument : arguments) {
      std::size_t after = ArgumentWriter::afterValue(at, argument.plan.total());
      if (argument.kind == Argument::Kind::value && after <= kInlineLimit) {
        writer.value(argument);
        at = after;
      } else if (argument.kind == Argument::Kind::refs) {
        writer.inputs(argument.count, input);
        input += argument.count;
        at += ArgumentWriter::kInputs;
      } else {
        writer.input(input++);
        at += ArgumentWriter::kInput;
      }
    }
  });

  Result<TaskId> task = backend_->submit(taskClass, std::move(bytes), std::move(inputs));
  if (!task) throwRefusal(task.error());
  return Handle(backend_, task.value());
}

Handle Cluster::putUntyped(const Argument& value) const {
  Result<ObjectId> object =
      backend_->put(value.plan.total(), [&value](std::span<std::byte> room) {
        value.write(value.object, value.plan, room);
      });
  if (!object && object.error().code == RefusalCode::overloaded) {
    throw StoreFullError(object.error().why);
  }
  if (!object) throwRefusal(object.error());
  return Handle(backend_, object.value());
}

Blob Cluster::getUntyped(const Handle& handle, Timeout timeout) const {
  ObjectId object = checked(handle);
  Result<Value> got = backend_->get(object, timeout);
  if (!got) throwRefusal(got.error());
  Value value = std::move(got).value();
  switch (value.state) {
    case Value::State::failed: throwFailure(std::move(value.failure));
    case Value::State::pending:
      throw TimeoutError("get: the value " + show(object) + " was not there in time");
    case Value::State::held:
    case Value::State::stored: break;
  }
  ALNILAM_ASSERT(value.state == Value::State::held);
  return std::move(value.held);
}

void Cluster::awaitAll(const std::vector<ObjectId>& objects, Timeout timeout) const {
  backend_->want(objects);
  if (!timeout) return;
  std::vector<bool> done = waitUntyped(objects, objects.size(), timeout);
  auto missing = std::count(done.begin(), done.end(), false);
  if (missing != 0) {
    throw TimeoutError("get: " + std::to_string(missing) + " of " +
                       std::to_string(objects.size()) + " values were not there in time");
  }
}

std::vector<bool> Cluster::waitUntyped(const std::vector<ObjectId>& objects, std::size_t n,
                                       Timeout timeout) const {
  if (n > objects.size()) {
    throw InvalidError("wait: asked for " + std::to_string(n) + " of " +
                       std::to_string(objects.size()) + " values");
  }
  Result<std::vector<bool>> done = backend_->wait(objects, n, timeout);
  if (!done) throwRefusal(done.error());
  return std::move(done).value();
}

std::vector<UsageRow> Cluster::usage() const {
  Result<std::vector<UsageRow>> rows = backend_->usage();
  if (!rows) throwRefusal(rows.error());
  return std::move(rows).value();
}

std::string Cluster::explainUntyped(const Handle& handle) const {
  Result<std::string> text = backend_->explain(checked(handle));
  if (!text) throwRefusal(text.error());
  return std::move(text).value();
}

void Cluster::cancelUntyped(const Handle& handle) const { backend_->cancel(checked(handle)); }

}  // namespace alnilam
