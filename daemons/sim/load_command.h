#pragma once
// `alnilam-sim load`: a synthetic load from the command line.

#include <CLI/CLI.hpp>

#include <functional>

namespace alnilam::sim {

// Adds the subcommand; when it was asked for, `command` is what to run: it gives the exit code.
void addLoadCommand(CLI::App& app, std::function<int()>& command);

}  // namespace alnilam::sim
