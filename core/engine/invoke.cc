#include "core/engine/invoke.h"

#include "core/api/errors.h"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <typeinfo>

namespace alnilam {
namespace {

class Sink final : public ResultSink {
 public:
  Sink(TaskId task, ResultStore* store) : task_(task), store_(store) {}

  std::span<std::byte> room(Bytes size) override {
    ALNILAM_ASSERT(!asked_);
    asked_ = true;
    size_ = size;
    if (store_ && size > kInlineLimit) {
      Result<std::span<std::byte>> place = store_->allocate(task_, size);
      if (!place) throw StoreFullError(place.error().why);
      stored_ = true;
      stay_ = place.value();
      return stay_;
    }
    held_ = Blob::fill(size, [](std::span<std::byte>) {});
    // Only now: the bytes of a small Blob move with it.
    return {const_cast<std::byte*>(held_.bytes().data()), size};
  }

  bool isStored() const { return stored_; }

  void giveTo(TaskDone& done) {
    done.size = size_;
    done.how = stored_ ? TaskDone::How::stored : TaskDone::How::held;
    if (stored_) {
      std::shared_ptr<void> nobody;  // the node keeps the place
      held_ = Blob::adopt(std::shared_ptr<const std::byte>(nobody, stay_.data()), stay_.size());
    }
    done.held = std::move(held_);
  }

 private:
  TaskId task_;
  ResultStore* store_;
  Blob held_;
  std::span<std::byte> stay_;
  Bytes size_ = 0;
  bool asked_ = false;
  bool stored_ = false;
};

std::string demangled(const char* symbol) {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(symbol, nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : symbol;
}

FailureKind kindOf(const std::exception& error) {
  if (dynamic_cast<const BadArgumentsError*>(&error)) return FailureKind::badArguments;
  if (dynamic_cast<const StoreFullError*>(&error)) return FailureKind::storeFull;
  if (dynamic_cast<const OutOfDeviceMemory*>(&error)) return FailureKind::outOfDeviceMemory;
  if (dynamic_cast<const DeviceError*>(&error)) return FailureKind::device;
  return FailureKind::exception;
}

void run(const Invocation& invocation, const RunTask& task, Sink& sink) {
  std::vector<std::span<const std::byte>> inputs;
  inputs.reserve(task.inputs.size());
  for (const RunInput& input : task.inputs) inputs.push_back(input.held.bytes());

  TaskCall call;
  call.arguments = task.arguments.bytes();
  call.inputs = inputs;
  call.result = &sink;
  if (!invocation.devices) return invocation.target->thunk(call);

  // The device's work is over only after finish, which must run whatever the function does.
  call.gpu = &invocation.devices->begin();
  std::exception_ptr thrown;
  try {
    invocation.target->thunk(call);
  } catch (...) {
    thrown = std::current_exception();
  }
  try {
    invocation.devices->finish();
  } catch (...) {
    if (!thrown) throw;
  }
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace

TaskDone invoke(const Invocation& invocation, const RunTask& task) {
  TaskDone done;
  done.id = task.id;
  done.attempt = task.attempt;
  Sink sink(task.id, invocation.store);

  auto fail = [&](FailureKind kind, std::string type, std::string_view message) {
    Failure failure;
    failure.kind = kind;
    failure.task = task.id;
    failure.function = invocation.function;
    failure.node = invocation.node;
    failure.attempt = task.attempt;
    failure.type = std::move(type);
    failure.message = cleanMessage(message);
    if (sink.isStored()) invocation.store->abandon(task.id);
    done.how = TaskDone::How::failed;
    done.failure = std::make_shared<const Failure>(std::move(failure));
  };

  if (!invocation.target) {
    fail(FailureKind::unknownFunction, "",
         "the program has no task function \"" + invocation.function + "\"; is ALNILAM_TASK(" +
             invocation.function + ") in it?");
    return done;
  }
  if (!invocation.noDevices.empty()) {
    fail(FailureKind::device, "", invocation.noDevices);
    return done;
  }
  if (invocation.target->wantsGpu && !invocation.devices) {
    fail(FailureKind::badArguments, "",
         invocation.function + " takes a gpu::Context& but was submitted without .gpus");
    return done;
  }
  try {
    run(invocation, task, sink);
    sink.giveTo(done);
  } catch (const std::exception& error) {
    fail(kindOf(error), demangled(typeid(error).name()), error.what());
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    fail(FailureKind::exception, type ? demangled(type->name()) : "",
         "threw something that is not a std::exception");
  }
  return done;
}

}  // namespace alnilam
