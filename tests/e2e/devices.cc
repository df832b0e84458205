// GPU tasks: which devices they get, and what becomes of them when a device is lost.

#include "tests/e2e/scenario.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

using alnilam::Cluster;
using alnilam::InfeasibleError;
using alnilam::Ref;

namespace e2e {

struct Whereabouts {
  int device = -1;
  std::string name;
  std::string visible;  // CUDA_VISIBLE_DEVICES as the task finds it
};

// Says that it is there, and waits until all are.
Whereabouts whereabouts(alnilam::gpu::Context& gpu, const std::string& arrived,
                        const std::string& gate) {
  int fd = ::open(arrived.c_str(), O_WRONLY | O_CLOEXEC);
  bool said = ::write(fd, "x", 1) == 1;
  close(fd);
  if (!said) throw std::runtime_error("nobody hears that the task is there");
  passGate(gate);
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return {gpu.device(), gpu.name(), visible ? visible : "unset"};
}

ALNILAM_TASK(whereabouts);

namespace {

// COUNT VISIBLE: COUNT tasks at once have a device each, one more never could, and all of them find
// CUDA_VISIBLE_DEVICES to be VISIBLE ("unset").
void devices(Cluster& cluster, const Arguments& arguments) {
  check(arguments.size() == 2, "there is a COUNT and a VISIBLE");
  int count = std::atoi(arguments[0].c_str());
  Gate gate, arrived;
  int fd = ::open(arrived.path().c_str(), O_RDWR | O_CLOEXEC);

  std::vector<Ref<Whereabouts>> tasks;
  for (int i = 0; i < count; ++i) {
    tasks.push_back(cluster.submit({.cpus = 0.1, .gpus = 1}, whereabouts, arrived.path(),
                                   gate.path()));
  }
  for (int heard = 0; heard < count; ++heard) {
    char byte;
    check(::read(fd, &byte, 1) == 1, "a task is there");
  }
  close(fd);
  gate.open();
  std::set<int> seen;
  for (Ref<Whereabouts>& task : tasks) {
    Whereabouts where = cluster.get(task);
    check(seen.insert(where.device).second, "each has a device of its own");
    check(where.device >= 0 && where.device < count, "it is one of those that are offered");
    checkEqual(where.visible, arguments[1], "CUDA_VISIBLE_DEVICES in the task");
  }
  auto tooMany = cluster.submit({.gpus = count + 1.0}, whereabouts, arrived.path(), gate.path());
  auto refused = thrown<InfeasibleError>("a device more than there are",
                                         [&] { cluster.get(tooMany); });
  checkContains(refused.what(), "gpus");
}

}  // namespace

void addDeviceScenarios(Scenarios& scenarios) { scenarios["devices"] = devices; }

}  // namespace e2e
