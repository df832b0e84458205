#include "core/head/head_brain.h"

#include "core/head/tables.h"

#include <algorithm>

namespace alnilam::head {

struct HeadBrain::State {
  Tables tables;
};

HeadBrain::HeadBrain(Config config) : state_(new State{Tables(std::move(config))}) {}
HeadBrain::~HeadBrain() = default;
HeadBrain::HeadBrain(HeadBrain&&) noexcept = default;

namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace

void HeadBrain::step(Instant now, Input input, std::vector<Output>& out) {
  Tables& tables = state_->tables;
  tables.now = std::max(tables.now, now);
  std::visit(Overloaded{
                 [&](JobOpened& one) { tables.open(std::move(one), out); },
                 [&](JobClosed& one) { tables.close(one.job); },
                 [&](Submit& one) { tables.submit(std::move(one)); },
                 [&](Put& one) { tables.put(std::move(one)); },
                 [&](Want& one) { tables.want(one); },
                 [&](Release& one) { tables.release(one); },
                 [&](Cancel& one) { tables.cancel(one); },
                 [&](NodeJoined& one) { tables.join(std::move(one), out); },
                 [&](NodeHeard& one) { tables.heard(std::move(one), out); },
                 [&](NodeLeft& one) { tables.left(one, out); },
                 [&](RestoreDevices& one) { tables.restoreDevices(one.node); },
                 [&](Tick&) { tables.tick(out); },
             },
             input);
}

void HeadBrain::place(Instant now, std::vector<Output>& out) {
  Tables& tables = state_->tables;
  tables.now = std::max(tables.now, now);
  tables.schedule();
  tables.flush(out);
}

std::optional<Instant> HeadBrain::deadline() const {
  const Tables& tables = state_->tables;
  Instant next = std::min(tables.nextCheck, tables.holdUntil);
  if (!tables.alarms.empty()) next = std::min(next, std::get<Instant>(*tables.alarms.begin()));
  if (next == Instant::max()) return std::nullopt;
  return next;
}

std::vector<NodeView> HeadBrain::nodes() const { return state_->tables.nodeViews(); }
std::vector<JobView> HeadBrain::jobs() const { return state_->tables.jobViews(); }
std::vector<TaskView> HeadBrain::tasks(JobId job, std::size_t limit) const {
  return state_->tables.taskViews(job, limit);
}
std::string HeadBrain::explain(TaskId task) const { return state_->tables.explain(task); }
const TaskClass* HeadBrain::classOf(JobId job, ClassIndex index) const {
  const Job* open = state_->tables.find(job);
  return open && index < open->classes.size() ? &open->classes[index].definition : nullptr;
}
std::uint64_t HeadBrain::staleReports() const { return state_->tables.stale; }
std::uint64_t HeadBrain::ignored() const { return state_->tables.ignored; }

}  // namespace alnilam::head
