// alnilam-head: the one of a cluster that decides where tasks run.

#include "daemons/head/head_state.h"
#include "daemons/head/job_service.h"
#include "daemons/head/node_service.h"
#include "daemons/process/process.h"
#include "daemons/process/version.h"
#include "transport/rpc/connector.h"
#include "transport/rpc/listener.h"

#include <kj/async-unix.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <csignal>
#include <cstdlib>

namespace alnilam {
namespace {

struct HeadOptions {
  std::string listen = "127.0.0.1:7240";
  std::string secretFile;
  std::string stateDirectory;
  double lostAfterSeconds = 10;
  std::string placement = "default";
  int readyFd = -1;
};

// Programs and tools get the client's gate, nodes theirs.
class FrontDoor final : public rpc::Listener::Door {
 public:
  explicit FrontDoor(HeadState& state) : state_(state) {}

  capnp::Capability::Client welcome(const rpc::Peer& peer) override {
    ++state_.connections;
    spdlog::debug("a {} is connected from {}", rpc::name(peer.role), peer.address);
    if (peer.role == rpc::Role::node) return makeNodeGate(state_, *peer.mailbox);
    return makeClientGate(state_, *peer.mailbox);
  }

  void left(const rpc::Peer& peer, const std::string& why) override {
    --state_.connections;
    if (!why.empty()) spdlog::info("a {} left: {}", rpc::name(peer.role), why);
  }

 private:
  HeadState& state_;
};

// CLI11 has checked the name.
PlacementPolicy policyNamed(const std::string& name) {
  Placing placing;
  static_cast<void>(parsePolicy(name, placing));
  return placing.policy;
}

Epoch newEpoch() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  return {static_cast<std::uint64_t>(micros)};
}

int serve(const HeadOptions& options, const rpc::Secret& secret, const std::string& directory) {
  for (int signal : {SIGTERM, SIGINT}) kj::UnixEventPort::captureSignal(signal);
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::Timer& timer = io.provider->getTimer();

  head::HeadBrain::Config brain;
  brain.lostAfter = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(options.lostAfterSeconds));
  brain.policy = policyNamed(options.placement);
  HeadState state(timer, brain, directory);
  state.epoch = newEpoch();
  FrontDoor door(state);
  rpc::Listener::Config config;
  config.log = [](const std::string& line) { spdlog::warn("{}", line); };
  rpc::Listener listener(timer, secret, std::move(config), door);
  state.refusedConnections = [&listener]() {
    rpc::Listener::Counts counts = listener.counts();
    return counts.refused + counts.turnedAway;
  };

  Result<kj::Own<kj::ConnectionReceiver>> bound =
      rpc::bindAt(io.provider->getNetwork(), options.listen).wait(io.waitScope);
  if (!bound) return complain(bound.error().why);
  auto receiver = std::move(bound).value();
  std::string address = options.listen.substr(0, options.listen.rfind(':') + 1) +
                        std::to_string(receiver->getPort());
  listener.listen(kj::mv(receiver));
  spdlog::info("serving at {}", address);
  sayReady(options.readyFd, address);
  askedToLeave(io).wait(io.waitScope);
  spdlog::info("asked to leave");
  return 0;
}

int run(int argc, char** argv) {
  CLI::App app("Places the tasks of an Alnilam cluster.", "alnilam-head");
  HeadOptions options;
  app.set_version_flag("--version", kVersion);
  app.add_option("--listen", options.listen, "HOST:PORT; port 0: any that is free")
      ->capture_default_str();
  app.add_option("--secret-file", options.secretFile,
                 "The cluster's secret; made if it is not there")
      ->envname("ALNILAM_SECRET_FILE");
  app.add_option("--state-dir", options.stateDirectory, "Where programs are kept");
  app.add_option("--lost-after", options.lostAfterSeconds,
                 "Seconds of silence after which a node is lost")
      ->capture_default_str()->check([](const std::string& text) {
        // Not CLI::Range, for which NaN lies in every range.
        double seconds = std::strtod(text.c_str(), nullptr);
        bool good = seconds >= 0.5 && seconds <= 3600;
        return good ? std::string() : "Value " + text + " not in range 0.5 to 3600";
      });
  app.add_option("--placement", options.placement,
                 "Where tasks go that do not say: default, spread, pack or locality")
      ->capture_default_str()->check(CLI::IsMember({"default", "spread", "pack", "locality"}));
  app.add_option("--ready-fd", options.readyFd, "Descriptor to write the address to");
  if (auto code = parseCommandLine(app, argc, argv)) return *code;

  Result<rpc::Secret> secret = findSecret(options.secretFile, true);
  if (!secret) return complain(secret.error().why);
  Result<StateDirectory> directory = StateDirectory::make(options.stateDirectory, "head");
  if (!directory) return complain(directory.error().why);
  return serve(options, secret.value(), directory.value().path());
}

}  // namespace
}  // namespace alnilam

int main(int argc, char** argv) {
  return alnilam::runDaemon([&] { return alnilam::run(argc, argv); });
}
