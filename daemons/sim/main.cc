// alnilam-sim: recorded traces and synthetic loads, in no time.

#include "daemons/process/version.h"
#include "daemons/sim/load_command.h"
#include "daemons/sim/published.h"
#include "daemons/sim/replay.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace alnilam::sim {
namespace {

constexpr int kFailed = 1, kUsage = 2;

struct Options {
  std::string nodes, pods, arrivals, directory;
  std::string policy = "default";
  std::string seeds = "52-61";
  std::string output = "table";
  bool noTiming = false;
};

struct Seeds {
  std::uint64_t first = 0, last = 0;
};

int fail(int code, const std::string& why) {
  std::fprintf(stderr, "alnilam-sim: %s\n", why.c_str());
  return code;
}

double monotonicSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// "52", "52-61".
std::optional<Seeds> seedsOf(const std::string& text) {
  constexpr std::uint64_t kMost = 100'000;
  auto digits = [](const std::string& part) {
    return !part.empty() && part.size() <= 9 &&
           part.find_first_not_of("0123456789") == std::string::npos;
  };
  std::size_t dash = text.find('-');
  std::string first = text.substr(0, dash);
  std::string last = dash == std::string::npos ? first : text.substr(dash + 1);
  if (!digits(first) || !digits(last)) return std::nullopt;
  Seeds seeds{std::stoull(first), std::stoull(last)};
  if (seeds.last < seeds.first || seeds.last - seeds.first >= kMost) return std::nullopt;
  return seeds;
}

// The policies that `name` stands for; none if it stands for none.
std::vector<placement::Policy> policiesOf(const std::string& name) {
  if (name == "all") return {placement::policies().begin(), placement::policies().end()};
  const placement::Policy* policy = placement::findPolicy(name);
  return policy == nullptr ? std::vector<placement::Policy>{} : std::vector{*policy};
}

std::string knownPolicies() {
  std::string names = "all";
  for (const placement::Policy& policy : placement::policies()) {
    names += ", ";
    names += policy.name;
  }
  return names;
}

double rounded(double value) { return std::round(value * 10'000) / 10'000; }

void printResult(const ReplayResult& result, const Options& options) {
  if (options.output == "json") {
    nlohmann::ordered_json line = {{"seed", result.seed},
                                   {"policy", result.policy},
                                   {"allocation100", rounded(result.allocation100)},
                                   {"allocation130", rounded(result.allocation130)},
                                   {"fragmentation100", rounded(result.fragmentation100)},
                                   {"failed", result.failed}};
    if (!options.noTiming) line["decisionsPerSecond"] = std::round(result.decisionsPerSecond());
    std::printf("%s\n", line.dump().c_str());
  } else {
    std::printf("%6llu  %-13s  %13.2f  %13.2f  %16.2f  %7llu",
                static_cast<unsigned long long>(result.seed), result.policy.c_str(),
                result.allocation100, result.allocation130, result.fragmentation100,
                static_cast<unsigned long long>(result.failed));
    if (!options.noTiming) std::printf("  %18.0f", result.decisionsPerSecond());
    std::printf("\n");
  }
  std::fflush(stdout);
}

struct Trace {
  std::vector<TraceNode> nodes;
  std::vector<TracePod> pods;
  std::vector<Arrivals> arrivals;
};

Result<Trace> readTrace(const std::string& nodesFile, const std::string& podsFile,
                        const std::string& arrivalsFile, Seeds seeds) {
  auto nodes = readNodes(nodesFile);
  if (!nodes) return nodes.error();
  auto pods = readPods(podsFile);
  if (!pods) return pods.error();
  auto arrivals = readArrivals(arrivalsFile, seeds.first, seeds.last, nodes.value().size(),
                               pods.value().size());
  if (!arrivals) return arrivals.error();
  return Trace{std::move(nodes).value(), std::move(pods).value(), std::move(arrivals).value()};
}

int replayCommand(const Options& options) {
  std::vector<placement::Policy> chosen = policiesOf(options.policy);
  if (chosen.empty()) {
    return fail(kUsage, "\"" + options.policy + "\" is no policy; there are " + knownPolicies());
  }
  std::optional<Seeds> seeds = seedsOf(options.seeds);
  if (!seeds) {
    return fail(kUsage, "\"" + options.seeds + "\" names no seeds; \"52\" or \"52-61\" would");
  }
  auto trace = readTrace(options.nodes, options.pods, options.arrivals, *seeds);
  if (!trace) return fail(kFailed, trace.error().why);
  if (options.output == "table") {
    std::printf("%6s  %-13s  %13s  %13s  %16s  %7s%s\n", "seed", "policy", "allocation100",
                "allocation130", "fragmentation100", "failed",
                options.noTiming ? "" : "  decisionsPerSecond");
  }
  for (const placement::Policy& policy : chosen) {
    for (const Arrivals& arrivals : trace.value().arrivals) {
      printResult(replay(trace.value().nodes, trace.value().pods, arrivals, policy,
                         monotonicSeconds),
                  options);
    }
  }
  return 0;
}

struct Means {
  std::string list, policy;
  double allocation100 = 0, allocation130 = 0, fragmentation100 = 0, decisionsPerSecond = 0;
};

void printMeans(const Means& means, const Options& options) {
  const PublishedFigure* figure = nullptr;
  for (const PublishedFigure& one : kPublished) {
    if (one.list == means.list && one.policy == means.policy) figure = &one;
  }
  if (options.output == "json") {
    nlohmann::ordered_json line = {{"list", means.list},
                                   {"policy", means.policy},
                                   {"allocation100", rounded(means.allocation100)},
                                   {"allocation130", rounded(means.allocation130)},
                                   {"fragmentation100", rounded(means.fragmentation100)}};
    if (figure != nullptr) {
      line["replayed"] = {figure->replayed100, figure->replayed130};
      line["published"] = {figure->published100, figure->published130};
    }
    if (!options.noTiming) line["decisionsPerSecond"] = std::round(means.decisionsPerSecond);
    std::printf("%s\n", line.dump().c_str());
  } else {
    std::printf("%-12s  %-13s  %6.2f / %6.2f", means.list.c_str(), means.policy.c_str(),
                means.allocation100, means.allocation130);
    if (figure != nullptr) {
      std::printf("  %6.2f / %6.2f    %6.2f / %6.2f", figure->replayed100, figure->replayed130,
                  figure->published100, figure->published130);
    } else {
      std::printf("  %15s    %15s", "-", "-");
    }
    std::printf("  %7.2f", means.fragmentation100);
    if (!options.noTiming) std::printf("  %11.0f", means.decisionsPerSecond);
    std::printf("\n");
  }
  std::fflush(stdout);
}

int tableCommand(const Options& options) {
  std::vector<placement::Policy> chosen = policiesOf(options.policy);
  if (chosen.empty()) {
    return fail(kUsage, "\"" + options.policy + "\" is no policy; there are " + knownPolicies());
  }
  std::optional<Seeds> seeds = seedsOf(options.seeds);
  if (!seeds) {
    return fail(kUsage, "\"" + options.seeds + "\" names no seeds; \"52\" or \"52-61\" would");
  }
  if (options.output == "table") {
    std::printf("allocation %% at 100%% / 130%% arrived, means of the seeds %s\n",
                options.seeds.c_str());
    std::printf("%-12s  %-13s  %15s  %15s    %15s  %7s%s\n", "list", "policy", "here",
                "README 52-61", "README 42-51", "frag100",
                options.noTiming ? "" : "  decisions/s");
  }
  std::filesystem::path directory = options.directory;
  for (std::string_view list : kLists) {
    std::string name(list);
    auto trace = readTrace(directory / "openb_node_list_gpu_node.csv",
                           directory / ("openb_pod_list_" + name + ".csv"),
                           directory / ("arrivals_" + name + ".txt"), *seeds);
    if (!trace) return fail(kFailed, trace.error().why);
    for (const placement::Policy& policy : chosen) {
      Means means{name, std::string(policy.name)};
      auto count = static_cast<double>(trace.value().arrivals.size());
      for (const Arrivals& arrivals : trace.value().arrivals) {
        ReplayResult result = replay(trace.value().nodes, trace.value().pods, arrivals, policy,
                                     monotonicSeconds);
        means.allocation100 += result.allocation100 / count;
        means.allocation130 += result.allocation130 / count;
        means.fragmentation100 += result.fragmentation100 / count;
        means.decisionsPerSecond += result.decisionsPerSecond() / count;
      }
      printMeans(means, options);
    }
  }
  return 0;
}

void addCommon(CLI::App& app, Options& options, const char* defaultPolicy) {
  options.policy = defaultPolicy;
  app.add_option("--seeds", options.seeds, "One seed, or FIRST-LAST")->capture_default_str();
  app.add_option("-o,--output", options.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))->capture_default_str();
  app.add_flag("--no-timing", options.noTiming,
               "Leave out decisionsPerSecond, which differs from run to run");
}

int run(int argc, char** argv) {
  CLI::App app("Recorded traces and synthetic loads, in no time.", "alnilam-sim");
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  Options replayed, tabled;
  std::function<int()> command;
  CLI::App* replayApp = app.add_subcommand("replay", "One trace by one policy, a line a seed");
  replayApp->add_option("--nodes", replayed.nodes, "The nodes, CSV")->required();
  replayApp->add_option("--pods", replayed.pods, "The pods, CSV")->required();
  replayApp->add_option("--arrivals", replayed.arrivals, "Orders of arrival, a line a seed")
      ->required();
  addCommon(*replayApp, replayed, "default");
  replayApp->add_option("--policy", replayed.policy, "One of " + knownPolicies())
      ->capture_default_str();
  replayApp->callback([&]() { command = [&]() { return replayCommand(replayed); }; });

  CLI::App* tableApp = app.add_subcommand(
      "table", "All policies on the four lists of openb, beside the published figures");
  tableApp->add_option("--dir", tabled.directory, "Where the trace's files are")
      ->envname("ALNILAM_TRACES")->required();
  addCommon(*tableApp, tabled, "all");
  tableApp->add_option("--policy", tabled.policy, "One of " + knownPolicies())
      ->capture_default_str();
  tableApp->callback([&]() { command = [&]() { return tableCommand(tabled); }; });

  addLoadCommand(app, command);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return fail(kUsage, error.what());
  }
  return command();
}

}  // namespace
}  // namespace alnilam::sim

int main(int argc, char** argv) { return alnilam::sim::run(argc, argv); }
