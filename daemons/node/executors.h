#pragma once
// The executors of a node: the users' programs, started again, one a job.
//
//   start -> (program fetched) -> started -> ready -> up -> gone
//                 |                  |         |
//                 +------ failed ----+---------+   (the loader's own words, or the deadline's)
//
// Each gets a socket, the arena and a crash page.  What it says is checked: results that it claims
// to have stored must lie where it was given room.
//
// Threading: one event loop.  Lifetime: all references outlive it.  Destroying it kills every
//   executor with everything that one started.

#include "core/cluster/device_memory_use.h"
#include "core/cluster/topology.h"
#include "core/node/node_brain.h"
#include "daemons/node/node_programs.h"
#include "daemons/node/store.h"

#include <kj/async-io.h>
#include <kj/function.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace alnilam {

class Executors final : private kj::TaskSet::ErrorHandler {
 public:
  struct Config {
    std::string nodeName;
    Topology topology;
    std::vector<std::string> environment;  // of every executor, whole
  };
  // `feed` takes what happens: ExecutorUp, ExecutorFailed, ExecutorGone, FromExecutor.
  Executors(kj::AsyncIoContext& io, Config config, NodePrograms& programs, Store& store,
            kj::Function<void(node::Input)> feed);
  ~Executors() noexcept(false);
  KJ_DISALLOW_COPY(Executors);

  void start(ExecutorId executor, const JobNotice& job);
  void order(ExecutorId executor, Orders orders);
  void stop(ExecutorId executor);

  // Over all executors; nothing if that was asked for since it last changed.
  std::optional<std::vector<DeviceMemoryUse>> newDeviceMemory();

  static constexpr auto kStartDeadline = 30 * kj::SECONDS;  // from exec to `ready`
  static constexpr auto kStopDeadline = 2 * kj::SECONDS;

 private:
  class Executor;
  friend class Executor;

  void bury(ExecutorId executor);  // once its own continuations are over
  void taskFailed(kj::Exception&& e) override;
  void deviceMemory(ExecutorId executor, std::vector<DeviceMemoryUse> use);

  kj::AsyncIoContext& io_;
  Config config_;
  NodePrograms& programs_;
  Store& store_;
  kj::Function<void(node::Input)> feed_;
  std::map<ExecutorId, kj::Own<Executor>> executors_;
  std::map<ExecutorId, std::vector<DeviceMemoryUse>> memory_;  // as each told last
  std::vector<DeviceMemoryUse> most_;  // the marks of all of them so far
  bool memoryChanged_ = false;
  kj::TaskSet burials_;  // last
};

}  // namespace alnilam
