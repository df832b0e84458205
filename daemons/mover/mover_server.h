#pragma once
// Serves schema/mover.capnp: the node's calls, carried out by an exchange.
//
// Nothing of UCX exists before `start`; its failure is an RPC exception that names the cause, and
// the node sees that this mover will not come up.
//
// Threading: one event loop.  Lifetime: the event context outlives the server.

#include "daemons/mover/page_warmer.h"
#include "schema/mover.capnp.h"
#include "transport/memory/arena.h"
#include "transport/ucx/exchange.h"

#include <kj/async-io.h>

#include <memory>
#include <optional>
#include <string>

namespace alnilam::mover {

class MoverServer final : public schema::Mover::Server {
 public:
  struct Config {
    std::string onHost;  // UCX transports inside this host
    bool mapNeighbours = true;  // copy from the arenas of movers on this host
    ucx::Exchange::Config exchange;
  };

  static constexpr int kWedged = 3;  // exit status

  MoverServer(kj::AsyncIoContext& io, Config config) : io_(io), config_(std::move(config)) {}

 protected:
  kj::Promise<void> start(StartContext call) override;
  kj::Promise<void> publish(PublishContext call) override;
  kj::Promise<void> withdraw(WithdrawContext call) override;
  kj::Promise<void> pull(PullContext call) override;
  kj::Promise<void> lanes(LanesContext call) override;

 private:
  // In the order in which they are made; taken down in the other.
  struct Running {
    ArenaMap arena;
    ucx::Context context;
    kj::Own<ucx::Worker> worker;
    kj::Own<ucx::Exchange> exchange;
    std::unique_ptr<PageWarmer> warmer;
  };
  ucx::Exchange& exchange();

  kj::AsyncIoContext& io_;
  Config config_;
  std::optional<Running> running_;
  kj::Promise<void> wedged_ = nullptr;
};

}  // namespace alnilam::mover
