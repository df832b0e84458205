#pragma once
// `alnilam up`: a head and nodes on this machine, for as long as the command runs.
//
// For trying things out, for tests, and for a single big machine.  Everything lies in one directory
// that is made for the occasion and removed at the end: the secret, the sockets, what nodes keep.
// The machine is shared out among the nodes: memory evenly, cores evenly where there are enough for
// each, otherwise every node offers all of them.

#include "core/base/units.h"

#include <string>
#include <vector>

namespace alnilam::cli {

struct UpOptions {
  std::uint32_t nodes = 1;
  std::string emulateGpus;           // "2x4GiB", for each node; empty: the real ones
  std::string topology;              // an XML file for each node; empty: this machine's
  std::string store;                 // bytes of each node's object store; empty: their default
  std::string listen = "127.0.0.1:0";
  bool verbose = false;              // daemons say what they do, not only what went wrong
  std::vector<std::string> program;  // program and arguments to run against them; may be empty
};

// Returns the command's exit code: the program's own where there is one.
int up(const UpOptions& options);

}  // namespace alnilam::cli
