#include "daemons/program/executor.h"

#include "core/engine/worker_pool.h"
#include "daemons/program/blame.h"
#include "schema/executor.capnp.h"
#include "transport/memory/arena.h"
#include "transport/rpc/batch_size.h"
#include "transport/rpc/batcher.h"
#include "transport/rpc/connection.h"
#include "transport/rpc/executor_codec.h"
#include "transport/rpc/loop_call.h"
#include "transport/rpc/wakeup.h"

#include <kj/debug.h>
#include <kj/async-io.h>

#include <cstdio>
#include <mutex>
#include <optional>
#include <span>
#include <unistd.h>
#include <utility>
#include <vector>

namespace alnilam {
namespace {

// The devices, opened when the first slot asks: a CUDA context costs memory and time.
class LazyDevices final : public DeviceHost {
 public:
  explicit LazyDevices(OpenDevices open) : open_(std::move(open)) {}

  // Before the first slot is opened.
  void belongTo(Topology node) { node_ = std::move(node); }

  std::unique_ptr<SlotDevices> open(const SlotGrant& grant) override {
    {
      std::lock_guard lock(mutex_);
      if (!host_) {
        host_ = open_(node_);
        host_->useArena(arena_);
      }
    }
    return host_->open(grant);
  }
  void forget(ObjectId object) override {
    std::lock_guard lock(mutex_);
    if (host_) host_->forget(object);
  }
  void useArena(std::span<std::byte> arena) override { arena_ = arena; }
  std::vector<DeviceMemoryUse> memoryUse() override {
    std::lock_guard lock(mutex_);
    return host_ ? host_->memoryUse() : std::vector<DeviceMemoryUse>();
  }

 private:
  OpenDevices open_;
  Topology node_;
  std::span<std::byte> arena_;
  std::mutex mutex_;
  std::unique_ptr<DeviceHost> host_;
};

// Room in the node's arena, asked for by workers through the event loop.
class ArenaResults final : public ResultStore {
 public:
  ArenaResults(const kj::Executor& loop, schema::ExecutorHost::Client& host, const ArenaMap& arena)
      : loop_(loop), host_(host), arena_(arena) {}

  Result<std::span<std::byte>> allocate(TaskId task, Bytes size) override {
    Result<Bytes> offset =
        rpc::callOn<Result<Bytes>>(loop_, [this, task, size]() { return ask(task, size); });
    if (!offset) return offset.error();
    if (!arena_.holds({offset.value(), size})) {
      return Refusal{RefusalCode::invalid, "the node gave a place outside of its store"};
    }
    return arena_.at({offset.value(), size});
  }

  // The report of the failed attempt is what frees it.
  void abandon(TaskId) override {}

 private:
  kj::Promise<Result<Bytes>> ask(TaskId task, Bytes size) {
    auto request = host_.allocateRequest();
    request.setTask(task.value);
    request.setSize(size);
    return request.send().then([](auto response) -> Result<Bytes> {
      auto outcome = response.getOutcome();
      if (outcome.isRefusal()) return rpc::read(outcome.getRefusal());
      return outcome.getOffset();
    });
  }

  const kj::Executor& loop_;
  schema::ExecutorHost::Client& host_;
  const ArenaMap& arena_;
};

class ExecutorServer final : public schema::Executor::Server {
 protected:
  kj::Promise<void> stop(StopContext) override { _exit(0); }
};

// The executor of this process: all of it, in the order in which it is made.
class ExecutorProcess final : private rpc::Recipient {
 public:
  ExecutorProcess(int socketFd, OpenDevices openDevices)
      : io_(kj::setupAsyncIo()),
        connection_(io_.lowLevelProvider->wrapSocketFd(
                        socketFd, kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP),
                    io_.provider->getTimer()),
        host_(connection_.bootstrap().castAs<schema::ExecutorHost>()),
        devices_(std::move(openDevices)),
        mailbox_(connection_.mailbox()),
        wakeup_(io_.unixEventPort, [this]() { passOn(); }),
        outbox_(connection_.mailbox(), [this](ExecutorReport& report) {
          rpc::post<schema::ExecutorReport>(*mailbox_, report);
        }) {}

  void serve() {
    auto request = host_.readyRequest();
    request.setExecutor(kj::heap<ExecutorServer>());
    auto response = request.send().wait(io_.waitScope);
    prepare(response.getStart());
    auto telling = tellMemory().eagerlyEvaluate(nullptr);
    connection_.whenEnded().wait(io_.waitScope);
  }

 private:
  void prepare(schema::ExecutorStart::Reader from) {
    Result<rpc::ExecutorStart> start = rpc::read(from);
    KJ_REQUIRE(start.hasValue(), "the node's facts cannot be read", start.error().why);
    Result<ArenaMap> arena = ArenaMap::map(static_cast<int>(start.value().arenaFd),
                                           start.value().arenaBytes);
    KJ_REQUIRE(arena.hasValue(), "the node's store cannot be mapped", arena.error().why);
    arena_ = std::move(arena).value();
    if (start.value().crashFd != 0) {
      Result<CrashPage> page = CrashPage::map(static_cast<int>(start.value().crashFd));
      if (page) installBlame(std::move(page).value());
    }
    results_.emplace(kj::getCurrentThreadExecutor(), host_, arena_);

    WorkerPool::Config config;
    config.node = start.value().nodeName;
    config.devices = &devices_;
    config.store = &*results_;
    config.onReport = [this] { wakeup_.wake(); };
    config.onThread = [] { prepareThread(); };
    for (const Core& core : start.value().topology.cores) config.osCpus.push_back(core.osCpu);
    devices_.belongTo(start.value().topology);
    devices_.useArena(arena_.at({0, arena_.size()}));
    pool_.emplace(std::move(config));
    mailbox_->open(*this);  // orders may have come already
  }

  void passOn() {
    ExecutorReport report = pool_->report();
    if (report.empty()) return;
    ExecutorReport& pending = outbox_.open();
    std::move(report.done.begin(), report.done.end(), std::back_inserter(pending.done));
    pending.closed.insert(pending.closed.end(), report.closed.begin(), report.closed.end());
  }

  void delivered(capnp::AnyPointer::Reader mail) override {
    Result<Orders> orders =
        rpc::read(mail.getAs<schema::ExecutorOrders>(),
                  [this](ObjectId object, rpc::Place place) { return bytesAt(object, place); });
    if (!orders) giveUp("orders that cannot be read: " + orders.error().why);
    pool_->order(std::move(orders).value());
  }
  void returned(const Refusal& why) override { giveUp("the node refuses a report: " + why.why); }

  // What the devices' memory pools hold, whenever it has changed.
  kj::Promise<void> tellMemory() {
    return io_.provider->getTimer().afterDelay(1 * kj::SECONDS).then([this]() {
      std::vector<DeviceMemoryUse> use = devices_.memoryUse();
      if (use == told_) return tellMemory();
      auto request = host_.deviceMemoryRequest();
      rpc::write(use, request.initDevices(static_cast<unsigned>(use.size())));
      told_ = std::move(use);
      return request.send().ignoreResult().then([this]() { return tellMemory(); });
    });
  }

  // The node starts another.
  [[noreturn]] static void giveUp(const std::string& why) {
    std::fprintf(stderr, "alnilam: the executor ends: %s\n", why.c_str());
    _exit(1);
  }

  // In place: the node keeps the bytes there until the task is reported.
  Result<Blob> bytesAt(ObjectId object, rpc::Place place) {
    if (!arena_.holds({place.offset, place.size})) {
      return Refusal{RefusalCode::invalid, "object " + show(object) + " lies outside of the store"};
    }
    std::span<const std::byte> bytes = arena_.at({place.offset, place.size});
    return Blob::adopt(std::shared_ptr<const std::byte>(std::shared_ptr<void>(), bytes.data()),
                       bytes.size());
  }

  kj::AsyncIoContext io_;
  rpc::Connection connection_;
  schema::ExecutorHost::Client host_;
  LazyDevices devices_;
  kj::Own<rpc::Mailbox> mailbox_;
  rpc::Wakeup wakeup_;
  ArenaMap arena_;
  std::optional<ArenaResults> results_;
  std::optional<WorkerPool> pool_;
  rpc::Outbox<ExecutorReport> outbox_;
  std::vector<DeviceMemoryUse> told_;
};

}  // namespace

void serveTasks(int socketFd, OpenDevices openDevices) {
  // Never destroyed: workers may run user code until the process is gone.
  auto* process = new ExecutorProcess(socketFd, std::move(openDevices));
  auto failed = kj::runCatchingExceptions([process]() { process->serve(); });
  KJ_IF_MAYBE(exception, failed) {
    if (exception->getType() != kj::Exception::Type::DISCONNECTED) {
      std::fprintf(stderr, "alnilam: the executor ends: %s\n", exception->getDescription().cStr());
      _exit(1);
    }
  }
  _exit(0);
}

}  // namespace alnilam
