#include "daemons/head/job_service.h"

#include "daemons/head/inspector.h"
#include "transport/rpc/batch_size.h"
#include "transport/rpc/batcher.h"
#include "transport/rpc/client_codec.h"

#include <kj/debug.h>
#include <spdlog/spdlog.h>


namespace alnilam {
namespace {

class JobServer final : public schema::Job::Server,
                        private HeadDriver::JobPeer,
                        private rpc::Recipient {
 public:
  JobServer(HeadState& state, rpc::Program program, rpc::Mailbox& mailbox)
      : state_(state),
        program_(std::move(program)),
        mailbox_(kj::addRef(mailbox)),
        outbox_(kj::addRef(mailbox),
                [this](rpc::Told& told) { rpc::post<schema::Told>(*mailbox_, told); }) {}

  ~JobServer() noexcept(false) {
    mailbox_->close(*this);
    if (!job_) return;
    state_.driver.close(job_);
    state_.programs.giveUp(job_);
    state_.usage.forget(job_);
  }

  Result<JobId> open(std::string name, JobShare share) {
    Result<JobId> job = state_.driver.open(*this, {.session = 0,
                                                   .name = name,
                                                   .program = program_.hash,
                                                   .arguments = program_.arguments,
                                                   .share = std::move(share)});
    if (job) {
      job_ = job.value();
      mailbox_->open(*this);
      spdlog::info("job {} opened: {}", show(job_), name);
    }
    return job;
  }

 protected:
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
        state_.usage.rows(job_, state_.driver.brain(), state_.lanes());
    auto list = context.getResults().initRows(static_cast<unsigned>(rows.size()));
    for (unsigned i = 0; i < list.size(); ++i) rpc::write(rows[i], list[i]);
    return kj::READY_NOW;
  }

 private:
  void delivered(capnp::AnyPointer::Reader mail) override {
    Result<ClientBatch> batch = rpc::read(mail.getAs<schema::ClientBatch>(), job_);
    if (!batch) return mailbox_->refuse(batch.error());
    take(std::move(batch).value());
  }
  void returned(const Refusal& why) override {  // it waits for what it cannot read
    spdlog::error("job {} cannot read what it was told: {}", show(job_), why.why);
  }

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

  HeadState& state_;
  rpc::Program program_;
  kj::Own<rpc::Mailbox> mailbox_;
  JobId job_;
  ToldAddresses addresses_;
  rpc::Outbox<rpc::Told> outbox_;  // last: it uses the members above
};

class ClientGateServer final : public schema::ClientGate::Server {
 public:
  ClientGateServer(HeadState& state, rpc::Mailbox& mailbox)
      : state_(state), mailbox_(kj::addRef(mailbox)) {}

 protected:
  kj::Promise<void> open(OpenContext context) override {
    auto params = context.getParams();
    auto outcome = context.getResults().initOutcome();
    if (hasJob_) {
      rpc::write(Refusal{RefusalCode::invalid, "this connection has opened a job already"},
                 outcome.initRefusal());
      return kj::READY_NOW;
    }
    Result<rpc::Program> program = rpc::read(params.getProgram());
    if (!program) {
      rpc::write(program.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    Result<JobShare> share = rpc::read(params.getShare());
    if (!share) {
      rpc::write(share.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    ProgramIdentity identity{program.value().hash, program.value().size};
    Result<bool> needed = state_.programs.announce(identity);
    if (!needed) {
      rpc::write(needed.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    auto server = kj::heap<JobServer>(state_, std::move(program).value(), *mailbox_);
    Result<JobId> job = server->open(cleanMessage(params.getName().cStr()).substr(0, 255),
                                       std::move(share).value());
    if (!job) {
      rpc::write(job.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    hasJob_ = true;
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
  kj::Own<rpc::Mailbox> mailbox_;
  bool hasJob_ = false;
};

}  // namespace

schema::ClientGate::Client makeClientGate(HeadState& state, rpc::Mailbox& mailbox) {
  return kj::heap<ClientGateServer>(state, mailbox);
}

}  // namespace alnilam
