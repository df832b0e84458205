#include "daemons/cli/node_info.h"

#include "daemons/cli/inspection.h"
#include "daemons/cli/portrait.h"
#include "daemons/process/process.h"
#include "gpu/discovery/discover.h"

#include <cstdio>

namespace alnilam::cli {
namespace {

// A name goes before an id, and that before the beginning of a name.
Result<const rpc::NodeRow*> find(const std::vector<rpc::NodeRow>& rows, const std::string& wanted) {
  const rpc::NodeRow* begins = nullptr;
  std::size_t many = 0;
  for (const rpc::NodeRow& row : rows) {
    if (row.view.name == wanted) return &row;
    if (!wanted.empty() && row.view.name.starts_with(wanted)) {
      begins = &row;
      ++many;
    }
  }
  for (const rpc::NodeRow& row : rows) {
    if (std::to_string(row.view.node.value) == wanted) return &row;
  }
  if (many == 1) return begins;
  std::string names;
  for (const rpc::NodeRow& row : rows) names += (names.empty() ? "" : ", ") + row.view.name;
  std::string why = many > 1 ? "more than one node begins with" : "no node is called";
  return Refusal{RefusalCode::unknown,
                 why + " \"" + wanted + "\"; there are: " + (names.empty() ? "none" : names)};
}

Json toJson(const rpc::NodeRow& row) {
  const head::NodeView& view = row.view;
  Json all = {{"schemaVersion", 1},
              {"id", view.node.value},
              {"name", view.name},
              {"state", stateOf(view)},
              {"aside", view.aside.empty() ? Json() : Json(view.aside)},
              {"offers", show(view.total)},
              {"committed", show(view.committed)},
              {"running", view.running},
              {"finished", view.finished},
              {"storeBytes", row.storeBytes},
              {"storeUsedBytes", row.storeUsed},
              {"objects", row.address.objects},
              {"deviceMemory", Json::array()}};
  for (const DeviceMemoryUse& use : row.deviceMemory) {
    all["deviceMemory"].push_back({{"gpu", use.gpu},
                                   {"usedBytes", use.used},
                                   {"reservedBytes", use.reserved},
                                   {"mostUsedBytes", use.mostUsed},
                                   {"mostReservedBytes", use.mostReserved},
                                   {"fragmentation", use.fragmentation()}});
  }
  all.update(portraitOf(view.topology, view.withdrawn));
  return all;
}

void printTree(const rpc::NodeRow& row) {
  const head::NodeView& view = row.view;
  std::printf("node %s, id %u: %s\n", view.name.c_str(), view.node.value,
              stateOf(view));
  std::printf("offers %s\nin use %s; %llu tasks there, %llu finished\n", show(view.total).c_str(),
              show(view.committed).c_str(), static_cast<unsigned long long>(view.running),
              static_cast<unsigned long long>(view.finished));
  std::printf("store  %s of %s, objects at %s\n", showBytes(row.storeUsed).c_str(),
              showBytes(row.storeBytes).c_str(), row.address.objects.c_str());
  if (!view.aside.empty()) std::printf("%s\n", view.aside.c_str());
  for (const std::string& line : outOfService(view.topology, view.withdrawn)) {
    std::printf("out of service: %s\n", line.c_str());
  }
  for (const DeviceMemoryUse& use : row.deviceMemory) {
    std::printf("GPU %u memory: %s used of %s in pools (%.0f%% unused); at most %s and %s\n",
                use.gpu, showBytes(use.used).c_str(), showBytes(use.reserved).c_str(),
                100 * use.fragmentation(), showBytes(use.mostUsed).c_str(),
                showBytes(use.mostReserved).c_str());
  }
  std::printf("%s", gpu::describe(view.topology, view.withdrawn).c_str());
}

void printRestored(const rpc::NodeRow& row, Format format) {
  const head::NodeView& view = row.view;
  std::vector<std::string> lines = outOfService(view.topology, view.withdrawn);
  Json all = {{"schemaVersion", 1}, {"id", view.node.value}, {"name", view.name},
              {"restored", Json::array()},
              {"wasAside", !view.aside.empty()}};
  for (const WithdrawnGpu& out : view.withdrawn) all["restored"].push_back(out.gpu);
  switch (format) {
    case Format::json: std::printf("%s\n", all.dump(2).c_str()); break;
    case Format::jsonl: std::printf("%s\n", all.dump().c_str()); break;
    case Format::id: std::printf("%u\n", view.node.value); break;
    case Format::table:
    case Format::wide:
      for (const std::string& line : lines) std::printf("back in service: %s\n", line.c_str());
      if (!view.aside.empty()) std::printf("node %s: it was set aside\n", view.name.c_str());
      if (lines.empty() && view.aside.empty()) {
        std::printf("node %s: nothing is out of service\n", view.name.c_str());
      }
      break;
  }
}

}  // namespace

int nodeInfo(const HeadOptions& options, const std::string& node) {
  return Inspection(options).run([&](schema::Inspector::Client& inspector, kj::WaitScope& scope) {
    Result<std::vector<rpc::NodeRow>> rows = nodesOf(inspector, scope);
    if (!rows) return complain(rows.error().why);
    Result<const rpc::NodeRow*> row = find(rows.value(), node);
    if (!row) return complain(row.error().why);
    switch (options.format) {
      case Format::json: std::printf("%s\n", toJson(*row.value()).dump(2).c_str()); break;
      case Format::jsonl: std::printf("%s\n", toJson(*row.value()).dump().c_str()); break;
      case Format::id: std::printf("%u\n", row.value()->view.node.value); break;
      case Format::table:
      case Format::wide: printTree(*row.value()); break;
    }
    return 0;
  });
}

int restoreNode(const HeadOptions& options, const std::string& node) {
  return Inspection(options).run([&](schema::Inspector::Client& inspector, kj::WaitScope& scope) {
    Result<std::vector<rpc::NodeRow>> rows = nodesOf(inspector, scope);
    if (!rows) return complain(rows.error().why);
    Result<const rpc::NodeRow*> row = find(rows.value(), node);
    if (!row) return complain(row.error().why);
    auto request = inspector.restoreDevicesRequest();
    request.setNode(row.value()->view.node.value);
    auto response = request.send().wait(scope);
    if (response.hasRefusal()) return complain(rpc::read(response.getRefusal()).why);
    printRestored(*row.value(), options.format);
    return 0;
  });
}

}  // namespace alnilam::cli
