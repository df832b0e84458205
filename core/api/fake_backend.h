#pragma once
// A Backend for tests: runs each task at once, in the thread that submits it.
//
// It holds what a real one holds (values, references, classes) and shows it, so that tests of the
// API can see releases and inputs.  `hold` keeps tasks from running, to see what waits for them.
// A task runs when it is submitted and its inputs are there; one whose input failed fails alike.
//
// Nothing times out by itself here: where a real backend would wait for a held task, this one
// answers as if the timeout had passed.
//
// Threading: one thread.
// Errors: what a task throws becomes its Failure, as the real runner does it.

#include "core/api/backend.h"

#include <cstddef>
#include <deque>
#include <map>
#include <span>
#include <vector>

namespace alnilam {

class FakeBackend final : public Backend {
 public:
  struct Object {
    Value value;
    int references = 0;
  };
  struct Submitted {
    TaskId id;
    ClassIndex taskClass = 0;
    Blob arguments;
    std::vector<ObjectId> inputs;
  };

  // While `held`, tasks are kept; runHeld runs them in the order of submission.
  void hold(bool held) { held_ = held; }
  void runHeld();

  // The next classFor, submit, put, get or wait is refused with this.
  void refuseNext(Refusal refusal) { refuse_.push_back(std::move(refusal)); }

  const std::map<ObjectId, Object>& objects() const { return objects_; }
  const std::vector<TaskClass>& classes() const { return classes_; }
  const std::vector<Submitted>& submitted() const { return submitted_; }  // all, in order
  const std::vector<ObjectId>& wanted() const { return wanted_; }
  int classLookups() const { return lookups_; }

  Result<ClassIndex> classFor(const TaskClass& wanted) override;
  Result<TaskId> submit(ClassIndex taskClass, Blob arguments,
                        std::vector<ObjectId> inputs) override;
  Result<ObjectId> put(Bytes size,
                       const std::function<void(std::span<std::byte>)>& fill) override;
  Result<Value> get(ObjectId object, std::optional<Duration> timeout) override;
  Result<std::vector<bool>> wait(std::span<const ObjectId> objects, std::size_t count,
                                 std::optional<Duration> timeout) override;
  void want(std::span<const ObjectId> objects) override;
  Result<std::vector<UsageRow>> usage() override;  // one row: the tasks that it ran
  Result<std::string> explain(TaskId task) override;  // its id and function
  void cancel(TaskId task) override;
  void retain(ObjectId object) override;
  void release(ObjectId object) override;

 private:
  void run(const Submitted& task);
  Value outcome(const Submitted& task);
  std::optional<Refusal> refusal();
  ObjectId draw() { return ObjectId::make(JobId{1}, ++drawn_); }

  std::map<ObjectId, Object> objects_;
  std::vector<TaskClass> classes_;
  std::vector<Submitted> submitted_;
  std::vector<std::size_t> waiting_;  // indices into submitted_
  std::vector<ObjectId> wanted_;
  std::deque<Refusal> refuse_;
  std::uint32_t drawn_ = 0;
  int lookups_ = 0;
  bool held_ = false;
};

}  // namespace alnilam
