#pragma once
// The local wiring: head brain, node brain and workers in one process, by direct calls.
//
// One control thread runs both brains.  It takes what the program's session and the workers have
// gathered, steps the brains until nothing more follows, and sleeps until the next wake or
// deadline. Nothing is encoded: arguments, results and inputs are passed on as Blobs, and objects
// of any size are held, so a View reads the very bytes that a task wrote.
//
// This is what `alnilam::connect()` gives when no head is named; the brains are those of a cluster.
//
// Threading: make and destroy it in one thread; the session may be used from any.
// Lifetime: the destructor waits for tasks that run, and drops the rest.

#include "core/api/backend.h"
#include "core/cluster/topology.h"
#include "core/engine/device_host.h"
#include "core/graph/job.h"

#include <memory>

namespace alnilam {

class LocalCluster {
 public:
  struct Config {
    Topology topology;              // what tasks are placed on; at least one core
    DeviceHost* devices = nullptr;  // for topology.gpus; must outlive this
    bool bindThreads = true;        // workers to their slot's cores
    JobShare share{};               // its quota holds here too
  };

  explicit LocalCluster(Config config);
  ~LocalCluster();

  Backend& backend();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace alnilam
