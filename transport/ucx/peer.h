#pragma once
// An endpoint to another worker, and what is in flight over it.
//
// A peer faults once: when UCX reports the endpoint broken, or when its owner says so (`fail`).
// Then the endpoint is closed by force, every operation still in flight ends with an error, and
// nothing more is sent.  A fault is never an abort and never an exception; the owner is told by
// Owner::faulted.  A peer that came back has another address and is another Peer.
//
// An operation's `done` is called exactly once, possibly before `send` returns.  Memory that UCX
// may still write to or read from is safe to reuse only then, which is why `quiet` waits for all of
// them.
//
// Lifetime: the worker must outlive the peer; a peer is destroyed only when `quiet`.

#include "core/base/units.h"
#include "transport/ucx/worker.h"

#include <kj/array.h>
#include <kj/function.h>

#include <cstdint>
#include <string>

namespace alnilam::ucx {

class Peer {
 public:
  class Owner {
   public:
    virtual void faulted(Peer& peer) = 0;  // called inside UCX: note it down, act later
  };
  using Done = kj::Function<void(ucs_status_t)>;

  // Never fails: a peer that cannot be reached has faulted already.
  Peer(Worker& worker, kj::ArrayPtr<const kj::byte> address, Owner& owner);
  ~Peer() noexcept(false);
  KJ_DISALLOW_COPY(Peer);

  // Sends an active message.  `header` is copied; `body` must stay until `done`.
  void send(unsigned id, kj::ArrayPtr<const kj::byte> header, kj::ArrayPtr<const kj::byte> body,
            unsigned flags, Done done);

  // Receives the body of an announced message into `to`.
  void receive(void* announced, kj::ArrayPtr<kj::byte> to, Done done);

  // Declares it broken; `why` is for people.
  void fail(std::string why);

  // Closes by force what `faulted` has told about (or a peer that is not needed any more).
  void close();

  bool broken() const { return broken_; }
  const std::string& why() const { return why_; }
  bool quiet() const { return inFlight_ == 0 && ep_ == nullptr && !closing_; }
  std::size_t inFlight() const { return inFlight_; }

  // "posix", "tcp/eth1": the transports in use.  Known for certain after the first answer.
  std::string lane() const;

  Instant lastProgress{};  // kept by the owner, who has a clock
  std::size_t serving = 0;  // messages with objects on their way to it; kept by the owner

 private:
  struct Operation {
    Peer& peer;
    Done done;
    kj::Array<kj::byte> header;
  };
  static void finish(Operation* operation, ucs_status_t status);
  void track(Operation* operation, ucs_status_ptr_t request);
  static void onError(void* self, ucp_ep_h, ucs_status_t status);

  Worker& worker_;
  Owner& owner_;
  ucp_ep_h ep_ = nullptr;
  bool broken_ = false;
  bool closing_ = false;
  std::string why_;
  std::size_t inFlight_ = 0;
};

}  // namespace alnilam::ucx
