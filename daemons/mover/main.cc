// alnilam-mover: started by alnilam-node with its socketpair as descriptor 3 and the object memory
// as descriptor 4; ends when the node's end is closed.

#include "daemons/mover/mover_server.h"

#include <CLI/CLI.hpp>
#include <capnp/rpc-twoparty.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace alnilam::mover {
namespace {

constexpr int kSocket = 3, kArena = 4;

bool isSocket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

void giveUpWhatIsNotNeeded() {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  close_range(kArena + 1, ~0u, 0);
  signal(SIGPIPE, SIG_IGN);
}

int serve(MoverServer::Config config) {
  auto io = kj::setupAsyncIo();
  io.waitScope.setBusyPollInterval(ucx::kBusyPollInterval);
  auto node = io.lowLevelProvider->wrapSocketFd(kSocket);
  capnp::TwoPartyClient connection(*node, kj::heap<MoverServer>(io, std::move(config)),
                                   capnp::rpc::twoparty::Side::SERVER);
  connection.onDisconnect().wait(io.waitScope);
  // Nothing here outlives the process, and peers notice a closed one by themselves.
  std::_Exit(0);
}

}  // namespace
}  // namespace alnilam::mover

int main(int argc, char** argv) {
  using namespace alnilam;
  CLI::App app("Moves objects between the nodes of an Alnilam cluster. Started by alnilam-node.");
  app.set_version_flag("--version", "alnilam-mover " ALNILAM_VERSION);
  mover::MoverServer::Config config{.onHost = ucx::Settings{}.onHost, .mapNeighbours = true,
                                    .exchange = {}};
  unsigned stallMs = 10'000, chunkKiB = 8 * 1024, window = 4;
  app.add_option("--on-host", config.onHost,
                 "UCX transports inside this host; none: use the interfaces here as well")
      ->capture_default_str();
  app.add_flag("!--no-map", config.mapNeighbours,
               "Have movers on this host send objects, instead of copying from their memory");
  app.add_option("--stall-ms", stallMs, "A peer without progress for so long has failed")
      ->check(CLI::Range(10u, 3'600'000u))->capture_default_str();
  app.add_option("--chunk-kib", chunkKiB, "Most KiB that are asked for at a time")
      ->check(CLI::Range(4u, 1024u * 1024u))->capture_default_str();
  app.add_option("--window", window, "Parts of an object that are asked for at a time")
      ->check(CLI::Range(1u, 1024u))->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  if (!mover::isSocket(mover::kSocket)) {
    std::fputs("alnilam-mover is started by alnilam-node, with a socket as descriptor 3\n", stderr);
    return 2;
  }
  if (config.onHost == "none") config.onHost.clear();
  config.exchange.stallAfter = std::chrono::milliseconds(stallMs);
  config.exchange.chunk = Bytes{chunkKiB} << 10;
  config.exchange.copyChunk = std::max(config.exchange.chunk, config.exchange.copyChunk);
  if (chunkKiB < 8 * 1024) config.exchange.copyChunk = config.exchange.chunk;
  config.exchange.window = window;

  mover::giveUpWhatIsNotNeeded();
  for (auto& [name, value] : ucx::environment()) setenv(name, value, 1);
  spdlog::set_default_logger(spdlog::stderr_logger_st("mover"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l alnilam-mover[%P] %v");
  if (const char* level = std::getenv("ALNILAM_LOG")) {
    spdlog::set_level(spdlog::level::from_str(level));
  }
  return mover::serve(std::move(config));
}
