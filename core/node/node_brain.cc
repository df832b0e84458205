#include "core/node/node_brain.h"

#include "core/node/state.h"

#include <utility>

namespace alnilam::node {
namespace {

template <typename... Fs>
struct Match : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Match(Fs...) -> Match<Fs...>;

}  // namespace

NodeBrain::State::State(Config given) : config(std::move(given)) {
  room = placement::emptyRoom(config.topology, config.total);
  idleRoom = room;
  devices.resize(config.topology.gpus.size());
  for (const Gpu& gpu : config.topology.gpus) {
    if (deviceModels.find(gpu.label()) == std::string::npos) deviceModels += gpu.label() + " ";
  }
}

NodeBrain::NodeBrain(Config config) : state_(std::make_unique<State>(std::move(config))) {}
NodeBrain::~NodeBrain() = default;
NodeBrain::NodeBrain(NodeBrain&&) noexcept = default;

void NodeBrain::step(Instant now, Input input) {
  State& s = *state_;
  s.callTime = now;
  std::visit(
      Match{
          [&](FromHead& from) {
            for (auto& job : from.orders.jobs) s.learn(std::move(job));
            for (auto& taskClass : from.orders.classes) s.learn(std::move(taskClass));
            for (auto& assignment : from.orders.assign) s.assign(now, std::move(assignment));
            for (TaskId task : from.orders.cancel) s.cancel(task);
            for (ObjectId object : from.orders.release) s.release(object);
            for (JobId job : from.orders.ended) s.ended(job);
            for (TaskId task : from.orders.giveBack) s.giveBackUnbegun(task);
            if (from.orders.restoreDevices) s.restoreDevices();
          },
          [&](ExecutorUp& up) { s.executorUp(up.executor); },
          [&](ExecutorFailed& failed) { s.executorFailed(now, failed.executor, failed.why); },
          [&](ExecutorGone& gone) { s.executorGone(now, gone); },
          [&](FromExecutor& from) { s.report(from.executor, std::move(from.report)); },
          [&](Pulled& pulled) { s.pulled(pulled.object, pulled.size); },
          [&](PullFailed& failed) { s.pullFailed(failed.object, failed.why); },
          [&](LocalPut& put) { s.localPut(put.object, put.size); },
          [&](Tick&) {},
      },
      input);
}

void NodeBrain::settle(Instant now, std::vector<Output>& out) {
  State& s = *state_;
  s.callTime = now;
  s.giveBackStrays();
  s.decideAll(now);
  if (s.planDue || (s.deadline && now >= *s.deadline)) s.plan(now);
  for (Lane* lane : s.active) s.send(*lane);
  s.follow();
  s.setDeadline(now);

  for (Output& output : s.owed) out.push_back(std::move(output));
  s.owed.clear();
  for (auto& [id, executor] : s.executors) {
    if (!executor.orders.empty()) out.push_back(ToExecutor{id, std::exchange(executor.orders, {})});
  }
  if (!s.owedReport.empty()) out.push_back(ToHead{std::exchange(s.owedReport, {})});
}

std::optional<Instant> NodeBrain::deadline() const { return state_->deadline; }

ResourceSet NodeBrain::inUse() const {
  ResourceSet used = state_->config.total;
  used.subtract(state_->room.free);
  return used;
}

std::size_t NodeBrain::queued() const { return state_->taskIndex.size() - state_->sentTasks; }
std::size_t NodeBrain::sent() const { return state_->sentTasks; }

}  // namespace alnilam::node
