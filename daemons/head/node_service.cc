#include "daemons/head/node_service.h"

#include "transport/rpc/batch_size.h"
#include "transport/rpc/batcher.h"
#include "transport/rpc/node_codec.h"

#include <kj/debug.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

namespace alnilam {
namespace {

class MembershipServer final : public schema::Membership::Server,
                               private HeadDriver::NodePeer,
                               private rpc::Recipient {
 public:
  MembershipServer(HeadState& state, rpc::NodeIdentity identity, schema::Node::Client node,
                   rpc::Mailbox& mailbox)
      : state_(state),
        identity_(std::move(identity)),
        peer_(kj::mv(node)),
        mailbox_(kj::addRef(mailbox)),
        outbox_(kj::addRef(mailbox), [this](rpc::NodeMail& mail) {
          rpc::post<schema::NodeOrders>(*mailbox_, mail);
        }) {}

  ~MembershipServer() noexcept(false) {
    mailbox_->close(*this);
    if (node_) state_.driver.leave(node_, identity_.incarnation, "its connection ended");
  }

  Result<NodeId> join() {
    Result<NodeId> node = state_.driver.join(*this,
                                             {.name = identity_.address.name,
                                              .incarnation = identity_.incarnation,
                                              .topology = identity_.topology,
                                              .total = identity_.offered},
                                             identity_.address);
    if (!node) return node;
    node_ = node.value();
    mailbox_->open(*this);
    HeadState::Told& told = state_.told[node_];
    told = {};
    told.storeBytes = identity_.storeBytes;
    told.address = identity_.address;
    told.address.node = node_;
    spdlog::info("node {} joined as {}: {}; objects travel by {}", identity_.address.name,
                 node_.value, show(identity_.offered), identity_.dataLane);
    return node;
  }

 protected:
  kj::Promise<void> moved(MovedContext context) override {
    Result<rpc::NodeAddress> address = rpc::read(context.getParams().getAddress());
    if (!address || !node_) return kj::READY_NOW;
    identity_.address = std::move(address).value();
    identity_.address.node = node_;
    state_.told[node_].address = identity_.address;
    state_.driver.moved(identity_.address);
    return kj::READY_NOW;
  }

  kj::Promise<void> program(ProgramContext context) override {
    auto params = context.getParams();
    return state_.programs.read(params.getHash().cStr(), params.getOffset())
        .then([context](Programs::Part part) mutable {
          auto results = context.getResults();
          results.setBytes(kj::ArrayPtr<const kj::byte>(
              reinterpret_cast<const kj::byte*>(part.bytes.data()), part.bytes.size()));
          results.setSize(part.size);
          results.setKnown(part.known);
        });
  }

 private:
  void delivered(capnp::AnyPointer::Reader mail) override {
    if (!node_) return;  // it was declared lost, and told so
    Result<rpc::NodeNews> read = rpc::read(mail.getAs<schema::NodeReport>());
    if (!read) return cutOff("its report broke a bound", read.error().why);
    rpc::NodeNews& news = read.value();
    HeadState::Told& told = state_.told[node_];
    if (news.lanes) told.lanes = std::move(*news.lanes);
    if (news.storeUsed) told.storeUsed = news.storeUsed;
    if (news.deviceMemory) told.deviceMemory = std::move(*news.deviceMemory);
    for (const TaskDone& done : news.report.done) {
      state_.tasksFinished += done.how != TaskDone::How::returned;
    }
    state_.usage.add(node_, news.report);
    state_.driver.feed(head::NodeHeard{node_, identity_.incarnation, std::move(news.report)});
  }
  void returned(const Refusal& why) override {
    if (node_) cutOff("it cannot read its orders", why.why);
  }
  void cutOff(const char* why, const std::string& how) {
    spdlog::error("node {} is given up: {}: {}", identity_.address.name, why, how);
    state_.driver.leave(node_, identity_.incarnation, why);
    fenced(why);
  }

  void told(NodeOrders orders) override {
    rpc::NodeMail& pending = outbox_.open();
    for (const Assignment& assignment : orders.assign) {
      for (auto& [object, value] : assignment.inputs) {
        if (value.state == Value::State::stored) {
          addresses_.add(state_.driver, value.holders, pending.peers);
        }
      }
    }
    auto append = [](auto& to, auto& from) {
      if (to.empty()) {
        to = std::move(from);
      } else {
        std::move(from.begin(), from.end(), std::back_inserter(to));
      }
    };
    append(pending.orders.jobs, orders.jobs);
    append(pending.orders.classes, orders.classes);
    append(pending.orders.assign, orders.assign);
    append(pending.orders.cancel, orders.cancel);
    append(pending.orders.release, orders.release);
    append(pending.orders.ended, orders.ended);
    append(pending.orders.giveBack, orders.giveBack);
    pending.orders.restoreDevices |= orders.restoreDevices;
  }

  void fenced(const std::string& why) override {
    node_ = {};
    auto request = peer_.fenceRequest();
    request.setWhy(why);
    farewell_ = request.send().ignoreResult().eagerlyEvaluate([](kj::Exception&&) {});
  }

  HeadState& state_;
  rpc::NodeIdentity identity_;
  schema::Node::Client peer_;
  kj::Own<rpc::Mailbox> mailbox_;
  NodeId node_;  // none once fenced
  ToldAddresses addresses_;
  kj::Promise<void> farewell_ = kj::READY_NOW;
  rpc::Outbox<rpc::NodeMail> outbox_;  // last: it uses the members above
};

class NodeGateServer final : public schema::NodeGate::Server {
 public:
  NodeGateServer(HeadState& state, rpc::Mailbox& mailbox)
      : state_(state), mailbox_(kj::addRef(mailbox)) {}

 protected:
  kj::Promise<void> join(JoinContext context) override {
    auto params = context.getParams();
    auto outcome = context.getResults().initOutcome();
    Result<rpc::NodeIdentity> identity = rpc::read(params.getIdentity());
    if (!identity) {
      rpc::write(identity.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    auto server =
        kj::heap<MembershipServer>(state_, std::move(identity).value(), params.getNode(),
                                   *mailbox_);
    Result<NodeId> node = server->join();
    if (!node) {
      spdlog::warn("a node was refused: {}", node.error().why);
      rpc::write(node.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    using Milliseconds = std::chrono::milliseconds;
    auto lostAfter = std::chrono::duration_cast<Milliseconds>(state_.lostAfter).count();
    outcome.setMembership(kj::mv(server));
    outcome.setNode(node.value().value);
    outcome.setEpoch(state_.epoch.value);
    outcome.setLostAfterMs(static_cast<std::uint32_t>(lostAfter));
    outcome.setHeartbeatIntervalMs(
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(lostAfter / 5, 100, 60'000)));
    return kj::READY_NOW;
  }

 private:
  HeadState& state_;
  kj::Own<rpc::Mailbox> mailbox_;
};

}  // namespace

schema::NodeGate::Client makeNodeGate(HeadState& state, rpc::Mailbox& mailbox) {
  return kj::heap<NodeGateServer>(state, mailbox);
}

}  // namespace alnilam
