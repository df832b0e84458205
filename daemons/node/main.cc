// alnilam-node: offers this machine to a head.

#include "daemons/node/node_life.h"
#include "daemons/process/process.h"
#include "daemons/process/version.h"

#include <CLI/CLI.hpp>
#include <kj/async-unix.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>

namespace alnilam {
namespace {

constexpr auto kRejoinAfter = 1 * kj::SECONDS;

// Grows with every life: microseconds of the wall clock, and never twice the same.
Incarnation nextIncarnation(Incarnation last) {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  return {std::max(static_cast<std::uint64_t>(micros), last.value + 1)};
}

// Lives until a signal, or until the first life cannot begin.
int live(kj::AsyncIoContext& io, const NodeOptions& options, const Machine& machine,
         const rpc::Secret& secret, kj::Promise<void> asked) {
  auto leave = asked.fork();
  bool left = false, served = false;
  Incarnation incarnation;
  while (true) {
    incarnation = nextIncarnation(incarnation);
    NodeLife life(io, options, machine, secret, incarnation);
    auto whole = life.begin().then(
        [&](Result<NodeId> node) -> kj::Promise<std::string> {
          if (!node) return node.error().why;
          spdlog::info("joined {} as node {}", options.head, node.value().value);
          if (!served) sayReady(options.readyFd, options.name);
          served = true;
          return life.whenOver();
        });
    auto asksToLeave = leave.addBranch().then([&]() -> std::string {
      left = true;
      return "asked to leave";
    });
    // A head that goes in the middle of the join must not end a node that has served.
    auto caught = whole.catch_([](kj::Exception&& e) {
      return std::string(e.getDescription().cStr());
    });
    std::string why = caught.exclusiveJoin(kj::mv(asksToLeave)).wait(io.waitScope);
    if (left) return 0;
    if (!served) return complain(why);
    spdlog::warn("{}; joining again", why);
    io.provider->getTimer()
        .afterDelay(kRejoinAfter)
        .exclusiveJoin(leave.addBranch())
        .wait(io.waitScope);
  }
}

int run(int argc, char** argv) {
  CLI::App app("Offers this machine to an Alnilam head.", "alnilam-node");
  NodeOptions options;
  options.name = hostName();
  app.set_version_flag("--version", kVersion);
  app.add_option("--head", options.head, "Address of the head, HOST:PORT")
      ->envname("ALNILAM_HEAD")->required();
  app.add_option("--name", options.name, "Unique among live nodes")->capture_default_str();
  app.add_option("--secret-file", options.secretFile, "The cluster's secret")
      ->envname("ALNILAM_SECRET_FILE");
  app.add_option("--state-dir", options.stateDirectory, "Where sockets and programs are kept");
  app.add_option("--listen", options.listen, "Where programs and peers reach this node's objects")
      ->capture_default_str();
  app.add_option("--interface", options.interfaces,
                 "A network interface trusted with objects, for UCX between hosts");
  app.add_option("--topology", options.topology,
                 "An hwloc XML file, or synthetic:DESCRIPTION, to stand in for this machine")
      ->envname("ALNILAM_TOPOLOGY");
  app.add_option("--emulate-gpus", options.emulateGpus,
                 "Emulated GPUs to offer, such as 2x16GiB, or match: those of the topology");
  app.add_option("--emulator", options.emulator, "The emulator's library")
      ->envname("ALNILAM_EMULATOR");
  app.add_option("--store", options.store, "Size of the object store, such as 4GiB");
  app.add_option("--label", options.labels,
                 "KEY=VALUE, such as zone=a, for tasks to ask for; may be given several times");
  app.add_option("--share", options.share, "K/N: be the K-th of N nodes on this machine");
  app.add_option("--ready-fd", options.readyFd, "Descriptor to say on that the node has joined");
  if (auto code = parseCommandLine(app, argc, argv)) return *code;
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) options.visibleDevices = visible;

  Result<rpc::Secret> secret = findSecret(options.secretFile, false);
  if (!secret) return complain(secret.error().why);
  Result<Machine> machine = describeMachine(options);
  if (!machine) return complain(machine.error().why, kUsage);
  Result<StateDirectory> directory = StateDirectory::make(options.stateDirectory, "node");
  if (!directory) return complain(directory.error().why);
  options.stateDirectory = directory.value().path();

  kj::UnixEventPort::captureChildExit();
  for (int signal : {SIGTERM, SIGINT}) kj::UnixEventPort::captureSignal(signal);
  kj::AsyncIoContext io = kj::setupAsyncIo();
  spdlog::info("node {} offers {}; {}", options.name, show(machine.value().offered),
               machine.value().gpuTitle);
  for (const std::string& device : machine.value().notOffered) {
    spdlog::warn("not offered: {}", device);
  }
  return live(io, options, machine.value(), secret.value(), askedToLeave(io));
}

}  // namespace
}  // namespace alnilam

int main(int argc, char** argv) {
  return alnilam::runDaemon([&] { return alnilam::run(argc, argv); });
}
