#pragma once
// Accepts connections from strangers and survives it.
//
// A caller gets nothing before the handshake (handshake.h) and then what the `Door` has for its
// role. Resets, garbage, port scans, floods and running out of descriptors end the connection that
// they came with and nothing else: when descriptors run out, a spare one is given up to accept the
// newest caller and send it away, so that it learns at once and those inside go on.
//
// Threading: one event loop.
// Lifetime: timer and door must outlive it.  Destroying it closes everything; the door is not told.
// Errors: none reach the caller; they are counted, and told to `log` at most once a second.

#include "transport/rpc/connection.h"
#include "transport/rpc/handshake.h"
#include "transport/rpc/secret.h"

#include <kj/async-io.h>
#include <kj/timer.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace alnilam::rpc {

// Says things to people, at most one line a second; what was left unsaid is counted in the next.
class CalmLog {
 public:
  CalmLog(kj::Timer& timer, std::function<void(const std::string&)> line)
      : timer_(timer), line_(std::move(line)) {}

  void say(const std::string& text);

 private:
  kj::Timer& timer_;
  std::function<void(const std::string&)> line_;
  kj::Maybe<kj::TimePoint> last_;
  std::uint64_t unsaid_ = 0;
};

struct Peer {
  std::uint64_t id = 0;  // of the connection; never used again by this listener
  Role role = Role::client;
  std::string address;   // "127.0.0.1:4711", "a local process"
  Mailbox* mailbox = nullptr;  // of the connection; take a reference (kj::addRef) to keep it
};

class Listener final : private kj::TaskSet::ErrorHandler {
 public:
  // What stands behind the listener.
  class Door {
   public:
    // What a peer of that role gets first.
    virtual capnp::Capability::Client welcome(const Peer& peer) = 0;
    // It is gone; the sentence is empty if it left in good order.  Its connection is destroyed when
    // this returns.
    virtual void left(const Peer& peer, const std::string& why) = 0;
  };

  struct Config {
    Roles served = Roles::all();
    StreamLimits limits;
    std::size_t maxConnections = 10'000;  // those in a handshake included
    kj::Duration handshakeDeadline = kHandshakeDeadline;
    std::function<void(const std::string&)> log;  // empty: says nothing
  };

  struct Counts {
    std::uint64_t accepted = 0;  // by the kernel
    std::uint64_t welcomed = 0;  // the handshake went well
    std::uint64_t refused = 0;   // it did not
    std::uint64_t turnedAway = 0;  // no room, no descriptor
    std::uint64_t failedAccepts = 0;
    std::size_t open = 0;        // now, those in a handshake included
  };

  Listener(kj::Timer& timer, Secret secret, Config config, Door& door);
  ~Listener() noexcept(false);
  KJ_DISALLOW_COPY(Listener);

  // May be called several times: a TCP port, a unix socket.
  void listen(kj::Own<kj::ConnectionReceiver> receiver);

  // Ends a connection; the door hears of it.  Unknown ones are ignored.
  void close(std::uint64_t id, const std::string& why);

  Counts counts() const;

 private:
  struct Inside;

  kj::Promise<void> acceptLoop(kj::ConnectionReceiver& receiver, unsigned failures);
  kj::Promise<void> afterFailedAccept(kj::ConnectionReceiver& receiver, unsigned failures,
                                      kj::Exception&& cause);
  kj::Promise<void> sendNewestAway(kj::ConnectionReceiver& receiver);
  void take(kj::Own<kj::AsyncIoStream> stream);
  void let(kj::Own<kj::AsyncIoStream> stream, Role role, std::string address);
  void forget(std::uint64_t id, const std::string& why);
  void taskFailed(kj::Exception&& cause) override;

  kj::Timer& timer_;
  const Secret secret_;
  const Config config_;
  Door& door_;
  CalmLog log_;
  Counts counts_;
  std::size_t handshakes_ = 0;
  std::uint64_t nextId_ = 1;
  int spare_ = -1;
  std::map<std::uint64_t, kj::Own<Inside>> inside_;
  kj::TaskSet tasks_;  // last member: the tasks use the ones above
};

}  // namespace alnilam::rpc
