#pragma once
// The node's side of its mover: starts it, keeps it running, and asks it to move objects.
//
//   down -- launch --> starting -- start() answered --> up -- connection lost --> down
//
// The mover can crash at any time without taking anything along.  When that happens it is killed
// for certain and reaped before anything else, so that nobody writes to the arena any more; then it
// is started again after a pause that grows with failures in a row, told again of every published
// object, and asked again for the pulls that were on their way.  A pull is refused only after
// kTries movers have died over it, or when no mover can be started kTries times in a row.
//
// A new mover has a new address: Listener::moverUp must tell the head, or nobody finds this node.
//
// publish and withdraw of one turn of the event loop leave as one message, in order.
//
// Threading: one event loop, on whose port UnixEventPort::captureChildExit() has been called before
//   it was made.  Lifetime: io, arena and listener outlive the link; destroying it ends the mover.
// Errors: pulls answer with a Refusal (unavailable); a mover's death is logged and told to nobody.

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/units.h"
#include "daemons/node/child_process.h"
#include "schema/mover.capnp.h"
#include "transport/memory/arena.h"
#include "transport/rpc/mover_codec.h"

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/async.h>
#include <kj/vector.h>

#include <map>
#include <string>
#include <vector>

namespace alnilam {

class MoverLink final : private kj::TaskSet::ErrorHandler {
 public:
  struct Config {
    std::string program;                  // path of alnilam-mover
    std::vector<std::string> arguments;   // of it
    std::vector<std::string> interfaces;  // that the operator named as trusted; empty: this host
    bool faultIn = false;                 // map all of the arena ahead
    Duration restartAfter = std::chrono::milliseconds(20);  // doubles up to kLongestPause
  };
  struct Holder {
    NodeId node;
    std::string address;  // what its Listener was told
  };
  struct PullReport {
    Bytes bytes = 0;
    Duration took{};
    NodeId from;       // who served (the last part of) it
    std::string lane;  // "posix", "tcp/eth1"
  };
  class Listener {
   public:
    // A mover serves under `address`; `transports` is what it can use, for people.
    virtual void moverUp(const std::string& address, const std::string& transports) = 0;
  };

  MoverLink(kj::AsyncIoContext& io, const Arena& arena, Config config, Listener& listener);
  ~MoverLink() noexcept(false);

  // Moves `object` into [offset, offset + size) of the arena, which is nobody else's until the
  // answer.  `holders`: best first.
  kj::Promise<Result<PullReport>> pull(ObjectId object, Bytes size, Bytes offset,
                                       std::vector<Holder> holders);

  // Others may pull it from now on, until `withdraw` or a mover's end after the link's.
  void publish(ObjectId object, Extent place);

  // Nobody may any more.  True when no transfer reads it, so that its place can be used again.
  kj::Promise<void> withdraw(ObjectId object);

  // What this mover's pulls used, by peer, since it was started.  Empty while it is down.
  kj::Promise<std::vector<rpc::Lane>> lanes();

  // Of the running mover; 0 while it is down.
  pid_t pid() const;
  const std::string& address() const { return address_; }  // empty while it is down

  static constexpr int kTries = 3;
  static constexpr Duration kLongestPause = std::chrono::seconds(2);

 private:
  struct Life;  // of one mover process

  void launch();
  void started(capnp::Response<schema::Mover::StartResults> answer);
  void end(std::uint64_t life, std::string why);
  void reaped(std::uint64_t life, std::string how);
  void ended(std::string why);
  void flush();
  kj::Promise<void> whenUp();
  kj::Promise<void> whenReaped(std::uint64_t life);
  kj::Promise<Result<PullReport>> attempt(kj::Own<capnp::MallocMessageBuilder> request, int tries);
  void taskFailed(kj::Exception&& e) override;

  kj::AsyncIoContext& io_;
  const Arena& arena_;
  Config config_;
  Listener& listener_;

  kj::Own<Life> life_;   // none while down
  std::uint64_t lives_ = 0;  // launched so far; says which one a late answer speaks of
  bool up_ = false;
  bool ending_ = false;
  int failures_ = 0;     // starts in a row that did not come up
  std::string address_;
  std::string endingWhy_, lastWhy_;
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> waiters_;

  std::map<ObjectId, Extent> published_;
  std::vector<ObjectId> toPublish_;
  struct Withdrawal {
    ObjectId object;
    kj::Own<kj::PromiseFulfiller<void>> done;
  };
  kj::Vector<Withdrawal> toWithdraw_;
  bool flushDue_ = false;
  kj::TaskSet tasks_;  // last: the tasks use the members above
};

}  // namespace alnilam
