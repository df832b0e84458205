#include "daemons/node/mover_link.h"

#include <capnp/message.h>
#include <kj/debug.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

namespace alnilam {
namespace {

constexpr int kArenaFd = 4;  // in the mover; 3 is its socket

// What a mover is given of our environment: nothing that may be a secret.
std::vector<std::string> moverEnvironment() {
  // Faults of peers are reported by the mover, once; UCX need not.
  std::vector<std::string> kept = {"UCX_HANDLE_ERRORS=none", "UCX_VFS_ENABLE=n",
                                   "UCX_WARN_UNUSED_ENV_VARS=n"};
  if (getenv("UCX_LOG_LEVEL") == nullptr) kept.push_back("UCX_LOG_LEVEL=fatal");
  for (char** entry = environ; *entry != nullptr; ++entry) {
    for (const char* prefix : {"UCX_", "LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=",
                               "TSAN_OPTIONS=", "LSAN_OPTIONS="}) {
      if (std::strncmp(*entry, prefix, std::strlen(prefix)) == 0) kept.push_back(*entry);
    }
  }
  return kept;
}

std::string lastLine(const std::string& text) {
  auto end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  auto begin = text.find_last_of('\n', end);
  begin = begin == std::string::npos ? 0 : begin + 1;
  return text.substr(begin, end - begin + 1);
}

// A lost connection is no reason: how the process ended is.
std::string whyOf(const kj::Exception& e) {
  return e.getType() == kj::Exception::Type::DISCONNECTED ? "" : e.getDescription().cStr();
}

Result<MoverLink::PullReport> refused(std::string why) {
  return Refusal{RefusalCode::unavailable, std::move(why)};
}

}  // namespace

struct MoverLink::Life {
  kj::Own<ChildProcess> child;
  capnp::TwoPartyClient connection;
  schema::Mover::Client mover;

  explicit Life(kj::Own<ChildProcess> process)
      : child(kj::mv(process)),
        connection(child->socket()),
        mover(connection.bootstrap().castAs<schema::Mover>()) {}
};

MoverLink::MoverLink(kj::AsyncIoContext& io, const Arena& arena, Config config, Listener& listener)
    : io_(io),
      arena_(arena),
      config_(std::move(config)),
      listener_(listener),
      tasks_(*this) {
  launch();
}

MoverLink::~MoverLink() noexcept(false) {}

void MoverLink::taskFailed(kj::Exception&& e) { KJ_LOG(ERROR, "mover link", e); }

// ---- The mover's lives

void MoverLink::launch() {
  ChildProcess::Spec spec;
  spec.path = config_.program;
  spec.arguments = config_.arguments;
  spec.environment = moverEnvironment();
  spec.descriptors = {{arena_.fd(), kArenaFd}};
  auto child = ChildProcess::start(io_, spec);
  if (!child) {
    ++failures_;
    return ended(child.error().why);
  }
  life_ = kj::heap<Life>(std::move(child).value());
  std::uint64_t life = ++lives_;
  // From the start: KJ drops the end of a child that nobody waits for.
  tasks_.add(life_->child->onExit().then(
      [this, life](std::string how) { reaped(life, std::move(how)); }));

  auto request = life_->mover.startRequest();
  auto start = request.initStart();
  start.setArenaFd(kArenaFd);
  start.setArenaBytes(arena_.size());
  auto interfaces = start.initInterfaces(static_cast<kj::uint>(config_.interfaces.size()));
  for (kj::uint i = 0; i < interfaces.size(); ++i) interfaces.set(i, config_.interfaces[i]);
  start.setFaultIn(config_.faultIn);

  tasks_.add(request.send().then(
      [this](auto answer) { started(kj::mv(answer)); },
      [this, life](kj::Exception&& e) {
        end(life, whyOf(e));
      }));
  tasks_.add(life_->connection.onDisconnect().then([this, life]() { end(life, ""); }));
}

void MoverLink::started(capnp::Response<schema::Mover::StartResults> answer) {
  auto address = answer.getAddress().asChars();
  address_.assign(address.begin(), address.size());
  up_ = true;
  failures_ = 0;
  toPublish_.clear();
  for (auto& [object, place] : published_) toPublish_.push_back(object);
  flush();
  listener_.moverUp(address_, std::string(answer.getTransports().cStr()));
  for (auto& waiter : std::exchange(waiters_, {})) waiter->fulfill();
}

// Ends this life for certain; `reaped` follows.
void MoverLink::end(std::uint64_t life, std::string why) {
  if (ending_ || life_.get() == nullptr || life != lives_) return;
  ending_ = true;
  if (!up_) ++failures_;
  up_ = false;
  address_.clear();
  endingWhy_ = std::move(why);
  life_->child->kill();
}

void MoverLink::reaped(std::uint64_t life, std::string how) {
  if (life_.get() == nullptr || life != lives_) return;
  end(life, "");  // unless it has been: the process can be gone before its socket is
  ending_ = false;
  std::string words = lastLine(life_->child->stderrTail());
  bool itself = how.rfind("exit", 0) == 0;  // then its last words say why
  if (endingWhy_.empty() && itself && !words.empty()) how += ": " + words;
  std::string why = std::exchange(endingWhy_, "");
  life_ = nullptr;
  ended(why.empty() ? how : why + " (" + how + ")");
}

void MoverLink::ended(std::string why) {
  lastWhy_ = std::move(why);
  spdlog::warn("the mover ended: {}; starting it again", lastWhy_);
  // Nobody reads through a mover that has been reaped.
  for (auto& withdrawal : std::exchange(toWithdraw_, {})) withdrawal.done->fulfill();
  if (failures_ >= kTries) {
    for (auto& waiter : std::exchange(waiters_, {})) {
      waiter->reject(KJ_EXCEPTION(FAILED, "the mover cannot be started", lastWhy_.c_str()));
    }
  }
  Duration pause = std::min(config_.restartAfter * (1 << std::min(failures_, 10)), kLongestPause);
  tasks_.add(io_.provider->getTimer().afterDelay(pause.count() * kj::NANOSECONDS).then([this]() {
    launch();
  }));
}

kj::Promise<void> MoverLink::whenUp() {
  if (up_) return kj::READY_NOW;
  if (failures_ >= kTries) {
    return KJ_EXCEPTION(FAILED, "the mover cannot be started", lastWhy_.c_str());
  }
  auto waiter = kj::newPromiseAndFulfiller<void>();
  waiters_.add(kj::mv(waiter.fulfiller));
  return kj::mv(waiter.promise);
}

kj::Promise<void> MoverLink::whenReaped(std::uint64_t life) {
  if (life_.get() == nullptr || life != lives_) return kj::READY_NOW;
  auto waiter = kj::newPromiseAndFulfiller<void>();
  toWithdraw_.add(Withdrawal{{}, kj::mv(waiter.fulfiller)});
  return kj::mv(waiter.promise);
}

pid_t MoverLink::pid() const { return up_ ? life_->child->pid() : 0; }

// ---- What it is asked

kj::Promise<Result<MoverLink::PullReport>> MoverLink::pull(ObjectId object, Bytes size,
                                                           Bytes offset,
                                                           std::vector<Holder> holders) {
  auto message = kj::heap<capnp::MallocMessageBuilder>();
  auto request = message->initRoot<schema::PullRequest>();
  request.setObject(object.value);
  request.setSize(size);
  request.setOffset(offset);
  auto list = request.initHolders(static_cast<kj::uint>(holders.size()));
  for (kj::uint i = 0; i < list.size(); ++i) {
    list[i].setNode(holders[i].node.value);
    const std::string& address = holders[i].address;
    list[i].setAddress(kj::StringPtr(address.c_str(), address.size()).asBytes());
  }
  return attempt(kj::mv(message), kTries);
}

kj::Promise<Result<MoverLink::PullReport>> MoverLink::attempt(
    kj::Own<capnp::MallocMessageBuilder> message, int tries) {
  auto& kept = *message;
  auto asked = std::make_shared<std::uint64_t>(0);  // owners: this function's two continuations
  auto sent = whenUp().then([this, &kept, asked]() {
    *asked = lives_;
    auto call = life_->mover.pullRequest();
    call.setRequest(kept.getRoot<schema::PullRequest>().asReader());
    return call.send();
  });
  return sent.then(
      [](auto answer) -> kj::Promise<Result<PullReport>> {
        auto outcome = answer.getOutcome();
        if (outcome.getFailure().size() > 0) {
          return refused(outcome.getFailure().cStr());
        }
        return Result<PullReport>(PullReport{
            outcome.getBytes(), Duration(outcome.getNanoseconds()), NodeId{outcome.getFrom()},
            std::string(outcome.getLane().cStr())});
      },
      [this, tries, asked, message = kj::mv(message)](
          kj::Exception&& e) mutable -> kj::Promise<Result<PullReport>> {
        if (failures_ >= kTries) return refused("the mover cannot be started: " + lastWhy_);
        if (e.getType() != kj::Exception::Type::DISCONNECTED) {
          return refused(std::string("mover: ") + e.getDescription().cStr());
        }
        if (tries <= 1) {
          return refused("the mover ended " + std::to_string(kTries) + " times over this object");
        }
        end(*asked, "");
        return attempt(kj::mv(message), tries - 1);
      });
}

void MoverLink::publish(ObjectId object, Extent place) {
  if (!toWithdraw_.empty()) flush();
  published_[object] = place;
  toPublish_.push_back(object);
  if (flushDue_) return;
  flushDue_ = true;
  tasks_.add(kj::evalLast([this]() { flush(); }));
}

kj::Promise<void> MoverLink::withdraw(ObjectId object) {
  bool known = published_.erase(object) > 0;
  bool told = up_ || ending_;  // a mover that only starts has not been told of anything
  if (!known || !told) return kj::READY_NOW;
  auto done = kj::newPromiseAndFulfiller<void>();
  toWithdraw_.add(Withdrawal{object, kj::mv(done.fulfiller)});
  if (!flushDue_) {
    flushDue_ = true;
    tasks_.add(kj::evalLast([this]() { flush(); }));
  }
  return kj::mv(done.promise);
}

void MoverLink::flush() {
  flushDue_ = false;
  if (!up_) return;  // `started` tells all that is published
  auto publishing = std::exchange(toPublish_, {});
  auto gone = [this](ObjectId object) { return !published_.contains(object); };
  publishing.erase(std::remove_if(publishing.begin(), publishing.end(), gone), publishing.end());
  if (!publishing.empty()) {
    auto request = life_->mover.publishRequest();
    auto list = request.initObjects(static_cast<kj::uint>(publishing.size()));
    for (kj::uint i = 0; i < list.size(); ++i) {
      Extent place = published_[publishing[i]];
      list[i].setObject(publishing[i].value);
      list[i].setOffset(place.offset);
      list[i].setSize(place.size);
    }
    tasks_.add(request.send().then([](auto&&) {}, [this, life = lives_](kj::Exception&& e) {
      end(life, whyOf(e));
    }));
  }
  // One call for each: an object that is still read must not hold up the places of the others.
  for (auto& withdrawal : std::exchange(toWithdraw_, {})) {
    auto request = life_->mover.withdrawRequest();
    request.initObjects(1).set(0, withdrawal.object.value);
    tasks_.add(request.send().ignoreResult().catch_([this, life = lives_](kj::Exception&&) {
      end(life, "");
      return whenReaped(life);
    }).then([done = kj::mv(withdrawal.done)]() mutable { done->fulfill(); }));
  }
}

kj::Promise<std::vector<rpc::Lane>> MoverLink::lanes() {
  if (!up_) return std::vector<rpc::Lane>();
  return life_->mover.lanesRequest().send().then(
      [](auto answer) {
        std::vector<rpc::Lane> lanes;
        for (auto lane : answer.getLanes()) {
          if (auto parsed = rpc::read(lane)) lanes.push_back(std::move(parsed).value());
        }
        return lanes;
      },
      [](kj::Exception&&) { return std::vector<rpc::Lane>(); });
}

}  // namespace alnilam
