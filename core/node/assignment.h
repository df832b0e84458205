#pragma once
// What the head hands to a node and what the node reports back, in batches.

#include "core/cluster/topology.h"
#include "core/graph/task.h"
#include "core/graph/value.h"
#include "core/node/orders.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace alnilam {

struct Assignment {
  TaskId id;
  Attempt attempt;
  ClassIndex taskClass = 0;
  Blob arguments;
  // Held or stored, never failed.  Pending: made on this node by the task of that id, which was
  // assigned to it earlier; the node starts this one as soon as it is made, or returns it.
  std::vector<std::pair<ObjectId, Value>> inputs;
  bool awaited = false;  // tasks wait for its result, and may be assigned to this node as well
  // Of a class with variants: the one that the head counts on.  The node may know better, unless it
  // is a trial, made to learn how long that variant takes.
  std::uint8_t variant = 0;
  bool trial = false;
};

// A class the node has not been told of on this connection.
struct ClassNotice {
  JobId job;
  ClassIndex index = 0;
  TaskClass definition;
};

// A job whose tasks may follow: how to start its executors.
struct JobNotice {
  JobId job;
  std::string program;  // hex SHA-256 of the program's bytes; empty in the embedded engine
  std::vector<std::string> arguments;  // argv[1..] of the program
};

// Head to node.  Carried out in the order of the members.
struct NodeOrders {
  std::vector<JobNotice> jobs;
  std::vector<ClassNotice> classes;
  std::vector<Assignment> assign;
  std::vector<TaskId> cancel;
  std::vector<ObjectId> release;  // drop the copy, nobody may ask for it again
  std::vector<JobId> ended;       // end its executors, drop what is left of it
  bool restoreDevices = false;    // take withdrawn devices back into service
  std::vector<TaskId> giveBack;   // return those that have not begun

  bool empty() const {
    return jobs.empty() && classes.empty() && assign.empty() && cancel.empty() &&
           release.empty() && ended.empty() && !restoreDevices && giveBack.empty();
  }
};

// An object that now lies in the node's store though the head did not see it made there: a copy
// that was pulled, or a value that a local program put.
struct ObjectKept {
  ObjectId object;
  Bytes size = 0;
};

// What a node has learned of one variant on one of its devices, for inputs of about one size: sent
// with the ends of the attempts that it was learned from.
struct CostReport {
  JobId job;
  ClassIndex taskClass = 0;
  std::uint8_t variant = 0;
  std::uint8_t sizeClass = 0;  // placement::sizeClassOf the inputs and arguments
  std::uint32_t gpu = TaskDone::kNoGpu;  // index of the device; none for one that has no device
  std::uint32_t runs = 0;      // since the last such report
  std::uint32_t total = 0;     // that the node has seen
  Duration mean{};             // what the node now expects of a run
  Duration deviation{};        // and how far they lie around it

  auto operator<=>(const CostReport&) const = default;
};

// Node to head.
struct NodeReport {
  // All devices that are out of service now, by index; nullopt: as last told.  Counts before
  // `done`, so that what comes back because of it is not handed out to this node again.
  std::optional<std::vector<WithdrawnGpu>> withdrawn;
  std::vector<TaskDone> done;
  std::vector<ObjectKept> kept;
  std::vector<ObjectId> dropped;  // copies that are gone (never asked for by `release`)
  std::vector<CostReport> costs;
  Bytes pullRate = 0;  // bytes a second at which pulls lately came in; 0: as last told

  bool empty() const {
    return !withdrawn && done.empty() && kept.empty() && dropped.empty() && costs.empty() &&
           pullRate == 0;
  }
};

}  // namespace alnilam
