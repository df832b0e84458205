#include "daemons/head/head_driver.h"

#include <spdlog/spdlog.h>

namespace alnilam {

HeadDriver::HeadDriver(kj::Timer& timer, head::HeadBrain::Config config)
    : timer_(timer),
      brain_(config),
      alarm_(timer, [this]() { step(head::Tick{}); }),
      tasks_(*this) {}

Result<JobId> HeadDriver::open(JobPeer& peer, head::JobOpened opened) {
  opened.session = ++sessions_;
  step(std::move(opened));
  decide();
  if (opened_) jobs_[opened_.value()] = &peer;
  return opened_;
}

void HeadDriver::close(JobId job) {
  if (jobs_.erase(job) == 0) return;
  step(head::JobClosed{job});
}

Result<NodeId> HeadDriver::join(NodePeer& peer, head::NodeJoined joined,
                                rpc::NodeAddress address) {
  for (auto& [id, member] : members_) {
    const rpc::NodeAddress& known = member.known.address;
    bool same = known.hostIdentity == address.hostIdentity && known.localPath == address.localPath;
    if (known.name == address.name && !same) {
      return Refusal{RefusalCode::invalid,
                     "a node named " + address.name + " is a member already, at " + known.objects +
                         "; give this one another --name"};
    }
  }
  Incarnation incarnation = joined.incarnation;
  step(std::move(joined));
  // Not decide(): orders for the node can be routed only after it is known here.
  std::vector<head::Output> answers = std::exchange(outputs_, {});
  std::vector<head::Output> rest;
  for (head::Output& output : answers) {
    if (auto* accepted = std::get_if<head::NodeAccepted>(&output)) {
      joined_ = accepted->node;
    } else if (auto* refused = std::get_if<head::NodeRefused>(&output)) {
      joined_ = refused->refusal;
    } else {
      rest.push_back(std::move(output));
    }
  }
  for (head::Output& output : rest) route(std::move(output));
  if (joined_) {
    address.node = joined_.value();
    members_[address.node] = {&peer, incarnation, {std::move(address), ++changes_}};
  }
  decideSoon();
  return joined_;
}

void HeadDriver::moved(const rpc::NodeAddress& address) {
  auto it = members_.find(address.node);
  if (it != members_.end()) it->second.known = {address, ++changes_};
}

void HeadDriver::leave(NodeId node, Incarnation incarnation, const std::string& why) {
  auto it = members_.find(node);
  if (it == members_.end() || it->second.incarnation != incarnation) return;
  members_.erase(it);
  step(head::NodeLeft{node, incarnation, why});
}

void HeadDriver::feed(head::Input input) { step(std::move(input)); }

const HeadDriver::Known* HeadDriver::find(NodeId node) const {
  auto it = members_.find(node);
  return it == members_.end() ? nullptr : &it->second.known;
}

std::vector<rpc::NodeAddress> HeadDriver::directory() const {
  std::vector<rpc::NodeAddress> all;
  for (auto& [id, member] : members_) all.push_back(member.known.address);
  return all;
}

void HeadDriver::step(head::Input input) {
  brain_.step(rpc::instantOf(timer_), std::move(input), outputs_);
  decideSoon();
}

void HeadDriver::decideSoon() {
  if (std::exchange(deciding_, true)) return;
  tasks_.add(kj::evalLast([this]() {
    if (deciding_) decide();
  }));
}

void HeadDriver::decide() {
  deciding_ = false;
  brain_.place(rpc::instantOf(timer_), outputs_);
  std::vector<head::Output> outputs = std::exchange(outputs_, {});
  for (head::Output& output : outputs) route(std::move(output));
  alarm_.set(brain_.deadline());
}

void HeadDriver::route(head::Output output) {
  if (auto* told = std::get_if<head::Told>(&output)) {
    auto it = jobs_.find(told->job);
    if (it != jobs_.end()) it->second->told(std::move(told->objects));
  } else if (auto* orders = std::get_if<head::NodeTold>(&output)) {
    auto it = members_.find(orders->node);
    if (it != members_.end()) it->second.peer->told(std::move(orders->orders));
  } else if (auto* ready = std::get_if<head::JobReady>(&output)) {
    opened_ = ready->job;
  } else if (auto* refused = std::get_if<head::JobRefused>(&output)) {
    opened_ = refused->refusal;
  } else if (auto* accepted = std::get_if<head::NodeAccepted>(&output)) {
    joined_ = accepted->node;
  } else if (auto* refusedNode = std::get_if<head::NodeRefused>(&output)) {
    joined_ = refusedNode->refusal;
  } else if (auto* fenced = std::get_if<head::NodeFenced>(&output)) {
    forget(fenced->node, "it was declared lost");
  } else if (auto* gone = std::get_if<head::NodeGone>(&output)) {
    spdlog::warn("node {} is gone: {}", gone->node.value, gone->why);
    forget(gone->node, gone->why);
  } else if (auto* aside = std::get_if<head::NodeSetAside>(&output)) {
    spdlog::warn("node {} is set aside for {} s: {}", aside->node.value,
                 aside->length / std::chrono::seconds(1), aside->why);
  }
}

void HeadDriver::forget(NodeId node, const std::string& why) {
  auto it = members_.find(node);
  if (it == members_.end()) return;
  NodePeer* peer = it->second.peer;
  members_.erase(it);
  peer->fenced(why);
}

void HeadDriver::taskFailed(kj::Exception&& e) {
  spdlog::error("head: {}", e.getDescription().cStr());
}

}  // namespace alnilam
