#include "daemons/head/inspector.h"

#include "daemons/process/version.h"
#include "transport/rpc/client_codec.h"

#include <algorithm>

namespace alnilam {
namespace {

constexpr std::uint32_t kMaxTasksListed = 100'000;

class InspectorServer final : public schema::Inspector::Server {
 public:
  explicit InspectorServer(HeadState& state) : state_(state) {}

 protected:
  kj::Promise<void> status(StatusContext context) override {
    rpc::Status status;
    status.version = kVersion;
    status.epoch = state_.epoch;
    status.up = Duration((state_.timer.now() - state_.started) / kj::NANOSECONDS);
    for (const head::NodeView& node : brain().nodes()) status.nodesAlive += node.alive;
    for (const head::JobView& job : brain().jobs()) {
      status.jobsOpen += job.open;
      status.tasksPending += job.waiting + job.ready + job.assigned;
    }
    status.tasksFinished = state_.tasksFinished;
    status.staleReports = brain().staleReports();
    status.connections = state_.connections;
    if (state_.refusedConnections) status.connectionsRefused = state_.refusedConnections();
    rpc::write(status, context.getResults().initStatus());
    return kj::READY_NOW;
  }

  kj::Promise<void> nodes(NodesContext context) override {
    std::vector<head::NodeView> views = brain().nodes();
    auto list = context.getResults().initNodes(static_cast<unsigned>(views.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      rpc::NodeRow row;
      row.view = std::move(views[i]);
      auto told = state_.told.find(row.view.node);
      if (told != state_.told.end()) {
        row.address = told->second.address;
        row.lanes = told->second.lanes;
        row.storeBytes = told->second.storeBytes;
        row.storeUsed = told->second.storeUsed;
        row.deviceMemory = told->second.deviceMemory;
      }
      rpc::write(row, list[i]);
    }
    return kj::READY_NOW;
  }

  kj::Promise<void> jobs(JobsContext context) override {
    std::vector<head::JobView> views = brain().jobs();
    auto list = context.getResults().initJobs(static_cast<unsigned>(views.size()));
    for (unsigned i = 0; i < list.size(); ++i) rpc::write(views[i], list[i]);
    return kj::READY_NOW;
  }

  kj::Promise<void> tasks(TasksContext context) override {
    auto params = context.getParams();
    std::vector<head::TaskView> views =
        brain().tasks({params.getJob()}, std::min(params.getLimit(), kMaxTasksListed));
    auto list = context.getResults().initTasks(static_cast<unsigned>(views.size()));
    for (unsigned i = 0; i < list.size(); ++i) rpc::write(views[i], list[i]);
    return kj::READY_NOW;
  }

  kj::Promise<void> explain(ExplainContext context) override {
    context.getResults().setText(brain().explain({context.getParams().getTask()}));
    return kj::READY_NOW;
  }

  kj::Promise<void> cancel(CancelContext context) override {
    TaskId task{context.getParams().getTask()};
    if (task) state_.driver.feed(head::Cancel{task.job(), {task}});
    return kj::READY_NOW;
  }

  kj::Promise<void> restoreDevices(RestoreDevicesContext context) override {
    NodeId node{context.getParams().getNode()};
    if (state_.driver.find(node)) {
      state_.driver.feed(head::RestoreDevices{node});
    } else {
      rpc::write(Refusal{RefusalCode::unknown,
                         "node " + std::to_string(node.value) + " is not there"},
                 context.getResults().initRefusal());
    }
    return kj::READY_NOW;
  }

 private:
  const head::HeadBrain& brain() const { return state_.driver.brain(); }

  HeadState& state_;
};

}  // namespace

schema::Inspector::Client makeInspector(HeadState& state) {
  return kj::heap<InspectorServer>(state);
}

}  // namespace alnilam
