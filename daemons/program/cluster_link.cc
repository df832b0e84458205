#include "daemons/program/cluster_link.h"

#include "core/engine/session.h"
#include "daemons/program/host_identity.h"
#include "daemons/program/program_file.h"
#include "daemons/program/stores.h"
#include "schema/client.capnp.h"
#include "transport/rpc/batch_size.h"
#include "transport/rpc/batcher.h"
#include "transport/rpc/client_codec.h"
#include "daemons/program/dialer.h"
#include "transport/rpc/loop_call.h"
#include "transport/rpc/wakeup.h"

#include <kj/debug.h>
#include <kj/async-io.h>

#include <cstdlib>
#include <future>
#include <optional>
#include <thread>

namespace alnilam {
namespace {

constexpr unsigned kUploadsInFlight = 8;
constexpr Bytes kUploadPart = 1_MiB;

Refusal lostRefusal(const std::string& head, const std::string& why) {
  return {RefusalCode::unavailable,
          "the head at " + head + " is gone" + (why.empty() ? "" : ": " + why)};
}

// The loop's side: everything of the connection, made and destroyed on the loop's thread.
class Loop final : private rpc::Recipient {
 public:
  Loop(kj::AsyncIoContext& io, const ClusterLink::Options& options, const rpc::Secret& secret,
       std::function<void()> wake)
      : io_(io),
        options_(options),
        dialer_(io, secret, rpc::Role::client),
        stores_(dialer_, hostIdentity(), std::move(wake)) {}
  ~Loop() {
    if (mailbox_.get() != nullptr) mailbox_->close(*this);
  }

  // Connects and opens the job.
  kj::Promise<Result<JobId>> open(const ProgramIdentity& program) {
    return dialer_.call(options_.head)
        .then([this, &program](Result<kj::Own<rpc::Connection>> made)
                  -> kj::Promise<Result<JobId>> {
          if (!made) return Result<JobId>(made.error());
          connection_ = std::move(made).value();
          mailbox_ = connection_->mailbox();
          return openJob(program);
        });
  }

  // From now on the session's batches go to the head.  Resolves when the head is gone.
  kj::Promise<std::string> serve(Session& session) {
    session_ = &session;
    mailbox_->open(*this);  // what the head told already is delivered now
    batches_ = kj::heap<rpc::Batcher<ClientBatch>>(rpc::Batcher<ClientBatch>::Wiring{
        kj::addRef(*mailbox_),
        [this](ClientBatch& batch) { return session_->take(batch); },
        [this](ClientBatch& batch) { rpc::post<schema::ClientBatch>(*mailbox_, batch); }});
    batches_->wake();
    return connection_->whenEnded();
  }

  void wake() {
    stores_.releaseUnpinned();
    if (batches_) batches_->wake();
  }

  kj::Promise<Result<Blob>> fetch(ObjectId object, const Value& stored) {
    return stores_.fetch(object, stored);
  }
  kj::Promise<Result<kj::Own<Stores::Room>>> allocate(ObjectId object, Bytes size) {
    return job().nodesRequest().send().then([this, object, size](auto response) {
      for (auto node : response.getNodes()) know(node);
      return stores_.allocate(object, size);
    });
  }
  kj::Promise<Result<std::vector<UsageRow>>> usage() {
    return job().usageRequest().send().then(
        [](auto response) -> Result<std::vector<UsageRow>> {
          std::vector<UsageRow> rows;
          for (auto row : response.getRows()) {
            Result<UsageRow> read = rpc::read(row);
            if (!read) return read.error();
            rows.push_back(std::move(read).value());
          }
          return rows;
        });
  }
  kj::Promise<Result<std::string>> explain(TaskId task) {
    auto gate = connection_->bootstrap().castAs<schema::ClientGate>();
    auto request = gate.inspectRequest().send().getInspector().explainRequest();
    request.setTask(task.value);
    return request.send().then([](auto response) -> Result<std::string> {
      return std::string(response.getText().begin(), response.getText().size());
    });
  }
  kj::Timer& timer() { return io_.provider->getTimer(); }

 private:
  void delivered(capnp::AnyPointer::Reader mail) override {
    Result<rpc::Told> told = rpc::read(mail.getAs<schema::Told>());
    if (!told) {  // something that is waited for will never come
      mailbox_->refuse(told.error());
      return session_->lost(told.error());
    }
    for (const rpc::NodeAddress& node : told.value().nodes) stores_.know(node);
    session_->told(told.value().values);
  }
  void returned(const Refusal& why) override { session_->lost(why); }

  schema::Job::Client& job() { return KJ_ASSERT_NONNULL(job_); }

  void know(schema::NodeAddress::Reader from) {
    Result<rpc::NodeAddress> node = rpc::read(from);
    if (node) stores_.know(node.value());
  }

  kj::Promise<Result<JobId>> openJob(const ProgramIdentity& program) {
    auto request = connection_->bootstrap().castAs<schema::ClientGate>().openRequest();
    request.setName(options_.name);
    rpc::write(rpc::Program{program.hash, program.size, options_.arguments},
               request.initProgram());
    rpc::write(options_.share, request.initShare());
    return request.send().then(
        [this, &program](auto response) -> kj::Promise<Result<JobId>> {
          auto outcome = response.getOutcome();
          if (outcome.isRefusal()) return Result<JobId>(rpc::read(outcome.getRefusal()));
          job_ = outcome.getJob();
          for (auto node : outcome.getNodes()) know(node);
          JobId id{outcome.getId()};
          if (!outcome.getProgramNeeded()) return Result<JobId>(id);
          return upload(program).then([id](std::optional<Refusal> refused) -> Result<JobId> {
            if (refused) return *refused;
            return id;
          });
        });
  }

  kj::Promise<std::optional<Refusal>> upload(const ProgramIdentity& program) {
    return uploadFrom(0, program.size);
  }

  // Several parts in flight, in order.
  kj::Promise<std::optional<Refusal>> uploadFrom(Bytes offset, Bytes size) {
    kj::Vector<kj::Promise<std::optional<Refusal>>> parts;
    for (unsigned i = 0; i < kUploadsInFlight && offset < size; ++i, offset += kUploadPart) {
      std::string bytes = readPart(options_.program, offset, kUploadPart);
      auto request = job().uploadRequest();
      request.setOffset(offset);
      request.setBytes(kj::ArrayPtr<const kj::byte>(
          reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()));
      parts.add(request.send().then([](auto response) -> std::optional<Refusal> {
        if (response.hasRefusal()) return rpc::read(response.getRefusal());
        return std::nullopt;
      }));
    }
    return kj::joinPromises(parts.releaseAsArray())
        .then([this, offset, size](kj::Array<std::optional<Refusal>> answers)
                  -> kj::Promise<std::optional<Refusal>> {
          for (auto& answer : answers) {
            if (answer) return answer;
          }
          if (offset >= size) return std::optional<Refusal>();
          return uploadFrom(offset, size);
        });
  }

  kj::AsyncIoContext& io_;
  const ClusterLink::Options& options_;
  Dialer dialer_;
  Stores stores_;
  Session* session_ = nullptr;
  kj::Own<rpc::Connection> connection_;
  kj::Own<rpc::Mailbox> mailbox_;  // of connection_
  kj::Maybe<schema::Job::Client> job_;
  kj::Own<rpc::Batcher<ClientBatch>> batches_;  // last: it uses the members above
};

}  // namespace

struct ClusterLink::State final : SessionLink {
  explicit State(Options given) : options(std::move(given)) {}
  ~State() noexcept override;

  // The loop's thread: connects, tells `opened`, serves until it is told to leave.
  void run(const rpc::Secret& secret, const ProgramIdentity& program,
           std::promise<Result<JobId>>& opened);

  // SessionLink, called by user threads.
  void wake() override { wakeup->wake(); }
  Result<Blob> fetch(ObjectId object, const Value& stored,
                     std::optional<Duration> timeout) override;
  Result<Value> store(ObjectId object, Bytes size,
                      const std::function<void(std::span<std::byte>)>& fill) override;
  Result<std::vector<UsageRow>> usage() override;
  Result<std::string> explain(TaskId task) override;

  // Runs `ask` on the loop and waits for what it promises; what it throws is a refusal.
  template <typename T, typename Ask>
  Result<T> onLoop(Ask&& ask);

  Options options;
  std::optional<Session> session;
  std::thread thread;

  // Made by the loop's thread before `opened` is told; they last until the thread has been joined.
  rpc::Wakeup* wakeup = nullptr;
  Loop* loop = nullptr;
  kj::Own<const kj::Executor> executor;
  kj::Own<kj::PromiseFulfiller<void>> leave;  // used on the loop only
};

ClusterLink::State::~State() noexcept {
  if (!thread.joinable()) return;
  if (leave.get() != nullptr) {
    // A loop that has ended already is joined all the same.
    static_cast<void>(kj::runCatchingExceptions(
        [this]() { rpc::runOn(*executor, [this]() { leave->fulfill(); }); }));
  }
  thread.join();
}

void ClusterLink::State::run(const rpc::Secret& secret, const ProgramIdentity& program,
                             std::promise<Result<JobId>>& opened) {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  rpc::Wakeup ring(io.unixEventPort, [this]() { loop->wake(); });
  Loop made(io, options, secret, [&ring]() { ring.wake(); });
  auto paf = kj::newPromiseAndFulfiller<void>();
  Result<JobId> job = Refusal{RefusalCode::unavailable, ""};
  auto failed = kj::runCatchingExceptions(
      [&]() { job = made.open(program).wait(io.waitScope); });
  KJ_IF_MAYBE(exception, failed) {
    job = lostRefusal(options.head, exception->getDescription().cStr());
  }
  if (!job) return opened.set_value(job);

  wakeup = &ring;
  loop = &made;
  executor = kj::getCurrentThreadExecutor().addRef();
  leave = kj::mv(paf.fulfiller);
  session.emplace(job.value(), kInlineLimit, *this);
  auto gone = [this](std::string why) { session->lost(lostRefusal(options.head, why)); };
  auto serving = made.serve(*session).then(gone).eagerlyEvaluate([](kj::Exception&&) {});
  opened.set_value(job);
  paf.promise.wait(io.waitScope);
}

template <typename T, typename Ask>
Result<T> ClusterLink::State::onLoop(Ask&& ask) {
  Result<T> answer = Refusal{RefusalCode::unavailable, ""};
  auto failed =
      kj::runCatchingExceptions([&]() { answer = rpc::callOn<Result<T>>(*executor, ask); });
  KJ_IF_MAYBE(exception, failed) {
    return lostRefusal(options.head, exception->getDescription().cStr());
  }
  return answer;
}

Result<Blob> ClusterLink::State::fetch(ObjectId object, const Value& stored,
                                       std::optional<Duration> timeout) {
  return onLoop<Blob>([&]() {
    auto fetched = loop->fetch(object, stored);
    if (!timeout) return fetched;
    auto late = loop->timer().afterDelay(timeout->count() * kj::NANOSECONDS).then([object]() {
      return Result<Blob>(Refusal{RefusalCode::overloaded,
                                  "object " + show(object) + " did not arrive in time"});
    });
    return fetched.exclusiveJoin(kj::mv(late));
  });
}

Result<Value> ClusterLink::State::store(
    ObjectId object, Bytes size, const std::function<void(std::span<std::byte>)>& fill) {
  Result<kj::Own<Stores::Room>> room =
      onLoop<kj::Own<Stores::Room>>([&]() { return loop->allocate(object, size); });
  if (!room) return room.error();
  kj::Own<Stores::Room> filled = std::move(room).value();
  // The room's capabilities end on the loop as well, also when `fill` throws.
  KJ_DEFER(if (filled.get() != nullptr) static_cast<void>(onLoop<bool>([&]() {
    auto given = kj::mv(filled);
    return kj::Promise<Result<bool>>(Result<bool>(true));
  })));
  fill(filled->bytes);
  NodeId node = filled->node;
  Result<bool> sealed = onLoop<bool>([&]() {
    auto promise = filled->seal();
    return promise.attach(kj::mv(filled));
  });
  if (!sealed) return sealed.error();
  return Value::at(size, {node});
}

Result<std::vector<UsageRow>> ClusterLink::State::usage() {
  return onLoop<std::vector<UsageRow>>([&]() { return loop->usage(); });
}

Result<std::string> ClusterLink::State::explain(TaskId task) {
  return onLoop<std::string>([&]() { return loop->explain(task); });
}

Result<std::shared_ptr<ClusterLink>> ClusterLink::connect(Options options) {
  if (options.secretFile.empty()) {
    auto text = [](const char* name) {
      const char* value = std::getenv(name);
      return std::string(value ? value : "");
    };
    Result<std::string> path = rpc::defaultSecretPath(text("XDG_RUNTIME_DIR"), text("HOME"));
    if (!path) return path.error();
    options.secretFile = path.value();
  }
  Result<rpc::Secret> secret = rpc::readSecret(options.secretFile);
  if (!secret) return secret.error();
  Result<ProgramIdentity> program = identify(options.program);
  if (!program) return program.error();

  auto state = std::make_unique<State>(std::move(options));
  std::promise<Result<JobId>> opened;
  state->thread = std::thread([raw = state.get(), &secret, &program, &opened] {
    raw->run(secret.value(), program.value(), opened);
  });
  Result<JobId> job = opened.get_future().get();
  if (!job) return job.error();
  return std::shared_ptr<ClusterLink>(new ClusterLink(std::move(state)));
}

ClusterLink::ClusterLink(std::unique_ptr<State> state) : state_(std::move(state)) {}
ClusterLink::~ClusterLink() = default;

Backend& ClusterLink::backend() { return *state_->session; }

}  // namespace alnilam
