#include "daemons/head/job_service.h"

#include "daemons/head/inspector.h"
#include "transport/rpc/batch_size.h"
#include "transport/rpc/batcher.h"
#include "transport/rpc/client_codec.h"
#include "transport/rpc/piggyback.h"

#include <kj/debug.h>
#include <spdlog/spdlog.h>


namespace alnilam {
namespace {

constexpr unsigned kTellsInFlight = 16;

class JobServer final : public schema::Job::Server, private HeadDriver::JobPeer {
 public:
  JobServer(HeadState& state, rpc::Program program, schema::Submitter::Client submitter)
      : state_(state),
        program_(std::move(program)),
        submitter_(kj::mv(submitter)),
        acknowledgements_(state.timer),
        outbox_([this](rpc::Told& told) { return send(told); },
                [](kj::Exception&&) {},  // the connection is over, and the job with it
                kTellsInFlight) {}

  ~JobServer() noexcept(false) {
    if (!job_) return;
    state_.driver.close(job_);
    state_.programs.giveUp(job_);
    state_.usage.forget(job_);
  }

  Result<JobId> open(std::string name) {
    Result<JobId> job = state_.driver.open(*this, {.session = 0,
                                                   .name = name,
                                                   .program = program_.hash,
                                                   .arguments = program_.arguments});
    if (job) {
      job_ = job.value();
      spdlog::info("job {} opened: {}", show(job_), name);
    }
    return job;
  }

 protected:
  kj::Promise<void> submit(SubmitContext context) override {
    Result<ClientBatch> batch = rpc::read(context.getParams().getBatch(), job_);
    if (!batch) {
      rpc::write(batch.error(), context.getResults().initRefusal());
    } else {
      take(std::move(batch).value());
    }
    return acknowledgements_.answerLater();
  }

  kj::Promise<void> upload(UploadContext context) override {
    auto params = context.getParams();
    auto bytes = params.getBytes();
    Result<bool> taken = state_.programs.upload(
        job_, {program_.hash, program_.size}, params.getOffset(),
        {reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()});
    if (!taken) rpc::write(taken.error(), context.getResults().initRefusal());
    return kj::READY_NOW;
  }

  kj::Promise<void> nodes(NodesContext context) override {
    std::vector<rpc::NodeAddress> all = state_.driver.directory();
    auto list = context.getResults().initNodes(static_cast<unsigned>(all.size()));
    for (unsigned i = 0; i < list.size(); ++i) rpc::write(all[i], list[i]);
    return kj::READY_NOW;
  }

  kj::Promise<void> usage(UsageContext context) override {
    std::vector<UsageRow> rows =
        state_.usage.rows(job_, state_.driver.brain().nodes(), state_.lanes());
    auto list = context.getResults().initRows(static_cast<unsigned>(rows.size()));
    for (unsigned i = 0; i < list.size(); ++i) rpc::write(rows[i], list[i]);
    return kj::READY_NOW;
  }

 private:
  void take(ClientBatch batch) {
    HeadDriver& driver = state_.driver;
    // Classes first, and puts before the tasks that read them.
    if (!batch.classes.empty()) driver.feed(head::Submit{job_, std::move(batch.classes), {}});
    for (auto& [object, value] : batch.puts) {
      if (value.state == Value::State::stored) state_.usage.put(object);
      driver.feed(head::Put{object, std::move(value)});
    }
    if (!batch.tasks.empty()) driver.feed(head::Submit{job_, {}, std::move(batch.tasks)});
    if (!batch.wants.empty()) driver.feed(head::Want{job_, std::move(batch.wants)});
    if (!batch.cancels.empty()) driver.feed(head::Cancel{job_, std::move(batch.cancels)});
    if (!batch.releases.empty()) driver.feed(head::Release{job_, std::move(batch.releases)});
  }

  void told(HeadDriver::Values values) override {
    rpc::Told& pending = outbox_.open();
    for (auto& [object, value] : values) {
      if (value.state == Value::State::stored) {
        addresses_.add(state_.driver, value.holders, pending.nodes);
      }
      pending.values.emplace_back(object, std::move(value));
    }
  }

  kj::Promise<void> send(const rpc::Told& told) {
    auto request = submitter_.toldRequest(rpc::sizeHint(told));
    rpc::write(told, request.initTold());
    acknowledgements_.goesOut();
    return request.send().then(
        [this](auto response) { acknowledgements_.keep(kj::mv(response)); });
  }

  HeadState& state_;
  rpc::Program program_;
  schema::Submitter::Client submitter_;
  JobId job_;
  ToldAddresses addresses_;
  rpc::Piggyback acknowledgements_;
  rpc::Outbox<rpc::Told> outbox_;  // last: its calls use the members above
};

class ClientGateServer final : public schema::ClientGate::Server {
 public:
  explicit ClientGateServer(HeadState& state) : state_(state) {}

 protected:
  kj::Promise<void> open(OpenContext context) override {
    auto params = context.getParams();
    auto outcome = context.getResults().initOutcome();
    Result<rpc::Program> program = rpc::read(params.getProgram());
    if (!program) {
      rpc::write(program.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    ProgramIdentity identity{program.value().hash, program.value().size};
    Result<bool> needed = state_.programs.announce(identity);
    if (!needed) {
      rpc::write(needed.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    auto server = kj::heap<JobServer>(state_, std::move(program).value(), params.getSubmitter());
    Result<JobId> job = server->open(cleanMessage(params.getName().cStr()).substr(0, 255));
    if (!job) {
      rpc::write(job.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    outcome.setJob(kj::mv(server));
    outcome.setId(job.value().value);
    outcome.setProgramNeeded(needed.value());
    std::vector<rpc::NodeAddress> all = state_.driver.directory();
    auto list = outcome.initNodes(static_cast<unsigned>(all.size()));
    for (unsigned i = 0; i < list.size(); ++i) rpc::write(all[i], list[i]);
    return kj::READY_NOW;
  }

  kj::Promise<void> inspect(InspectContext context) override {
    context.getResults().setInspector(makeInspector(state_));
    return kj::READY_NOW;
  }

 private:
  HeadState& state_;
};

}  // namespace

schema::ClientGate::Client makeClientGate(HeadState& state) {
  return kj::heap<ClientGateServer>(state);
}

}  // namespace alnilam
