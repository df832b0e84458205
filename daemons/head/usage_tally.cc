#include "daemons/head/usage_tally.h"

namespace alnilam {

void UsageTally::add(NodeId node, const NodeReport& report) {
  JobId job;
  std::uint32_t gpu = 0;
  Count* count = nullptr;  // of the task before: reports come in runs of one job and device
  auto countOf = [&](JobId ofJob, std::uint32_t ofGpu) -> Count& {
    if (!count || job != ofJob || gpu != ofGpu) {
      job = ofJob;
      gpu = ofGpu;
      count = &counts_[job][{node, gpu}];
    }
    return *count;
  };
  for (const TaskDone& done : report.done) {
    if (done.how == TaskDone::How::returned) continue;
    Count& of = countOf(done.id.job(), done.gpu);
    ++of.tasks;
    of.busy += done.ran;
  }
  for (const CostReport& cost : report.costs) {
    countOf(cost.job, cost.gpu).variants[{cost.taskClass, cost.variant}] += cost.runs;
  }
  for (const ObjectKept& kept : report.kept) {
    if (puts_.erase(kept.object) > 0) continue;
    countOf(kept.object.job(), TaskDone::kNoGpu).moved += kept.size;
  }
}

std::vector<UsageRow> UsageTally::rows(
    JobId job, const head::HeadBrain& brain,
    const std::map<NodeId, std::vector<rpc::Lane>>& lanes) const {
  std::vector<UsageRow> rows;
  auto of = counts_.find(job);
  if (of == counts_.end()) return rows;
  for (const head::NodeView& view : brain.nodes()) {
    auto row = [&](std::uint32_t gpu, std::string device) {
      auto it = of->second.find({view.node, gpu});
      if (it == of->second.end()) return;
      const Count& count = it->second;
      UsageRow made{view.name, std::move(device), count.tasks, count.busy, count.moved, {}};
      auto carried = lanes.find(view.node);
      if (count.moved > 0 && carried != lanes.end()) {
        std::set<std::string> names;
        for (const rpc::Lane& lane : carried->second) names.insert(lane.transport);
        for (const std::string& name : names) made.lanes += (made.lanes.empty() ? "" : ", ") + name;
      }
      for (const auto& [which, runs] : count.variants) {
        const TaskClass* ran = brain.classOf(job, which.first);
        if (!ran || which.second >= ran->variants.size()) continue;
        const Variant& one = ran->variants[which.second];
        made.variants.push_back({ran->function, one.kind, one.function, runs});
      }
      rows.push_back(std::move(made));
    };
    row(TaskDone::kNoGpu, "cpu");
    for (std::uint32_t gpu = 0; gpu < view.topology.gpus.size(); ++gpu) {
      row(gpu, "gpu" + std::to_string(gpu) + " " + view.topology.gpus[gpu].label());
    }
  }
  return rows;
}

void UsageTally::forget(JobId job) {
  counts_.erase(job);
  puts_.erase(puts_.lower_bound(ObjectId::make(job, 0)),
              puts_.upper_bound(ObjectId::make(job, UINT32_MAX)));
}

}  // namespace alnilam
