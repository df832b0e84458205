#include "daemons/node/node_life.h"

#include "daemons/node/executors.h"
#include "daemons/node/node_driver.h"
#include "daemons/node/node_programs.h"
#include "daemons/node/object_service.h"
#include "daemons/node/pulls.h"
#include "daemons/node/store.h"
#include "daemons/program/dialer.h"
#include "daemons/program/host_identity.h"
#include "daemons/process/version.h"
#include "schema/node.capnp.h"
#include "transport/rpc/batch_size.h"
#include "transport/rpc/batcher.h"
#include "transport/rpc/listener.h"
#include "transport/rpc/node_codec.h"

#include <kj/debug.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <optional>
#include <unistd.h>

namespace alnilam {
namespace {

constexpr auto kMoverPatience = 5 * kj::SECONDS;  // then the node joins without

std::vector<std::string> executorEnvironment(const NodeOptions& options, const Machine& machine) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry; ++entry) {
    std::string text = *entry;
    if (text.starts_with("ALNILAM_") || text.starts_with("CUDA_VISIBLE_DEVICES=")) continue;
    environment.push_back(std::move(text));
  }
  environment.push_back("ALNILAM_EMULATE_GPUS=" + machine.emulateGpus);
  environment.push_back("ALNILAM_EMULATOR=" + options.emulator);
  if (machine.visibleDevices) {
    environment.push_back("CUDA_VISIBLE_DEVICES=" + *machine.visibleDevices);
  }
  return environment;
}

// A daemon that was built or installed with this one.
std::string beside(const char* name) {
  std::error_code error;
  auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / name).string();
}

}  // namespace

class NodeLife::State final : private NodeDriver::Hands,
                              private rpc::Listener::Door,
                              private MoverLink::Listener,
                              private rpc::Recipient,
                              private kj::TaskSet::ErrorHandler {
 public:
  State(kj::AsyncIoContext& io, const NodeOptions& options, const Machine& machine,
        const rpc::Secret& secret, Incarnation incarnation)
      : io_(io),
        options_(options),
        machine_(machine),
        secret_(secret),
        incarnation_(incarnation),
        dialer_(io, secret, rpc::Role::node),
        over_(kj::newPromiseAndFulfiller<std::string>()),
        moverUp_(kj::newPromiseAndFulfiller<void>()),
        tasks_(*this) {}
  ~State() noexcept(false) {
    if (mailbox_.get() != nullptr) mailbox_->close(*this);
  }

  kj::Promise<Result<NodeId>> begin();
  kj::Promise<std::string> whenOver() { return kj::mv(over_.promise); }

 private:
  // What the head calls: the end.
  class HeadFacing final : public schema::Node::Server {
   public:
    explicit HeadFacing(State& life) : life_(life) {}

   protected:
    kj::Promise<void> fence(FenceContext context) override {
      life_.end("the head has given this node up: " +
                std::string(context.getParams().getWhy().cStr()));
      return kj::READY_NOW;
    }

   private:
    State& life_;
  };

  kj::Promise<void> bind();
  kj::Promise<void> listenAt(std::string address, bool local);
  Result<bool> makeStore();
  kj::Promise<Result<NodeId>> join();
  Result<NodeId> joined(schema::JoinOutcome::Reader outcome);
  void obey(rpc::NodeMail mail);
  void end(std::string why);
  kj::Promise<void> beat();
  void tellLanes();

  // Mail of the head's.
  void delivered(capnp::AnyPointer::Reader mail) override;
  void returned(const Refusal& why) override;

  void perform(node::Output output) override;
  capnp::Capability::Client welcome(const rpc::Peer& peer) override;
  void left(const rpc::Peer& peer, const std::string& why) override {}
  void moverUp(const std::string& address, const std::string& transports) override;
  void taskFailed(kj::Exception&& e) override;

  kj::AsyncIoContext& io_;
  const NodeOptions& options_;
  const Machine& machine_;
  const rpc::Secret& secret_;
  const Incarnation incarnation_;

  Dialer dialer_;
  kj::PromiseFulfillerPair<std::string> over_;
  kj::PromiseFulfillerPair<void> moverUp_;
  rpc::NodeAddress address_;
  std::string transports_;
  kj::Duration heartbeat_ = 1 * kj::SECONDS;

  std::optional<Arena> arena_;
  kj::Own<MoverLink> mover_;
  kj::Own<Store> store_;
  kj::Own<ObjectServices> services_;
  kj::Own<rpc::Listener> remoteListener_, localListener_;
  kj::Own<rpc::Connection> head_;
  kj::Own<rpc::Mailbox> mailbox_;  // of head_
  kj::Maybe<schema::Membership::Client> membership_;
  kj::Own<NodePrograms> programs_;
  kj::Own<NodeDriver> driver_;
  kj::Own<Pulls> pulls_;
  kj::Own<Executors> executors_;
  kj::Own<rpc::Outbox<rpc::NodeNews>> reports_;
  bool tellingLanes_ = false;
  std::vector<rpc::NodeMail> early_;  // orders that overtook the answer to the join
  kj::TaskSet tasks_;  // last: the tasks use the members above
};

kj::Promise<Result<NodeId>> NodeLife::State::begin() {
  Result<bool> made = makeStore();
  if (!made) return Result<NodeId>(made.error());
  return bind()
      .then([this]() {
        auto late = io_.provider->getTimer().afterDelay(kMoverPatience).then([this]() {
          spdlog::warn("no mover serves: until one does, objects travel by rpc");
          transports_ = "none yet";
        });
        return moverUp_.promise.exclusiveJoin(kj::mv(late));
      })
      .then([this]() { return join(); });
}

Result<bool> NodeLife::State::makeStore() {
  Result<Arena> arena = Arena::create(machine_.storeBytes);
  if (!arena) return arena.error();
  arena_.emplace(std::move(arena).value());
  mover_ = kj::heap<MoverLink>(
      io_, *arena_,
      MoverLink::Config{.program = beside("alnilam-mover"), .arguments = {},
                        .interfaces = options_.interfaces},
      static_cast<MoverLink::Listener&>(*this));
  store_ = kj::heap<Store>(*arena_, *mover_);
  services_ = kj::heap<ObjectServices>(*store_, [this](ObjectId object, Bytes size) {
    if (driver_) driver_->feed(node::LocalPut{object, size});
  });
  return true;
}

kj::Promise<void> NodeLife::State::bind() {
  address_.name = options_.name;
  address_.hostIdentity = hostIdentity();
  address_.localPath = options_.stateDirectory + "/objects.sock";
  return listenAt(options_.listen, false)
      .then([this]() { return listenAt("unix:" + address_.localPath, true); });
}

kj::Promise<void> NodeLife::State::listenAt(std::string address, bool local) {
  rpc::Listener::Config config;
  config.log = [](const std::string& line) { spdlog::warn("{}", line); };
  config.limits.fds = local;
  auto& listener = local ? localListener_ : remoteListener_;
  listener = kj::heap<rpc::Listener>(io_.provider->getTimer(), secret_, std::move(config),
                                 static_cast<rpc::Listener::Door&>(*this));
  return rpc::bindAt(io_.provider->getNetwork(), address)
      .then([this, address, local](Result<kj::Own<kj::ConnectionReceiver>> bound) {
        KJ_REQUIRE(bound.hasValue(), "cannot listen", bound.error().why);
        auto receiver = std::move(bound).value();
        if (!local) {
          address_.objects = address.substr(0, address.rfind(':') + 1) +
                             std::to_string(receiver->getPort());
        }
        (local ? localListener_ : remoteListener_)->listen(kj::mv(receiver));
      });
}

kj::Promise<Result<NodeId>> NodeLife::State::join() {
  return dialer_.call(options_.head)
      .then([this](Result<kj::Own<rpc::Connection>> made) -> kj::Promise<Result<NodeId>> {
        if (!made) return Result<NodeId>(made.error());
        head_ = std::move(made).value();
        mailbox_ = head_->mailbox();
        mailbox_->open(*this);
        auto request = head_->bootstrap().castAs<schema::NodeGate>().joinRequest();
        rpc::NodeIdentity identity;
        identity.incarnation = incarnation_;
        identity.address = address_;
        identity.topology = machine_.topology;
        identity.offered = machine_.offered;
        identity.dataLane = "ucx " + transports_;
        identity.storeBytes = machine_.storeBytes;
        identity.version = kVersion;
        rpc::write(identity, request.initIdentity());
        request.setNode(kj::heap<HeadFacing>(*this));
        return request.send().then([this](auto response) { return joined(response.getOutcome()); });
      });
}

Result<NodeId> NodeLife::State::joined(schema::JoinOutcome::Reader outcome) {
  if (outcome.isRefusal()) return rpc::read(outcome.getRefusal());
  membership_ = outcome.getMembership();
  heartbeat_ = outcome.getHeartbeatIntervalMs() * kj::MILLISECONDS;
  address_.node = {outcome.getNode()};

  programs_ = kj::heap<NodePrograms>(options_.stateDirectory, outcome.getMembership());
  node::NodeBrain::Config brain;
  brain.name = options_.name;
  brain.topology = machine_.topology;
  brain.total = machine_.offered;
  driver_ = kj::heap<NodeDriver>(io_.provider->getTimer(), std::move(brain),
                                 static_cast<NodeDriver::Hands&>(*this));
  pulls_ = kj::heap<Pulls>(dialer_, *store_, *mover_, [this](node::Input input) {
    if (std::holds_alternative<node::Pulled>(input)) tellLanes();
    driver_->feed(std::move(input));
  });
  executors_ = kj::heap<Executors>(
      io_,
      Executors::Config{options_.name, machine_.topology, executorEnvironment(options_, machine_)},
      *programs_, *store_, [this](node::Input input) { driver_->feed(std::move(input)); });
  reports_ = kj::heap<rpc::Outbox<rpc::NodeNews>>(
      kj::addRef(*mailbox_),
      kj::Function<void(rpc::NodeNews&)>(
          [this](rpc::NodeNews& news) { rpc::post<schema::NodeReport>(*mailbox_, news); }));
  for (rpc::NodeMail& mail : std::exchange(early_, {})) obey(std::move(mail));
  tasks_.add(beat());
  tasks_.add(head_->whenEnded().then([this](std::string why) {
    end("the head is gone" + (why.empty() ? "" : ": " + why));
  }));
  return address_.node;
}

void NodeLife::State::delivered(capnp::AnyPointer::Reader mail) {
  Result<rpc::NodeMail> orders = rpc::read(mail.getAs<schema::NodeOrders>());
  if (orders) return obey(std::move(orders).value());
  mailbox_->refuse(orders.error());
  end("the head gave orders that cannot be read: " + orders.error().why);
}

void NodeLife::State::returned(const Refusal& why) {
  end("the head cannot read what this node reports: " + why.why);
}

void NodeLife::State::obey(rpc::NodeMail mail) {
  if (!driver_) return early_.push_back(std::move(mail));
  for (const rpc::NodeAddress& peer : mail.peers) pulls_->know(peer);
  driver_->feed(node::FromHead{std::move(mail.orders)});
}

void NodeLife::State::end(std::string why) { over_.fulfiller->fulfill(std::move(why)); }

kj::Promise<void> NodeLife::State::beat() {
  return io_.provider->getTimer().afterDelay(heartbeat_).then([this]() {
    rpc::NodeNews news;
    news.storeUsed = arena_->used();
    news.deviceMemory = executors_->newDeviceMemory();
    rpc::post<schema::NodeReport>(*mailbox_, news);
    return beat();
  });
}

// After a pull, so that whoever asks the head learns by which lane it came.
void NodeLife::State::tellLanes() {
  if (std::exchange(tellingLanes_, true)) return;
  tasks_.add(mover_->lanes().then([this](std::vector<rpc::Lane> lanes) {
    tellingLanes_ = false;
    for (rpc::Lane& lane : pulls_->lanes()) lanes.push_back(std::move(lane));
    rpc::NodeNews news;
    news.lanes = std::move(lanes);
    news.storeUsed = arena_->used();
    rpc::post<schema::NodeReport>(*mailbox_, news);
  }));
}

void NodeLife::State::perform(node::Output output) {
  if (auto* orders = std::get_if<node::ToExecutor>(&output)) {
    executors_->order(orders->executor, std::move(orders->orders));
  } else if (auto* report = std::get_if<node::ToHead>(&output)) {
    NodeReport& pending = reports_->open().report;
    auto append = [](auto& to, auto& from) {
      std::move(from.begin(), from.end(), std::back_inserter(to));
    };
    append(pending.done, report->report.done);
    append(pending.kept, report->report.kept);
    append(pending.dropped, report->report.dropped);
    append(pending.costs, report->report.costs);
    if (report->report.pullRate != 0) pending.pullRate = report->report.pullRate;
    if (auto& withdrawn = report->report.withdrawn) {
      for (const WithdrawnGpu& out : *withdrawn) {
        spdlog::warn("gpu {} is out of service: {}", out.gpu, out.why);
      }
      if (withdrawn->empty()) spdlog::info("all devices are back in service");
      pending.withdrawn = std::move(withdrawn);
    }
  } else if (auto* start = std::get_if<node::StartExecutor>(&output)) {
    executors_->start(start->executor, start->job);
  } else if (auto* stop = std::get_if<node::StopExecutor>(&output)) {
    executors_->stop(stop->executor);
  } else if (auto* pull = std::get_if<node::Pull>(&output)) {
    pulls_->pull(std::move(*pull));
  } else if (auto* drop = std::get_if<node::Drop>(&output)) {
    store_->drop(drop->object);
  }
}

capnp::Capability::Client NodeLife::State::welcome(const rpc::Peer& peer) {
  return peer.address.starts_with("a local") ? capnp::Capability::Client(services_->local())
                                             : capnp::Capability::Client(services_->remote());
}

void NodeLife::State::moverUp(const std::string& address, const std::string& transports) {
  address_.mover = address;
  transports_ = transports;
  moverUp_.fulfiller->fulfill();
  KJ_IF_MAYBE(membership, membership_) {
    auto request = membership->movedRequest();
    rpc::write(address_, request.initAddress());
    tasks_.add(request.send().ignoreResult());
  }
}

void NodeLife::State::taskFailed(kj::Exception&& e) {
  if (e.getType() == kj::Exception::Type::DISCONNECTED) return;  // heard of by whenEnded
  spdlog::error("node: {}", e.getDescription().cStr());
}

NodeLife::NodeLife(kj::AsyncIoContext& io, const NodeOptions& options, const Machine& machine,
                   const rpc::Secret& secret, Incarnation incarnation)
    : state_(kj::heap<State>(io, options, machine, secret, incarnation)) {}
NodeLife::~NodeLife() noexcept(false) = default;

kj::Promise<Result<NodeId>> NodeLife::begin() { return state_->begin(); }
kj::Promise<std::string> NodeLife::whenOver() { return state_->whenOver(); }

}  // namespace alnilam
