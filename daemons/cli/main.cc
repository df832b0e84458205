// alnilam: the command line.

#include "daemons/cli/detect.h"
#include "daemons/cli/inspect.h"
#include "daemons/cli/metrics.h"
#include "daemons/cli/node_info.h"
#include "daemons/cli/up.h"
#include "daemons/process/process.h"
#include "daemons/process/version.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <optional>
#include <string>

namespace alnilam::cli {
namespace {

// Everything that the command line can say, and what is to be done.
struct Command {
  UpOptions up;
  HeadOptions head;
  DetectOptions detect;
  std::string format = "table";
  std::string job, task, node;
  std::uint32_t limit = 100;
  std::function<int()> run;
};

void addFormat(CLI::App& app, Command& command) {
  app.add_option("-o,--output", command.format, "table, wide, json, jsonl or id")
      ->envname("ALNILAM_OUTPUT")
      ->check(CLI::IsMember({"table", "wide", "json", "jsonl", "id"}));
}

void addHead(CLI::App& app, Command& command) {
  app.add_option("--head", command.head.head, "Address of the head, HOST:PORT")
      ->envname("ALNILAM_HEAD")->required();
  app.add_option("--secret-file", command.head.secretFile, "The cluster's secret")
      ->envname("ALNILAM_SECRET_FILE");
  addFormat(app, command);
}

CLI::App* addAsking(CLI::App& parent, Command& command, const char* name, const char* what,
                    std::function<int()> run) {
  CLI::App* app = parent.add_subcommand(name, what);
  addHead(*app, command);
  app->callback([&command, run]() { command.run = run; });
  return app;
}

void addUp(CLI::App& app, Command& command) {
  CLI::App* sub = app.add_subcommand(
      "up", "Run a head and nodes on this machine, and a program against them");
  sub->add_option("--nodes", command.up.nodes, "How many nodes")
      ->capture_default_str()->check(CLI::Range(1, 1000));
  sub->add_option("--emulate-gpus", command.up.emulateGpus,
                 "Emulated GPUs of each node, such as 2x4GiB, or match: those of the topology");
  sub->add_option("--topology", command.up.topology,
                 "An hwloc XML file, or synthetic:DESCRIPTION, for each node");
  sub->add_option("--store", command.up.store, "Size of each node's object store");
  sub->add_option("--listen", command.up.listen, "Where the head listens")->capture_default_str();
  sub->add_flag("-v,--verbose", command.up.verbose, "Show what the daemons do");
  sub->add_option("program", command.up.program,
                 "-- PROGRAM ARGS: run it and end with its exit code");
  sub->callback([&command]() { command.run = [&command]() { return cli::up(command.up); }; });
}

void addNode(CLI::App& app, Command& command) {
  CLI::App* node = app.add_subcommand("node", "Nodes")->require_subcommand(1);
  addAsking(*node, command, "list", "The nodes of a cluster",
            [&command]() { return listNodes(command.head); });
  CLI::App* info = addAsking(*node, command, "info", "All that is known of a node",
                             [&command]() { return nodeInfo(command.head, command.node); });
  info->add_option("node", command.node, "Its name, or the beginning of it, or its id")->required();
  CLI::App* restore =
      addAsking(*node, command, "restore", "Take devices that are out of service back",
                [&command]() { return restoreNode(command.head, command.node); });
  restore->add_option("node", command.node, "Its name, or the beginning of it, or its id")
      ->required();
  CLI::App* detect = node->add_subcommand("detect", "What this machine would offer");
  detect->add_option("--topology", command.detect.topology,
                     "An hwloc XML file, or synthetic:DESCRIPTION, instead of this machine");
  detect->add_option("--emulate-gpus", command.detect.emulateGpus,
                     "Emulated GPUs, such as 2x16GiB, or match: those of the topology");
  detect->add_option("--emulator", command.detect.emulator, "The emulator's library")
      ->envname("ALNILAM_EMULATOR");
  addFormat(*detect, command);
  detect->callback([&command]() {
    command.run = [&command]() { return cli::detect(command.detect); };
  });
}

void addTask(CLI::App& app, Command& command) {
  CLI::App* task = app.add_subcommand("task", "Tasks")->require_subcommand(1);
  CLI::App* list =
      addAsking(*task, command, "list", "The newest tasks, newest first",
                [&command]() { return listTasks(command.head, command.job, command.limit); });
  list->add_option("--job", command.job, "Of this job only");
  list->add_option("--limit", command.limit, "How many at most")
      ->capture_default_str()->check(CLI::Range(1, 100'000));
  CLI::App* explain =
      addAsking(*task, command, "explain", "Why a task is where it is",
                [&command]() { return explainTask(command.head, command.task); });
  explain->add_option("task", command.task, "Its id, such as 3.17")->required();
}

// A word that stands where a command must and is none: CLI11 would only say that one is required.
std::optional<std::string> unknownCommand(CLI::App& app, int argc, char** argv) {
  if (app.get_require_subcommand_min() == 0) return std::nullopt;
  if (argc < 2 || argv[1][0] == '-') return std::nullopt;
  std::string names;
  for (CLI::App* sub : app.get_subcommands({})) {
    if (sub->get_name() == argv[1]) return unknownCommand(*sub, argc - 1, argv + 1);
    names += (names.empty() ? "" : ", ") + sub->get_name();
  }
  return "\"" + std::string(argv[1]) + "\" is no command; there are " + names;
}

int run(int argc, char** argv) {
  CLI::App app("Task graphs of C++ programs on clusters with CPUs and GPUs.", "alnilam");
  Command command;
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  addUp(app, command);
  addAsking(app, command, "status", "How a cluster is",
            [&command]() { return status(command.head); });
  addAsking(app, command, "metrics", "What a cluster does, as Prometheus reads it",
            [&command]() { return metrics(command.head); });
  addNode(app, command);
  addTask(app, command);
  CLI::App* job = app.add_subcommand("job", "Jobs")->require_subcommand(1);
  addAsking(*job, command, "list", "The jobs of a cluster",
            [&command]() { return listJobs(command.head); });
  app.add_subcommand("version", "Print the version")->callback([&command]() {
    command.run = []() {
      std::printf("alnilam %s\n", kVersion);
      return 0;
    };
  });
  if (auto unknown = unknownCommand(app, argc, argv)) return complain(*unknown, kUsage);
  if (auto code = parseCommandLine(app, argc, argv)) return *code;
  command.head.format = command.detect.format = formatNamed(command.format);
  return command.run();
}

}  // namespace
}  // namespace alnilam::cli

int main(int argc, char** argv) {
  return alnilam::runDaemon([&] { return alnilam::cli::run(argc, argv); });
}
