#pragma once
// `alnilam node info NAME`: all that the head knows of one node: its topology as a tree, its
// devices with their links, how annotations are kept there, and what is out of service and why.
// `alnilam node restore NAME` tells it to take devices that are out of service back.
//
// Errors: exit code 1 where no node is called so.

#include "daemons/cli/inspect.h"

#include <string>

namespace alnilam::cli {

// `node` is a name, the beginning of only one, or an id.
int nodeInfo(const HeadOptions& options, const std::string& node);

// Ends when the node was told; `node info` shows when it has done so.  Somebody should have looked
// after the devices: one that fails again is taken out again.
int restoreNode(const HeadOptions& options, const std::string& node);

}  // namespace alnilam::cli
