// tasks_cluster: no-op tasks a second through client, head, node and executor processes.
// roundtrip_cluster: submit to get of a single task, p50.
// chain_cluster: a link of 10,000 no-op tasks of which each reads the one before.
//
// Started by hand it starts a cluster of one node and runs itself against it.  The limits: as many
// task structs through batched Cap'n Proto calls between two processes; six hops over a socket.

#include "tests/bench/limits.h"
#include "tests/bench/noop_tasks.h"


#include <cstdlib>
#include <filesystem>
#include <string>

namespace {

using namespace alnilam;

double medianRoundTrip(const Cluster& cluster, int times) {
  std::vector<double> took;
  for (int i = 0; i < times; ++i) {
    double start = bench::now();
    cluster.get(cluster.submit(bench::noop, i));
    took.push_back(bench::now() - start);
  }
  std::sort(took.begin(), took.end());
  return took[took.size() / 2];
}

[[noreturn]] void againUnderACluster(char** argv) {
  std::string self = std::filesystem::read_symlink("/proc/self/exe");
  std::string alnilam = std::filesystem::path(self).parent_path() / "alnilam";
  std::string only = argv[1] ? argv[1] : "";
  execl(alnilam.c_str(), "alnilam", "up", "--nodes", "1", "--", self.c_str(),
        argv[1] ? only.c_str() : nullptr, nullptr);
  std::perror("bench_tasks_cluster: cannot start alnilam up");
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  bool isExecutor = std::getenv("ALNILAM_EXECUTOR_FD") != nullptr;
  if (!isExecutor && !std::getenv("ALNILAM_HEAD")) againUnderACluster(argv);
  Cluster cluster = connect(argc, argv);

  constexpr int kTasks = 1'000'000;
  bench::tasksPerSecond(cluster, 100'000);  // the executor is up, the class's length is known
  double rate = 0;
  for (int round = 0; round < 3; ++round) {
    rate = std::max(rate, bench::tasksPerSecond(cluster, kTasks));
  }
  bench::print("tasks_cluster", rate, "tasks/s", bench::taskStructsPerSecond(kTasks),
               "the same task structs through batched Cap'n Proto calls between two processes");

  medianRoundTrip(cluster, 1'000);
  double trip = medianRoundTrip(cluster, 10'000);
  double hops = 6 * bench::socketHop() * 1e6;
  bench::print("roundtrip_cluster", trip * 1e6, "us", hops, "six hops over a unix socket");
  bench::print("chain_cluster", bench::secondsPerLink(cluster, 10'000) * 1e6, "us/link", hops,
               "six hops over a unix socket");
}
