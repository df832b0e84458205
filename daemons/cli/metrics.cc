#include "daemons/cli/metrics.h"

#include "daemons/cli/inspection.h"
#include "daemons/process/process.h"

#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace alnilam::cli {
namespace {

using Labels = std::vector<std::pair<const char*, std::string>>;

std::string escaped(const std::string& value) {
  std::string text;
  for (char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n') text += "\\n";
    else text += c;
  }
  return text;
}

// One metric: its lines follow each other, as the format demands.
class Family {
 public:
  Family(const char* name, const char* type, const char* help)
      : name_(name), type_(type), help_(help) {}

  void add(const Labels& labels, double value) {
    std::string all;
    for (auto& [label, text] : labels) {
      all += (all.empty() ? "" : ",") + std::string(label) + "=\"" + escaped(text) + "\"";
    }
    char number[32];
    std::snprintf(number, sizeof number, "%.17g", value);
    lines_ += name_ + (all.empty() ? "" : "{" + all + "}") + " " + number + "\n";
  }
  void print() const {
    if (lines_.empty()) return;
    std::printf("# HELP %s %s\n# TYPE %s %s\n%s", name_.c_str(), help_, name_.c_str(), type_,
                lines_.c_str());
  }

 private:
  const std::string name_;
  const char* const type_;
  const char* const help_;
  std::string lines_;
};

std::vector<std::pair<std::string, double>> amountsOf(const ResourceSet& set) {
  std::vector<std::pair<std::string, double>> all{
      {"cpu", set.cpus.asDouble()},
      {"gpu", set.gpus.asDouble()},
      {"memory_bytes", static_cast<double>(set.memory)},
      {"gpu_memory_bytes", static_cast<double>(set.gpuMemory)}};
  for (const NamedAmount& one : set.named) all.emplace_back(one.name, one.amount.asDouble());
  return all;
}

void printNodes(const std::vector<rpc::NodeRow>& rows) {
  Family nodes{"alnilam_nodes", "gauge", "Nodes that have joined this head, by state."};
  Family capacity{"alnilam_node_resource_capacity", "gauge", "What a node offers."};
  Family allocated{"alnilam_node_resource_allocated", "gauge",
                   "What live attempts of tasks hold or will hold on a node."};
  Family store{"alnilam_object_bytes", "gauge", "Bytes of objects in a node's store."};
  Family moved{"alnilam_object_transfer_bytes_total", "counter",
               "Bytes of objects that nodes have pulled, by what carried them."};
  std::map<std::string, double> byState{{"alive", 0}, {"aside", 0}, {"lost", 0}}, byLane;
  for (const rpc::NodeRow& row : rows) {
    ++byState[stateOf(row.view)];
    if (!row.view.alive) continue;
    for (auto& [resource, value] : amountsOf(row.view.total)) {
      capacity.add({{"node", row.view.name}, {"resource", resource}}, value);
    }
    for (auto& [resource, value] : amountsOf(row.view.committed)) {
      allocated.add({{"node", row.view.name}, {"resource", resource}}, value);
    }
    store.add({{"node", row.view.name}, {"tier", "host"}}, static_cast<double>(row.storeUsed));
    for (const rpc::Lane& lane : row.lanes) {
      byLane[lane.transport] += static_cast<double>(lane.bytes);
    }
  }
  for (auto& [state, count] : byState) nodes.add({{"state", state}}, count);
  for (auto& [lane, bytes] : byLane) moved.add({{"lane", lane}}, bytes);
  for (const Family* family : {&nodes, &capacity, &allocated, &store, &moved}) family->print();
}

void printDevices(const std::vector<rpc::NodeRow>& rows) {
  Family used{"alnilam_gpu_memory_used_bytes", "gauge",
              "Device memory in allocations of tasks and in results that stay there."};
  Family reserved{"alnilam_gpu_memory_reserved_bytes", "gauge",
                  "Device memory that pools have taken, used or not."};
  Family mostUsed{"alnilam_gpu_memory_used_high_bytes", "gauge",
                  "The most device memory that was in allocations since the node joined."};
  Family mostReserved{"alnilam_gpu_memory_reserved_high_bytes", "gauge",
                      "The most device memory that pools had taken since the node joined."};
  Family unused{"alnilam_gpu_memory_fragmentation_ratio", "gauge",
                "Of the device memory that pools have taken, the part in no allocation."};
  for (const rpc::NodeRow& row : rows) {
    if (!row.view.alive) continue;
    for (const DeviceMemoryUse& use : row.deviceMemory) {
      if (use.gpu >= row.view.topology.gpus.size()) continue;
      const Gpu& gpu = row.view.topology.gpus[use.gpu];
      Labels labels{{"node", row.view.name},
                    {"gpu_uuid", gpu.uuid},
                    {"emulated", gpu.emulated ? "true" : "false"}};
      used.add(labels, static_cast<double>(use.used));
      reserved.add(labels, static_cast<double>(use.reserved));
      mostUsed.add(labels, static_cast<double>(use.mostUsed));
      mostReserved.add(labels, static_cast<double>(use.mostReserved));
      unused.add(labels, use.fragmentation());
    }
  }
  for (const Family* family : {&used, &reserved, &mostUsed, &mostReserved, &unused}) {
    family->print();
  }
}

}  // namespace

int metrics(const HeadOptions& options) {
  return Inspection(options).run([&](schema::Inspector::Client& inspector, kj::WaitScope& scope) {
    auto response = inspector.statusRequest().send().wait(scope);
    Result<rpc::Status> status = rpc::read(response.getStatus());
    if (!status) return complain(status.error().why);
    Result<std::vector<rpc::NodeRow>> rows = nodesOf(inspector, scope);
    if (!rows) return complain(rows.error().why);
    Family pending{"alnilam_tasks_pending", "gauge", "Tasks that wait, are ready, or run."};
    Family finished{"alnilam_tasks_finished_total", "counter",
                    "Tasks that have ended since the head started, failed ones too."};
    pending.add({}, static_cast<double>(status.value().tasksPending));
    finished.add({}, static_cast<double>(status.value().tasksFinished));
    pending.print();
    finished.print();
    printNodes(rows.value());
    printDevices(rows.value());
    return 0;
  });
}

}  // namespace alnilam::cli
