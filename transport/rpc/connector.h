#pragma once
// Reaches a listener: by "HOST:PORT" or "unix:PATH".
//
// Errors: Refusals with one sentence that names the address: unavailable (nobody there, no such
//   host, no answer), invalid (not an address, not Alnilam), notAllowed (another secret), and what
//   else handshake.h says.

#include "transport/rpc/connection.h"
#include "transport/rpc/handshake.h"
#include "transport/rpc/secret.h"

#include <kj/async-io.h>
#include <kj/timer.h>

#include <string>

namespace alnilam::rpc {

struct Caller {
  Role role = Role::client;
  StreamLimits limits{};
  kj::Duration deadline = kHandshakeDeadline;  // to connect, and again for the handshake
};

// The connection, whose `bootstrap()` is what the listener has for the role.  Network and timer
// must outlive it.
kj::Promise<Result<kj::Own<Connection>>> connect(kj::Network& network, kj::Timer& timer,
                                                 std::string address, Secret secret,
                                                 Caller caller = {});

// Binds a listening socket: "HOST:PORT" (port 0: any), "*:PORT", "unix:PATH" (a socket file that
// nobody listens at is replaced; the new one is the owner's alone).  Refuses (invalid) what is not
// an address, (unavailable) one that is taken.
kj::Promise<Result<kj::Own<kj::ConnectionReceiver>>> bindAt(kj::Network& network,
                                                            std::string address);

// Quick small messages, and an end for peers that vanish without a word: keep-alive probes after 15
// s of silence, the end after 30 s without an answer.  Does nothing to a unix socket.
void hardenSocket(kj::AsyncIoStream& stream);

}  // namespace alnilam::rpc
