#include "core/engine/invoke.h"

#include "core/api/errors.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <typeinfo>
#include <vector>

namespace alnilam {
namespace {

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

}  // namespace

std::span<std::byte> TaskRun::Sink::room(Bytes size) {
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

void TaskRun::Sink::giveTo(TaskDone& done) {
  done.size = size_;
  done.how = stored_ ? TaskDone::How::stored : TaskDone::How::held;
  done.held = stored_ ? inPlace() : std::move(held_);
}

Blob TaskRun::Sink::inPlace() const {
  std::shared_ptr<void> nobody;  // the node keeps the place
  return Blob::adopt(std::shared_ptr<const std::byte>(nobody, stay_.data()), stay_.size());
}

void TaskRun::Sink::abandon() {
  if (stored_) store_->abandon(task_);
  stored_ = false;
}

TaskDone TaskRun::begun() const {
  TaskDone done;
  done.id = task_.id;
  done.attempt = task_.attempt;
  return done;
}

std::optional<TaskDone> TaskRun::refusal(bool onDevices) {
  if (!invocation_.target) {
    return fail(FailureKind::unknownFunction, "",
                "the program has no task function \"" + invocation_.function +
                    "\"; is ALNILAM_TASK(" + invocation_.function + ") in it?");
  }
  if (invocation_.target->wantsGpu && !onDevices) {
    return fail(FailureKind::badArguments, "",
                invocation_.function + " takes a gpu::Context& but was submitted without .gpus");
  }
  return std::nullopt;
}

void TaskRun::call(gpu::Context* gpu) {
  std::vector<std::span<const std::byte>> inputs;
  inputs.reserve(task_.inputs.size());
  for (const RunInput& input : task_.inputs) inputs.push_back(input.held.bytes());

  TaskCall call;
  call.arguments = task_.arguments.bytes();
  call.inputs = inputs;
  call.gpu = gpu;
  call.result = &sink_;
  invocation_.target->thunk(call);
}

TaskDone TaskRun::succeed() {
  TaskDone done = begun();
  sink_.giveTo(done);
  return done;
}

TaskDone TaskRun::fail(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(std::move(thrown));
  } catch (const std::exception& error) {
    return fail(kindOf(error), demangled(typeid(error).name()), error.what());
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return fail(FailureKind::exception, type ? demangled(type->name()) : "",
                "threw something that is not a std::exception");
  }
}

TaskDone TaskRun::fail(FailureKind kind, std::string type, std::string_view message) {
  Failure failure;
  failure.kind = kind;
  failure.task = task_.id;
  failure.function = invocation_.function;
  failure.node = invocation_.node;
  failure.attempt = task_.attempt;
  failure.type = std::move(type);
  failure.message = cleanMessage(message);
  abandon();
  TaskDone done = begun();
  done.how = TaskDone::How::failed;
  done.failure = std::make_shared<const Failure>(std::move(failure));
  return done;
}

void TaskRun::abandon() { sink_.abandon(); }

TaskDone invoke(const Invocation& invocation, const RunTask& task) {
  TaskRun run(invocation, task);
  if (auto refused = run.refusal(false)) return std::move(*refused);
  try {
    run.call(nullptr);
  } catch (...) {
    return run.fail(std::current_exception());
  }
  return run.succeed();
}

}  // namespace alnilam
