#include "transport/rpc/connection.h"

#include <utility>

namespace alnilam::rpc {
namespace {

using capnp::rpc::twoparty::Side;

}  // namespace

capnp::ReaderOptions readerOptions() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 10ull << 20;
  options.nestingLimit = 64;
  return options;
}

Connection::Connection(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer,
                       capnp::Capability::Client bootstrap, StreamLimits limits,
                       kj::Own<Mailbox> mailbox)
    : stream_(kj::mv(stream)),
      guarded_(*stream_, timer, limits, kj::mv(mailbox)),
      network_(guarded_, limits.fds ? kMaxFdsPerMessage : 0, Side::SERVER, readerOptions()),
      system_(capnp::makeRpcServer(network_, kj::mv(bootstrap))) {
  system_.setFlowLimit(kFlowLimitWords);
  guarded_.setWaiting([this]() { return network_.getCurrentQueueSize(); });
}

Connection::Connection(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer, StreamLimits limits)
    : stream_(kj::mv(stream)),
      guarded_(*stream_, timer, limits),
      network_(guarded_, limits.fds ? kMaxFdsPerMessage : 0, Side::CLIENT, readerOptions()),
      system_(capnp::makeRpcClient(network_)) {
  system_.setFlowLimit(kFlowLimitWords);
  guarded_.setWaiting([this]() { return network_.getCurrentQueueSize(); });
}

capnp::Capability::Client Connection::bootstrap() {
  capnp::word scratch[4] = {};
  capnp::MallocMessageBuilder message(scratch);
  auto vatId = message.initRoot<capnp::rpc::twoparty::VatId>();
  vatId.setSide(network_.getSide() == Side::CLIENT ? Side::SERVER : Side::CLIENT);
  return system_.bootstrap(vatId);
}

kj::Promise<std::string> Connection::whenEnded() {
  return network_.onDisconnect()
      .exclusiveJoin(guarded_.broken())
      .then([why = guarded_.sharedWhy()]() { return *why; },
            [why = guarded_.sharedWhy()](kj::Exception&& cause) {
              return why->empty() ? std::string(cause.getDescription().cStr()) : *why;
            });
}

}  // namespace alnilam::rpc
