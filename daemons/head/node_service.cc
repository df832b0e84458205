#include "daemons/head/node_service.h"

#include "transport/rpc/batch_size.h"
#include "transport/rpc/batcher.h"
#include "transport/rpc/node_codec.h"
#include "transport/rpc/piggyback.h"

#include <kj/debug.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

namespace alnilam {
namespace {

constexpr unsigned kOrdersInFlight = 16;

class MembershipServer final : public schema::Membership::Server, private HeadDriver::NodePeer {
 public:
  MembershipServer(HeadState& state, rpc::NodeIdentity identity, schema::Node::Client node)
      : state_(state),
        identity_(std::move(identity)),
        peer_(kj::mv(node)),
        acknowledgements_(state.timer),
        outbox_([this](rpc::NodeMail& mail) { return send(mail); },
                [](kj::Exception&&) {},  // the connection is over, and the membership with it
                kOrdersInFlight) {}

  ~MembershipServer() noexcept(false) {
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
  kj::Promise<void> report(ReportContext context) override {
    if (!node_) return KJ_EXCEPTION(DISCONNECTED, "this node was declared lost");
    Result<rpc::NodeNews> read = rpc::read(context.getParams().getReport());
    if (!read) {
      spdlog::error("node {} reported what cannot be: {}", identity_.address.name,
                    read.error().why);
      state_.driver.leave(node_, identity_.incarnation, "its report broke a bound");
      fenced("its report broke a bound");
      return KJ_EXCEPTION(FAILED, "the report broke a bound", read.error().why);
    }
    rpc::NodeNews& news = read.value();
    HeadState::Told& told = state_.told[node_];
    if (news.lanes) told.lanes = std::move(*news.lanes);
    if (news.storeUsed) told.storeUsed = news.storeUsed;
    for (const TaskDone& done : news.report.done) {
      state_.tasksFinished += done.how != TaskDone::How::returned;
    }
    state_.usage.add(node_, news.report);
    state_.driver.feed(head::NodeHeard{node_, identity_.incarnation, std::move(news.report)});
    return acknowledgements_.answerLater();
  }

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
    pending.orders.restoreDevices |= orders.restoreDevices;
  }

  void fenced(const std::string& why) override {
    node_ = {};
    auto request = peer_.fenceRequest();
    request.setWhy(why);
    farewell_ = request.send().ignoreResult().eagerlyEvaluate([](kj::Exception&&) {});
  }

  kj::Promise<void> send(const rpc::NodeMail& mail) {
    auto request = peer_.ordersRequest(rpc::sizeHint(mail));
    rpc::write(mail, request.initOrders());
    acknowledgements_.goesOut();
    return request.send().then(
        [this](auto response) { acknowledgements_.keep(kj::mv(response)); });
  }

  HeadState& state_;
  rpc::NodeIdentity identity_;
  schema::Node::Client peer_;
  NodeId node_;  // none once fenced
  ToldAddresses addresses_;
  rpc::Piggyback acknowledgements_;
  kj::Promise<void> farewell_ = kj::READY_NOW;
  rpc::Outbox<rpc::NodeMail> outbox_;  // last: its calls use the members above
};

class NodeGateServer final : public schema::NodeGate::Server {
 public:
  explicit NodeGateServer(HeadState& state) : state_(state) {}

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
        kj::heap<MembershipServer>(state_, std::move(identity).value(), params.getNode());
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
};

}  // namespace

schema::NodeGate::Client makeNodeGate(HeadState& state) { return kj::heap<NodeGateServer>(state); }

}  // namespace alnilam
