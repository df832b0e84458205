// How many no-op tasks a second one head brain carries on one core: submitted, wanted, placed on a
// node of two cores that answers at once, told, released.  In batches of 1,000, as the wires bring
// them.  Three shapes of graph: independent tasks, chains of a hundred, and binary trees that
// reduce; and the same independent tasks on a hundred nodes.
//
// Prints one JSON object a line; the limit is a memcpy of the same task structs.  With an argument,
// runs only the shape of that name.

#include "core/head/head_brain.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

using namespace alnilam;
using namespace alnilam::head;

namespace {

constexpr std::uint32_t kBatch = 1000;
constexpr std::uint32_t kTasks = 3'000'000;

double seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

// Makes the `i`th task's inputs, all of them older tasks of the same batch.
using Shape = void (*)(std::uint32_t i, TaskSpec& spec);

void independent(std::uint32_t, TaskSpec&) {}
void chain(std::uint32_t i, TaskSpec& spec) {
  if (i % 100 != 0) spec.inputs.push_back({spec.id.value - 1});
}
void tree(std::uint32_t i, TaskSpec& spec) {  // the second half of a batch reduces the first
  if (i < kBatch / 2) return;
  std::uint32_t pair = 2 * (i - kBatch / 2);
  spec.inputs.push_back({spec.id.value - i + pair});
  spec.inputs.push_back({spec.id.value - i + pair + 1});
}

class Bench {
 public:
  explicit Bench(std::uint32_t nodes) : brain_(HeadBrain::Config{}) {
    step(JobOpened{1, "bench", "", {}});
    for (std::uint32_t i = 0; i < nodes; ++i) {
      NodeJoined node{"node" + std::to_string(i), {1}, {}, {}};
      node.topology.domains.push_back({0, 0, 64_GiB});
      node.topology.cores.resize(2);
      node.total = node.topology.total();
      step(std::move(node));
    }
    running_.resize(nodes + 1);
    Submit submit{job_, {}, {}};
    TaskClass noop;
    noop.function = "noop";
    noop.needs.cpus = Amount::whole(1);
    submit.classes.push_back(std::move(noop));
    step(std::move(submit));
  }

  double tasksPerSecond(Shape shape) {
    std::byte argument[16] = {};
    auto since = std::chrono::steady_clock::now();
    for (std::uint32_t batch = 0; batch < kTasks / kBatch; ++batch) {
      Submit submit{job_, {}, {}};
      Want want{job_, {}};
      submit.tasks.resize(kBatch);
      want.objects.reserve(kBatch);
      for (std::uint32_t i = 0; i < kBatch; ++i) {
        TaskSpec& spec = submit.tasks[i];
        spec.id = ObjectId::make(job_, batch * kBatch + i + 1);
        spec.arguments = Blob::copyOf(argument);
        shape(i, spec);
        want.objects.push_back(spec.id);
      }
      step(std::move(submit));
      step(std::move(want));
      place();
      while (told_ < std::uint64_t{batch} * kBatch) report();
    }
    while (told_ < kTasks) report();
    return kTasks / seconds(since);
  }

 private:
  void step(Input input) {
    now_ += std::chrono::microseconds(1);
    brain_.step(now_, std::move(input), out_);
    take();
  }
  void place() {
    brain_.place(now_, out_);
    take();
  }
  // Every node ends what it was sent; the program drops what it was told.
  void report() {
    for (std::uint32_t node = 1; node < running_.size(); ++node) {
      if (running_[node].empty()) continue;
      NodeHeard heard{{node}, {1}, {}};
      heard.report.done.reserve(running_[node].size());
      for (Assignment& task : running_[node]) {
        TaskDone& done = heard.report.done.emplace_back();
        done.id = task.id;
        done.attempt = task.attempt;
        done.held = std::move(task.arguments);
        done.ran = Duration{100};
      }
      running_[node].clear();
      step(std::move(heard));
    }
    place();
    if (!dropped_.empty()) step(Release{job_, std::exchange(dropped_, {})});
  }
  void take() {
    for (Output& output : out_) {
      if (auto* ready = std::get_if<JobReady>(&output)) job_ = ready->job;
      if (auto* orders = std::get_if<NodeTold>(&output)) {
        auto& to = running_[orders->node.value];
        if (to.empty()) {
          to = std::move(orders->orders.assign);
        } else {
          for (Assignment& one : orders->orders.assign) to.push_back(std::move(one));
        }
      }
      if (auto* told = std::get_if<Told>(&output)) {
        told_ += told->objects.size();
        for (auto& [id, value] : told->objects) dropped_.push_back(id);
      }
    }
    out_.clear();
  }

  HeadBrain brain_;
  JobId job_;
  Instant now_{};
  std::vector<Output> out_;
  std::vector<std::vector<Assignment>> running_;  // by node
  std::vector<ObjectId> dropped_;
  std::uint64_t told_ = 0;
};

double copiesPerSecond() {
  std::vector<std::byte> from(kBatch * sizeof(TaskSpec)), to(from.size());
  std::uint64_t sum = 0;
  auto since = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < kTasks / kBatch; ++i) {
    from[i % from.size()] = static_cast<std::byte>(i);
    std::memcpy(to.data(), from.data(), from.size());
    sum += static_cast<std::uint64_t>(to[i % to.size()]);
  }
  return sum == 0 ? 0 : kTasks / seconds(since);
}

}  // namespace

int main(int argc, char** argv) {
  struct Row { const char* name; std::uint32_t nodes; Shape shape; };
  const Row rows[] = {
      {"head_brain", 1, independent},
      {"head_brain_chains", 1, chain},
      {"head_brain_trees", 1, tree},
      {"head_brain_100_nodes", 100, independent},
  };
  double limit = copiesPerSecond();
  for (const Row& row : rows) {
    if (argc > 1 && std::string_view(argv[1]) != row.name) continue;
    double value = Bench(row.nodes).tasksPerSecond(row.shape);
    std::printf(
        "{\"name\": \"%s\", \"value\": %.0f, \"unit\": \"tasks/s\", \"limit\": %.0f, "
        "\"limitName\": \"memcpy of the task structs\", \"ratio\": %.4f, \"emulated\": false}\n",
        row.name, value, limit, value / limit);
  }
}
