#pragma once
// Calls peers of one cluster in one role: what every connection of a process has in common.
//
// Threading: one event loop.  Lifetime: `io` outlives it and the connections it made.

#include "transport/rpc/connector.h"

#include <kj/async-io.h>

#include <string>

namespace alnilam {

class Dialer {
 public:
  Dialer(kj::AsyncIoContext& io, const rpc::Secret& secret, rpc::Role role)
      : io_(io), secret_(secret), role_(role) {}

  // "host:port" or "unix:PATH".  Refuses as rpc::connect does.
  kj::Promise<Result<kj::Own<rpc::Connection>>> call(std::string address) {
    rpc::StreamLimits limits;
    limits.fds = address.starts_with("unix:");  // a neighbour's arena comes as a descriptor
    return rpc::connect(io_.provider->getNetwork(), io_.provider->getTimer(), std::move(address),
                        secret_, {.role = role_, .limits = limits});
  }

 private:
  kj::AsyncIoContext& io_;
  rpc::Secret secret_;
  rpc::Role role_;
};

}  // namespace alnilam
