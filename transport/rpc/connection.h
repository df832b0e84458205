#pragma once
// One Cap'n Proto connection, with every limit that the library leaves open.
//
// Both sides are the same: a stream, the guard before it, and the RPC system on top.  Over sockets
// a handshake comes first (listener.h, connector.h do both); over a socketpair between a node and a
// process that it started, whoever holds the other end is known, and a Connection is made at once.
//
// Limits, and why so:
//   one message         64 MiB (guarded_stream.h); batches are cut at 8 MiB
//   traversal           10 Mi words: a message of 64 MiB read once, and a quarter more, so that
//                       pointers which overlap cannot make a small message a large one
//   nesting             64 pointers deep
//   calls in progress   4 Mi words of parameters (32 MiB); past it nothing more is read, returns
//                       included: so answer calls without waiting for a call back to the same peer
//
// Threading: one event loop.
// Lifetime: the timer must outlive it.  Destroying it closes the stream, drops every capability
//   that the peer held and fails every call under way.

#include "transport/rpc/guarded_stream.h"

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/timer.h>

#include <string>

namespace alnilam::rpc {

capnp::ReaderOptions readerOptions();
inline constexpr std::size_t kFlowLimitWords = 4 << 20;

class Connection {
 public:
  // Serves `bootstrap` to the peer, whose mail comes to `mailbox`.
  Connection(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer,
             capnp::Capability::Client bootstrap, StreamLimits limits = {},
             kj::Own<Mailbox> mailbox = kj::refcounted<Mailbox>());

  // Asks the peer for its bootstrap capability: `bootstrap()`.
  Connection(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer, StreamLimits limits = {});

  KJ_DISALLOW_COPY(Connection);

  // The peer's bootstrap capability; for the side that serves none itself.  Reading begins with the
  // first call of it: until then nobody notices that the peer has left.
  capnp::Capability::Client bootstrap();

  // When the connection is over; the sentence says why, empty if the peer left in good order or
  // spoke Cap'n Proto's protocol wrongly.  May be kept longer than the connection, whose
  // destruction ends it as well.
  kj::Promise<std::string> whenEnded();

  // The same box for the connection's life, and longer if need be.
  kj::Own<Mailbox> mailbox() { return kj::addRef(guarded_.mailbox()); }

  std::uint64_t unsent() { return guarded_.unsent(); }
  const StreamCounts& counts() const { return guarded_.counts(); }

  static constexpr unsigned kMaxFdsPerMessage = 4;

 private:
  kj::Own<kj::AsyncIoStream> stream_;
  GuardedStream guarded_;
  capnp::TwoPartyVatNetwork network_;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> system_;
};

}  // namespace alnilam::rpc
