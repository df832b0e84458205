#pragma once
// What alnilam::connect() does in an executor: it serves the job's tasks and never returns.
//
// A node starts the user's program again with an inherited socket.  The main thread runs the event
// loop: orders come in and go to the workers, reports gather and go out in batches.  Large results
// are written by the workers straight into the node's arena, at a place that the node gave.
//
// A thread that crashes or calls exit() leaves its task's id on the crash page, on a signal stack
// of its own, so that an overflowed stack can be told as well; then the signal takes its course.
//
// Errors: a node that goes away ends the process at once: nobody wants its results any more.

#include "core/cluster/topology.h"
#include "core/engine/device_host.h"

#include <functional>
#include <memory>

namespace alnilam {

// Opens the GPUs of the node's topology in this process, on first use; throws DeviceError.
using OpenDevices = std::function<std::unique_ptr<DeviceHost>(const Topology& node)>;

// `socketFd` is the inherited socket to the node.
[[noreturn]] void serveTasks(int socketFd, OpenDevices openDevices);

}  // namespace alnilam
