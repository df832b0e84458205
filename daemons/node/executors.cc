#include "daemons/node/executors.h"

#include "daemons/node/child_process.h"
#include "daemons/program/crash_page.h"
#include "schema/executor.capnp.h"
#include "transport/rpc/batch_size.h"
#include "transport/rpc/batcher.h"
#include "transport/rpc/connection.h"
#include "transport/rpc/executor_codec.h"

#include <kj/debug.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <set>

namespace alnilam {
namespace {

constexpr int kArenaFd = 4;
constexpr int kCrashFd = 5;

}  // namespace

class Executors::Executor final : private kj::TaskSet::ErrorHandler, private rpc::Recipient {
 public:
  Executor(Executors& owner, ExecutorId id, JobNotice job)
      : owner_(owner),
        id_(id),
        job_(std::move(job)),
        mailbox_(kj::refcounted<rpc::Mailbox>()),
        outbox_(kj::addRef(*mailbox_), [this](Orders& orders) { send(orders); }),
        tasks_(*this) {
    mailbox_->open(*this);
  }
  ~Executor() noexcept(false) { mailbox_->close(*this); }

  void fetchAndStart() {
    tasks_.add(owner_.programs_.get(job_.program).then([this](Result<std::string> path) {
      if (!path) return fail(path.error().why);
      launch(path.value());
    }));
  }

  void order(Orders orders) {
    Orders& pending = outbox_.open();
    auto append = [](auto& to, auto& from) {
      std::move(from.begin(), from.end(), std::back_inserter(to));
    };
    append(pending.lanes, orders.lanes);
    append(pending.open, orders.open);
    append(pending.close, orders.close);
    append(pending.run, orders.run);
    append(pending.cancel, orders.cancel);
    append(pending.forget, orders.forget);
  }

  void stop() {
    if (over_) return;
    if (process_ == nullptr) {
      return leave(node::ExecutorGone{id_, {}, FailureKind::exited, "stopped"});
    }
    stopping_ = true;
    KJ_IF_MAYBE(executor, executor_) {
      tasks_.add(executor->stopRequest().send().ignoreResult().catch_([](kj::Exception&&) {}));
      tasks_.add(owner_.io_.provider->getTimer().afterDelay(kStopDeadline).then([this]() {
        KJ_IF_MAYBE(process, process_) (*process)->kill();
      }));
    } else {
      KJ_IF_MAYBE(process, process_) (*process)->kill();
    }
  }

  // What the executor's connection serves: the node's side of the conversation.
  class Host final : public schema::ExecutorHost::Server {
   public:
    explicit Host(Executor& executor) : executor_(executor) {}

   protected:
    kj::Promise<void> ready(ReadyContext context) override {
      executor_.ready(context.getParams().getExecutor(), context.getResults().initStart());
      return kj::READY_NOW;
    }
    kj::Promise<void> allocate(AllocateContext context) override {
      auto params = context.getParams();
      auto outcome = context.getResults().initOutcome();
      Result<Extent> place = executor_.allocate({params.getTask()}, params.getSize());
      if (place) {
        outcome.setOffset(place.value().offset);
      } else {
        rpc::write(place.error(), outcome.initRefusal());
      }
      return kj::READY_NOW;
    }
    kj::Promise<void> deviceMemory(DeviceMemoryContext context) override {
      auto use = rpc::read(context.getParams().getDevices());
      if (!use) executor_.giveUp("its devices' memory: " + use.error().why);
      else executor_.owner_.deviceMemory(executor_.id_, std::move(use).value());
      return kj::READY_NOW;
    }

   private:
    Executor& executor_;
  };

 private:
  void launch(const std::string& path) {
    Result<CrashPage> page = CrashPage::create();
    if (!page) return fail(page.error().why);
    page_.emplace(std::move(page).value());
    ChildProcess::Spec spec;
    spec.path = path;
    spec.arguments = job_.arguments;
    spec.environment = owner_.config_.environment;
    spec.environment.push_back("ALNILAM_EXECUTOR_FD=" + std::to_string(ChildProcess::kSocketFd));
    spec.descriptors = {{owner_.store_.arena().fd(), kArenaFd}, {page_->fd(), kCrashFd}};
    Result<kj::Own<ChildProcess>> started = ChildProcess::start(owner_.io_, spec);
    if (!started) return fail(started.error().why);
    auto process = std::move(started).value();

    connection_ = kj::heap<rpc::Connection>(process->takeSocket(),
                                            owner_.io_.provider->getTimer(),
                                            schema::ExecutorHost::Client(kj::heap<Host>(*this)),
                                            rpc::StreamLimits{}, kj::addRef(*mailbox_));
    tasks_.add(process->onExit().then([this](std::string how) { exited(std::move(how)); }));
    tasks_.add(owner_.io_.provider->getTimer().afterDelay(kStartDeadline).then([this]() {
      if (isUp_ || over_) return;
      why_ = "the program did not reach alnilam::connect() within 30 s";
      KJ_IF_MAYBE(running, process_) (*running)->kill();
    }));
    process_ = kj::mv(process);
  }

  void ready(schema::Executor::Client executor, schema::ExecutorStart::Builder start) {
    rpc::ExecutorStart facts;
    facts.executor = id_;
    facts.job = job_.job;
    facts.topology = owner_.config_.topology;
    facts.arenaFd = kArenaFd;
    facts.arenaBytes = owner_.store_.arena().size();
    facts.crashFd = kCrashFd;
    facts.nodeName = owner_.config_.nodeName;
    rpc::write(facts, start);
    executor_ = kj::mv(executor);
    isUp_ = true;
    owner_.feed_(node::ExecutorUp{id_});
  }

  Result<Extent> allocate(TaskId task, Bytes size) {
    if (task.job() != job_.job) {
      return Refusal{RefusalCode::unknown, "task " + show(task) + " is not this executor's"};
    }
    // Nobody would give it back.
    if (over_) return Refusal{RefusalCode::unavailable, "this executor is over"};
    ObjectStore& table = owner_.store_.table();
    if (rooms_.erase(task) > 0) static_cast<void>(table.abort(task));
    Result<Extent> place = table.create(task, size);
    if (place) rooms_.insert(task);
    return place;
  }

  void delivered(capnp::AnyPointer::Reader mail) override {
    Result<ExecutorReport> report = rpc::read(mail.getAs<schema::ExecutorReport>());
    if (report) return take(std::move(report).value());
    giveUp("its report broke a bound: " + report.error().why);
  }
  // It takes no orders any more, and its tasks would wait for ever.
  void returned(const Refusal& why) override { giveUp("it cannot read its orders: " + why.why); }

  void take(ExecutorReport report) {
    for (TaskDone& done : report.done) {
      bool hadRoom = rooms_.erase(done.id) > 0;
      if (done.how == TaskDone::How::stored) {
        settleStored(done, hadRoom);
      } else if (hadRoom) {
        static_cast<void>(owner_.store_.table().abort(done.id));
      }
    }
    owner_.feed_(node::FromExecutor{id_, std::move(report)});
  }

  void settleStored(TaskDone& done, bool hadRoom) {
    if (hadRoom) {
      Result<Extent> place = owner_.store_.seal(done.id);
      if (place) {
        done.size = place.value().size;
        return;
      }
    }
    Failure failure;
    failure.kind = FailureKind::storeFull;
    failure.task = done.id;
    failure.node = owner_.config_.nodeName;
    failure.attempt = done.attempt;
    failure.message = "the executor reported a stored result that it had no room for";
    done.how = TaskDone::How::failed;
    done.failure = std::make_shared<const Failure>(std::move(failure));
  }

  void send(const Orders& orders) {
    if (over_) return;  // the brain will hear of it
    mailbox_->post(rpc::sizeHint(orders), [&](capnp::AnyPointer::Builder to) {
      rpc::write(orders, [this](ObjectId object) { return placeOf(object); },
                 to.initAs<schema::ExecutorOrders>());
    });
  }

  rpc::Place placeOf(ObjectId object) {
    std::optional<Extent> place = owner_.store_.table().find(object);
    ALNILAM_ASSERT(place);  // the brain pins what it sends
    return {place->offset, place->size};
  }

  void exited(std::string how) {
    if (over_) return;
    if (!isUp_ && !stopping_) {
      // What the loader said arrives on stderr before that is closed.
      KJ_IF_MAYBE(process, process_) {
        tasks_.add((*process)->onStderrEnd().then([this, how]() { failToStart(how); }));
      }
      return;
    }
    // Nobody is blamed for _exit(): then it is the process's end that tells.
    bool byItself = !page_->culprit() && how.starts_with("exit");
    FailureKind kind = byItself ? FailureKind::exited : page_->how();
    node::ExecutorGone gone{id_, page_->culprit(), kind, how};
    if (!stopping_) spdlog::warn("executor {} of job {} ended: {}", id_.value, show(job_.job), how);
    leave(std::move(gone));
  }

  void failToStart(const std::string& how) {
    std::string tail;
    KJ_IF_MAYBE(process, process_) tail = (*process)->stderrTail();
    while (!tail.empty() && tail.back() == '\n') tail.pop_back();
    if (why_.empty()) {
      why_ = tail.empty() ? "the program ended (" + how + ") before alnilam::connect()"
                          : "the program could not start (" + how + "): " + tail;
    }
    fail(why_);
  }

  void fail(std::string why) { leave(node::ExecutorFailed{id_, std::move(why)}); }

  // Tells the brain how it ended and gives back what it had.
  void leave(node::Input end) {
    if (std::exchange(over_, true)) return;
    for (TaskId task : rooms_) static_cast<void>(owner_.store_.table().abort(task));
    rooms_.clear();
    owner_.feed_(std::move(end));
    owner_.bury(id_);
  }

  void taskFailed(kj::Exception&& e) override { giveUp(e.getDescription().cStr()); }

  void giveUp(const std::string& why) {
    spdlog::error("executor {}: {}", id_.value, why);
    KJ_IF_MAYBE(process, process_) {
      (*process)->kill();
    } else {
      fail(why);
    }
  }

  Executors& owner_;
  ExecutorId id_;
  JobNotice job_;
  bool isUp_ = false, stopping_ = false, over_ = false;
  std::string why_;
  std::optional<CrashPage> page_;
  std::set<TaskId> rooms_;  // allocated, not yet reported
  kj::Maybe<kj::Own<ChildProcess>> process_;
  kj::Maybe<kj::Own<rpc::Connection>> connection_;
  kj::Maybe<schema::Executor::Client> executor_;
  kj::Own<rpc::Mailbox> mailbox_;
  rpc::Outbox<Orders> outbox_;
  kj::TaskSet tasks_;  // last
};

Executors::Executors(kj::AsyncIoContext& io, Config config, NodePrograms& programs, Store& store,
                     kj::Function<void(node::Input)> feed)
    : io_(io),
      config_(std::move(config)),
      programs_(programs),
      store_(store),
      feed_(kj::mv(feed)),
      burials_(*this) {}

Executors::~Executors() noexcept(false) = default;

void Executors::deviceMemory(ExecutorId executor, std::vector<DeviceMemoryUse> use) {
  std::erase_if(use, [&](const DeviceMemoryUse& one) {
    return one.gpu >= config_.topology.gpus.size();
  });
  memory_[executor] = std::move(use);
  memoryChanged_ = true;
}

std::optional<std::vector<DeviceMemoryUse>> Executors::newDeviceMemory() {
  if (!std::exchange(memoryChanged_, false)) return std::nullopt;
  std::vector<DeviceMemoryUse> all;
  for (const auto& [executor, use] : memory_) {
    for (const DeviceMemoryUse& one : use) addTo(all, one);
  }
  for (DeviceMemoryUse before : most_) {  // of processes that are gone by now, too
    before.used = before.reserved = 0;
    addTo(all, before);
  }
  std::sort(all.begin(), all.end(), [](const DeviceMemoryUse& a, const DeviceMemoryUse& b) {
    return a.gpu < b.gpu;
  });
  return most_ = std::move(all);
}

void Executors::bury(ExecutorId executor) {
  if (memory_.erase(executor) > 0) memoryChanged_ = true;
  burials_.add(kj::evalLast([this, executor]() { executors_.erase(executor); }));
}

void Executors::taskFailed(kj::Exception&& e) {
  spdlog::error("executors: {}", e.getDescription().cStr());
}

void Executors::start(ExecutorId executor, const JobNotice& job) {
  auto made = kj::heap<Executor>(*this, executor, job);
  Executor& started = *made;
  executors_[executor] = kj::mv(made);
  started.fetchAndStart();
}

void Executors::order(ExecutorId executor, Orders orders) {
  auto it = executors_.find(executor);
  if (it != executors_.end()) it->second->order(std::move(orders));
}

void Executors::stop(ExecutorId executor) {
  auto it = executors_.find(executor);
  if (it != executors_.end()) it->second->stop();
}

}  // namespace alnilam
