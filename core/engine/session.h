#pragma once
// A program's side of its job: what it has submitted, what it waits for, what it knows.
//
// Both wirings use the same Session.  User threads call the Backend methods; they write into one
// outgoing batch and return.  One link (a control thread, an event loop) takes the batch when it is
// woken, carries it to the head, and brings back what the head tells.  So a program that submits
// faster than the link carries makes bigger batches, not more wake-ups.
//
//   user threads --submit--> [outgoing batch] --take--> link ... head
//   user threads <--get----- [object table]   <--told-- link ... head
//
// Flow control: `submit` blocks while more than kMaxUnsent tasks wait to be taken.
//
// Threading: Backend methods from any thread; take/told/lost from the link's one thread.  One mutex
//   guards all; nothing is called out of it.
// Lifetime: the link must outlive the session's last call to it (`close` ends that).

#include "core/api/backend.h"
#include "core/engine/chunked_table.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace alnilam {

// What a program tells the head, carried out in the order of the members.
struct ClientBatch {
  std::vector<TaskClass> classes;  // appended to the job's table
  std::vector<std::pair<ObjectId, Value>> puts;
  std::vector<TaskSpec> tasks;
  std::vector<ObjectId> wants;
  std::vector<ObjectId> releases;
  std::vector<TaskId> cancels;

  bool empty() const {
    return classes.empty() && puts.empty() && tasks.empty() && wants.empty() &&
           releases.empty() && cancels.empty();
  }
};

// How a session reaches the rest of its wiring.
class SessionLink {
 public:
  virtual ~SessionLink() = default;

  // There is a batch to take.  Called once until it is taken; from any thread; must not block.
  virtual void wake() = 0;

  // Brings the bytes of a stored object here.  Called by user threads; may block.
  virtual Result<Blob> fetch(ObjectId object, const Value& stored,
                             std::optional<Duration> timeout) = 0;

  // Writes a large value into a store; the Value says where it lies.  Called by user threads.
  virtual Result<Value> store(ObjectId object, Bytes size,
                              const std::function<void(std::span<std::byte>)>& fill) = 0;

  virtual Result<std::vector<UsageRow>> usage() = 0;
  virtual Result<std::string> explain(TaskId task) = 0;
};

class Session final : public Backend {
 public:
  // Values of `put` larger than `inlineLimit` go through SessionLink::store.
  Session(JobId job, Bytes inlineLimit, SessionLink& link);

  // Backend, for user threads.
  Result<ClassIndex> classFor(const TaskClass& wanted) override;
  Result<TaskId> submit(ClassIndex taskClass, Blob arguments,
                        std::vector<ObjectId> inputs) override;
  Result<ObjectId> put(Bytes size,
                       const std::function<void(std::span<std::byte>)>& fill) override;
  Result<Value> get(ObjectId object, std::optional<Duration> timeout) override;
  Result<std::vector<bool>> wait(std::span<const ObjectId> objects, std::size_t count,
                                 std::optional<Duration> timeout) override;
  void want(std::span<const ObjectId> objects) override;
  void cancel(TaskId task) override;
  void retain(ObjectId object) override;
  void release(ObjectId object) override;
  Result<std::vector<UsageRow>> usage() override { return link_.usage(); }
  Result<std::string> explain(TaskId task) override;

  // For the link.

  // Moves out what has gathered since the last take; false if there is nothing.  After false the
  // next change wakes the link.
  bool take(ClientBatch& batch);

  // Takes over what the head told; wakes who waits for it.
  void told(std::vector<std::pair<ObjectId, Value>>& objects);

  // The head is gone for good: whoever waits now or later gets `why`.
  void lost(Refusal why);

  static constexpr std::size_t kMaxUnsent = 1 << 18;

 private:
  struct Entry {
    std::uint32_t refs = 1;
    bool wanted = false;   // the head was asked to tell
    bool awaited = false;  // a thread sleeps for it
    Value value;
  };

  std::optional<Value> peek(ObjectId object);  // what needs neither a wait nor a fetch
  Result<Value> await(ObjectId object, std::chrono::steady_clock::time_point deadline);
  void forget(ObjectId object);  // where it is stored

  // All with mutex_ held.
  void wakeLink();
  void ask(ObjectId object, Entry& entry);
  Entry* find(ObjectId object);
  bool isReady(ObjectId object);

  const JobId job_;
  const Bytes inlineLimit_;
  SessionLink& link_;

  std::mutex mutex_;
  std::condition_variable ready_;    // an awaited object is ready, or the head is lost
  std::condition_variable drained_;  // the outgoing batch was taken
  ClientBatch outgoing_;
  bool awake_ = false;  // the link knows that there is something to take
  std::uint32_t nextIndex_ = 1;
  ChunkedTable<Entry> objects_;
  std::vector<TaskClass> classes_;
  std::map<std::string, std::vector<ClassIndex>> classesOf_;  // by function
  ClassIndex lastClass_ = 0;
  std::optional<Refusal> lost_;
};

}  // namespace alnilam
