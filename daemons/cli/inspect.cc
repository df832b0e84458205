#include "daemons/cli/inspect.h"

#include "daemons/cli/inspection.h"
#include "daemons/cli/portrait.h"
#include "daemons/process/process.h"

#include <charconv>
#include <cstdio>
#include <string_view>

namespace alnilam::cli {
namespace {

std::string lanesOf(const rpc::NodeRow& row) {
  std::string text;
  for (const rpc::Lane& lane : row.lanes) {
    if (lane.pulls == 0) continue;
    text += (text.empty() ? "" : ", ") + lane.transport + " from " +
            std::to_string(lane.node.value) + ": " + showBytes(lane.bytes);
  }
  return text.empty() ? "-" : text;
}

// "a; b", "-"
std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text.empty() ? "-" : text;
}

Listing listingOf(const std::vector<rpc::NodeRow>& rows) {
  Listing listing{"nodes",
                  {"ID", "NAME", "STATE", "OFFERS", "IN USE", "GPUS", "RUNNING", "FINISHED",
                   "STORE", "LANES", "HOST", "OBJECTS", "LABELS", "FEATURES", "OUT OF SERVICE"},
                  {},
                  5};
  for (const rpc::NodeRow& row : rows) {
    const head::NodeView& view = row.view;
    std::string state = stateOf(view);
    Json lanes = Json::array();
    for (const rpc::Lane& lane : row.lanes) {
      lanes.push_back({{"node", lane.node.value},
                       {"transport", lane.transport},
                       {"pulls", lane.pulls},
                       {"bytes", lane.bytes},
                       {"seconds", inSeconds(lane.time)}});
    }
    Json gpus = Json::array();
    for (std::uint32_t i = 0; i < view.topology.gpus.size(); ++i) {
      gpus.push_back(portraitOf(view.topology, i, view.withdrawn));
    }
    listing.rows.push_back(
        {{std::to_string(view.node.value), view.name, state, show(view.total),
          show(view.committed), gpusInShort(view.topology, view.withdrawn),
          std::to_string(view.running),
          std::to_string(view.finished),
          showBytes(row.storeUsed) + "/" + showBytes(row.storeBytes), lanesOf(row),
          view.topology.hostname, row.address.objects, joined(view.topology.labels),
          joined(view.topology.features),
          joined(outOfService(view.topology, view.withdrawn))},
         {{"id", view.node.value},
          {"name", view.name},
          {"state", state},
          {"hostname", view.topology.hostname},
          {"offers", show(view.total)},
          {"committed", show(view.committed)},
          {"running", view.running},
          {"finished", view.finished},
          {"storeBytes", row.storeBytes},
          {"storeUsedBytes", row.storeUsed},
          {"objects", row.address.objects},
          {"gpus", gpus},
          {"labels", view.topology.labels},
          {"features", view.topology.features},
          {"lanes", lanes}}});
  }
  return listing;
}

// As show(JobId) writes it: "3", "2:3".  None: it is not one.
JobId parseJob(std::string_view text) {
  std::uint32_t cell = 1, number = 0;
  std::size_t colon = text.find(':');
  auto whole = [](std::string_view digits, std::uint32_t& value) {
    auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && rest == digits.data() + digits.size();
  };
  if (colon != std::string_view::npos) {
    if (!whole(text.substr(0, colon), cell)) return {};
    text.remove_prefix(colon + 1);
  }
  if (!whole(text, number) || number >> kCellShift || cell >> 8) return {};
  return {(cell << kCellShift) | number};
}

// As show(ObjectId) writes it: "3.17".  None: it is not one.
TaskId parseTask(std::string_view text) {
  std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return {};
  JobId job = parseJob(text.substr(0, dot));
  std::string_view digits = text.substr(dot + 1);
  std::uint32_t index = 0;
  auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  bool good = job && error == std::errc() && rest == digits.data() + digits.size();
  return good ? ObjectId::make(job, index) : TaskId{};
}

}  // namespace

int status(const HeadOptions& options) {
  return Inspection(options).run([&](schema::Inspector::Client& inspector, kj::WaitScope& scope) {
    auto response = inspector.statusRequest().send().wait(scope);
    Result<rpc::Status> status = rpc::read(response.getStatus());
    if (!status) return complain(status.error().why);
    Result<std::vector<rpc::NodeRow>> nodes = nodesOf(inspector, scope);
    if (!nodes) return complain(nodes.error().why);
    const rpc::Status& told = status.value();
    Listing listing = listingOf(nodes.value());
    if (options.format != Format::table && options.format != Format::wide) {
      Json all = {{"schemaVersion", 1},
                  {"head", options.head},
                  {"version", told.version},
                  {"epoch", told.epoch.value},
                  {"upSeconds", inSeconds(told.up)},
                  {"nodesAlive", told.nodesAlive},
                  {"jobsOpen", told.jobsOpen},
                  {"tasksPending", told.tasksPending},
                  {"tasksFinished", told.tasksFinished},
                  {"staleReports", told.staleReports},
                  {"connections", told.connections},
                  {"connectionsRefused", told.connectionsRefused},
                  {"nodes", Json::array()}};
      for (auto& row : listing.rows) all["nodes"].push_back(row.object);
      std::printf("%s\n", all.dump(options.format == Format::json ? 2 : -1).c_str());
      return 0;
    }
    std::printf("head %s, version %s, up %s\n", options.head.c_str(), told.version.c_str(),
                seconds(inSeconds(told.up)).c_str());
    std::printf("%u nodes alive, %u jobs open, %llu tasks pending, %llu finished\n",
                told.nodesAlive, told.jobsOpen,
                static_cast<unsigned long long>(told.tasksPending),
                static_cast<unsigned long long>(told.tasksFinished));
    std::printf("%u connections, %llu refused\n\n", told.connections,
                static_cast<unsigned long long>(told.connectionsRefused));
    for (const rpc::NodeRow& row : nodes.value()) {
      for (auto& line : outOfService(row.view.topology, row.view.withdrawn)) {
        std::printf("out of service: %s of node %s\n", line.c_str(), row.view.name.c_str());
      }
      if (!row.view.aside.empty()) {
        std::printf("node %s is %s\n", row.view.name.c_str(), row.view.aside.c_str());
      }
    }
    print(listing, options.format);
    return 0;
  });
}

int listNodes(const HeadOptions& options) {
  return Inspection(options).run([&](schema::Inspector::Client& inspector, kj::WaitScope& scope) {
    Result<std::vector<rpc::NodeRow>> nodes = nodesOf(inspector, scope);
    if (!nodes) return complain(nodes.error().why);
    print(listingOf(nodes.value()), options.format);
    return 0;
  });
}

int listJobs(const HeadOptions& options) {
  return Inspection(options).run([&](schema::Inspector::Client& inspector, kj::WaitScope& scope) {
    auto response = inspector.jobsRequest().send().wait(scope);
    Listing listing{
        "jobs", {"ID", "NAME", "STATE", "WAITING", "READY", "ASSIGNED", "FINISHED", "FAILED"}, {}};
    for (auto from : response.getJobs()) {
      Result<head::JobView> job = rpc::read(from);
      if (!job) return complain(job.error().why);
      const head::JobView& view = job.value();
      std::string state = view.open ? "open" : "closed";
      listing.rows.push_back(
          {{show(view.job), view.name, state, std::to_string(view.waiting),
            std::to_string(view.ready), std::to_string(view.assigned),
            std::to_string(view.finished), std::to_string(view.failed)},
           {{"id", show(view.job)}, {"name", view.name}, {"state", state},
            {"waiting", view.waiting}, {"ready", view.ready}, {"assigned", view.assigned},
            {"finished", view.finished}, {"failed", view.failed}}});
    }
    print(listing, options.format);
    return 0;
  });
}

int listTasks(const HeadOptions& options, const std::string& job, std::uint32_t limit) {
  JobId of = parseJob(job);
  if (!job.empty() && !of) {
    return complain("--job=" + job + " is not a job's id, such as 3", kUsage);
  }
  return Inspection(options).run([&](schema::Inspector::Client& inspector, kj::WaitScope& scope) {
    auto request = inspector.tasksRequest();
    request.setJob(of.value);
    request.setLimit(limit);
    auto response = request.send().wait(scope);
    Listing listing{"tasks", {"ID", "FUNCTION", "STATE", "NODE", "ATTEMPT", "RAN", "VARIANT"}, {}};
    for (auto from : response.getTasks()) {
      Result<head::TaskView> task = rpc::read(from);
      if (!task) return complain(task.error().why);
      const head::TaskView& view = task.value();
      listing.rows.push_back(
          {{show(view.id), view.function, view.state, view.node.empty() ? "-" : view.node,
            std::to_string(view.attempt.value), seconds(inSeconds(view.ran)),
            view.variant.empty() ? "-" : view.variant},
           {{"id", show(view.id)}, {"function", view.function}, {"state", view.state},
            {"node", view.node}, {"attempt", view.attempt.value},
            {"ranSeconds", inSeconds(view.ran)}, {"variant", view.variant}}});
    }
    print(listing, options.format);
    return 0;
  });
}

int explainTask(const HeadOptions& options, const std::string& task) {
  TaskId id = parseTask(task);
  if (!id) return complain(task + " is not a task's id, such as 3.17", kUsage);
  return Inspection(options).run([&](schema::Inspector::Client& inspector, kj::WaitScope& scope) {
    auto request = inspector.explainRequest();
    request.setTask(id.value);
    auto response = request.send().wait(scope);
    std::printf("%s\n", response.getText().cStr());
    return 0;
  });
}

}  // namespace alnilam::cli
