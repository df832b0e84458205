#include "daemons/sim/load_command.h"

#include "daemons/sim/load.h"

#include <nlohmann/json.hpp>

#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

namespace alnilam::sim {
namespace {

constexpr int kUsage = 2;

struct Options {
  Load load;
  std::string output = "table";
  bool noTiming = false;
};

double monotonicSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::uint64_t allocatedBytes() {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// A line on a terminal that says how far it is; nothing elsewhere.
class Progress {
 public:
  explicit Progress(std::uint64_t all) : all_(all), shown_(isatty(STDERR_FILENO)) {}
  ~Progress() {
    if (shown_) std::fprintf(stderr, "\r\033[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void at(std::uint64_t done) {
    std::uint64_t percent = 100 * done / all_;
    if (!shown_ || percent == last_) return;
    last_ = percent;
    std::string bar(40, '.');
    bar.replace(0, percent * 40 / 100, percent * 40 / 100, '#');
    std::fprintf(stderr, "\r[%s] %3llu%%", bar.c_str(), static_cast<unsigned long long>(percent));
  }

 private:
  std::uint64_t all_, last_ = ~std::uint64_t{0};
  bool shown_;
};

double rounded(double value) { return std::round(value * 10'000) / 10'000; }

nlohmann::ordered_json toJson(const Queueing& queueing) {
  return {{"p50", rounded(queueing.p50)}, {"p95", rounded(queueing.p95)},
          {"p99", rounded(queueing.p99)}, {"max", rounded(queueing.most)}};
}

void printJson(const Options& options, const LoadResult& result) {
  nlohmann::ordered_json line = {{"seed", options.load.seed},
                                 {"nodes", options.load.nodes},
                                 {"jobs", options.load.jobs},
                                 {"tasks", result.ended},
                                 {"failed", result.failed},
                                 {"makespan", rounded(result.makespan)},
                                 {"utilization", rounded(result.utilization)},
                                 {"fairness", rounded(result.fairness)},
                                 {"queueing", toJson(result.queueing)}};
  for (const Queueing& level : result.byPriority) line["byPriority"].push_back(toJson(level));
  if (!options.noTiming) {
    line["decisionsPerSecond"] = std::round(result.decisionsPerSecond);
    line["bytesPerTask"] = std::round(result.bytesPerTask);
  }
  std::printf("%s\n", line.dump().c_str());
}

void printTable(const Options& options, const LoadResult& result) {
  std::printf("tasks ended       %llu, of which failed %llu\n",
              static_cast<unsigned long long>(result.ended),
              static_cast<unsigned long long>(result.failed));
  std::printf("makespan          %.3f s\n", result.makespan);
  std::printf("cores in use      %.1f%%\n", result.utilization);
  std::printf("fairness          %.4f (1: all jobs served alike)\n", result.fairness);
  auto row = [](const std::string& name, const Queueing& queueing) {
    std::printf("%-16s  p50 %.3f  p95 %.3f  p99 %.3f  max %.3f s\n", name.c_str(), queueing.p50,
                queueing.p95, queueing.p99, queueing.most);
  };
  row("queueing", result.queueing);
  for (std::size_t i = 0; result.byPriority.size() > 1 && i < result.byPriority.size(); ++i) {
    row("  priority " + std::to_string(i), result.byPriority[i]);
  }
  if (options.noTiming) return;
  std::printf("decisions         %.0f a second\n", result.decisionsPerSecond);
  if (result.bytesPerTask > 0) {
    std::printf("a waiting task    %.0f bytes\n", result.bytesPerTask);
  }
}

int loadCommand(const Options& options) {
  if (auto fits = options.load.check(); !fits) {
    std::fprintf(stderr, "alnilam-sim: %s\n", fits.error().why.c_str());
    return kUsage;
  }
  LoadResult result;
  {
    Progress progress(options.load.tasks);
    result = run(options.load, {monotonicSeconds, allocatedBytes,
                                [&](std::uint64_t ended) { progress.at(ended); }});
  }
  if (options.output == "json") printJson(options, result);
  else printTable(options, result);
  return 0;
}

}  // namespace

void addLoadCommand(CLI::App& app, std::function<int()>& command) {
  auto options = std::make_shared<Options>();
  Load& load = options->load;
  CLI::App* sub = app.add_subcommand("load", "A synthetic load by the head's brain, in no time");
  sub->add_option("--nodes", load.nodes, "Nodes; every second one has devices")
      ->capture_default_str();
  sub->add_option("--cores", load.cores, "Cores of a node")->capture_default_str();
  sub->add_option("--gpus", load.gpus, "Devices of a node that has any")->capture_default_str();
  sub->add_option("--tasks", load.tasks, "Tasks of all jobs")->capture_default_str();
  sub->add_option("--jobs", load.jobs, "Jobs that share the cluster")->capture_default_str();
  sub->add_option("--classes", load.classes, "Classes of a job's tasks")->capture_default_str();
  sub->add_option("--priorities", load.priorities, "Levels of priority")->capture_default_str();
  sub->add_option("--mean-seconds", load.meanSeconds, "Mean running time of a task")
      ->capture_default_str();
  sub->add_option("--rate", load.rate, "Tasks that arrive a second; 0: all at once")
      ->capture_default_str();
  sub->add_option("--seed", load.seed, "Another load of the same kind")->capture_default_str();
  sub->add_option("-o,--output", options->output, "What is printed")
      ->check(CLI::IsMember({"table", "json"}))->capture_default_str();
  sub->add_flag("--no-timing", options->noTiming,
                "Leave out what differs from run to run: decisionsPerSecond, bytesPerTask");
  sub->callback([options, &command]() { command = [options]() { return loadCommand(*options); }; });
}

}  // namespace alnilam::sim
