#include "core/api/fake_backend.h"

#include "core/api/errors.h"
#include "core/api/registry.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace alnilam {

namespace {

class Sink final : public ResultSink {
 public:
  std::span<std::byte> room(Bytes size) override {
    blob_ = Blob::adopt(std::shared_ptr<const std::byte>(allocate(size), Free{}), size);
    return {const_cast<std::byte*>(blob_.bytes().data()), size};
  }
  Blob take() { return std::move(blob_); }

 private:
  static constexpr std::align_val_t kAlign{64};
  struct Free {
    void operator()(const std::byte* block) const {
      ::operator delete[](const_cast<std::byte*>(block), kAlign);
    }
  };
  static std::byte* allocate(Bytes size) {
    return new (kAlign) std::byte[std::max<Bytes>(size, 1)];
  }

  Blob blob_;
};

Value failure(FailureKind kind, TaskId task, const TaskClass& of, std::string message) {
  auto made = std::make_shared<Failure>();
  made->kind = kind;
  made->task = task;
  made->function = of.function;
  made->attempt = Attempt{1};
  made->message = cleanMessage(message);
  return Value::failed(std::move(made));
}

}  // namespace

std::optional<Refusal> FakeBackend::refusal() {
  if (refuse_.empty()) return std::nullopt;
  Refusal next = std::move(refuse_.front());
  refuse_.pop_front();
  return next;
}

Result<ClassIndex> FakeBackend::classFor(const TaskClass& wanted) {
  if (auto no = refusal()) return *no;
  ++lookups_;
  auto found = std::find(classes_.begin(), classes_.end(), wanted);
  if (found == classes_.end()) found = classes_.insert(classes_.end(), wanted);
  return static_cast<ClassIndex>(found - classes_.begin());
}

Result<TaskId> FakeBackend::submit(ClassIndex taskClass, Blob arguments,
                                   std::vector<ObjectId> inputs) {
  if (auto no = refusal()) return *no;
  TaskId id = draw();
  objects_[id].references = 1;
  for (ObjectId input : inputs) retain(input);
  submitted_.push_back({id, taskClass, std::move(arguments), std::move(inputs)});
  waiting_.push_back(submitted_.size() - 1);
  if (!held_) runHeld();
  return id;
}

void FakeBackend::runHeld() {
  for (std::size_t index : std::exchange(waiting_, {})) run(Submitted(submitted_[index]));
}

void FakeBackend::run(const Submitted& task) {
  Value value = outcome(task);
  if (auto place = objects_.find(task.id); place != objects_.end()) {
    if (place->second.value.state == Value::State::pending) place->second.value = std::move(value);
  }
  for (ObjectId input : task.inputs) release(input);
}

Value FakeBackend::outcome(const Submitted& task) {
  const TaskClass& of = classes_[task.taskClass];
  const TaskFunction* function = nullptr;  // of several variants, the first that needs no device
  for (std::size_t way = 0; way < of.ways() && !function; ++way) {
    const TaskFunction* one = findTask(of.functionOf(way));
    if (one != nullptr && !(of.hasVariants() && one->wantsGpu)) function = one;
  }
  if (function == nullptr) {
    return failure(FailureKind::unknownFunction, task.id, of, "no such function");
  }
  std::vector<std::span<const std::byte>> inputs;
  for (ObjectId input : task.inputs) {
    const Value& value = objects_.at(input).value;
    if (value.state == Value::State::failed) {
      auto passedOn = std::make_shared<Failure>(*value.failure);
      passedOn->chain.push_back(of.function);
      return Value::failed(std::move(passedOn));
    }
    inputs.push_back(value.held.bytes());
  }
  Sink sink;
  TaskCall call{task.arguments.bytes(), inputs, nullptr, &sink};
  try {
    function->thunk(call);
  } catch (const BadArgumentsError& error) {
    return failure(FailureKind::badArguments, task.id, of, error.what());
  } catch (const std::exception& error) {
    return failure(FailureKind::exception, task.id, of, error.what());
  }
  return Value::of(sink.take());
}

Result<ObjectId> FakeBackend::put(Bytes size,
                                  const std::function<void(std::span<std::byte>)>& fill) {
  if (auto no = refusal()) return *no;
  ObjectId id = draw();
  Sink sink;
  fill(sink.room(size));
  objects_[id] = {Value::of(sink.take()), 1};
  return id;
}

Result<Value> FakeBackend::get(ObjectId object, std::optional<Duration>) {
  if (auto no = refusal()) return *no;
  return objects_.at(object).value;
}

Result<std::vector<bool>> FakeBackend::wait(std::span<const ObjectId> objects, std::size_t,
                                            std::optional<Duration>) {
  if (auto no = refusal()) return *no;
  std::vector<bool> done;
  for (ObjectId object : objects) {
    done.push_back(objects_.at(object).value.state != Value::State::pending);
  }
  return done;
}

void FakeBackend::want(std::span<const ObjectId> objects) {
  wanted_.insert(wanted_.end(), objects.begin(), objects.end());
}

Result<std::vector<UsageRow>> FakeBackend::usage() {
  if (auto no = refusal()) return *no;
  UsageRow row;
  row.device = "cpu";
  row.tasks = submitted_.size() - waiting_.size();
  return std::vector<UsageRow>{row};
}

Result<std::string> FakeBackend::explain(TaskId task) {
  if (auto no = refusal()) return *no;
  auto of = std::find_if(submitted_.begin(), submitted_.end(),
                         [&](const Submitted& one) { return one.id == task; });
  if (of == submitted_.end()) return show(task) + ": was never submitted";
  return show(task) + " (" + classes_[of->taskClass].function + ")";
}

void FakeBackend::cancel(TaskId task) {
  Value& value = objects_.at(task).value;
  if (value.state != Value::State::pending) return;
  auto of = std::find_if(submitted_.begin(), submitted_.end(),
                         [&](const Submitted& one) { return one.id == task; });
  value = failure(FailureKind::cancelled, task, classes_[of->taskClass], "");
}

void FakeBackend::retain(ObjectId object) { ++objects_.at(object).references; }

void FakeBackend::release(ObjectId object) {
  auto place = objects_.find(object);
  ALNILAM_ASSERT(place != objects_.end() && place->second.references > 0);
  if (--place->second.references == 0) objects_.erase(place);
}

}  // namespace alnilam
