#pragma once
// A cluster whose hosts have no device or devices of two models, and one job whose tasks have a cpu
// and a cuda variant: how good is the choice between them?
//
// A seed decides hosts, how long each variant takes on what and for which size of inputs (either
// may be the faster one, by up to twentyfold), and whether hosts crash.  The first run on a device
// of a host's life takes longer.  Runs vary by a tenth.
//
// The checker counts trials as the head sends them: at most CostTable::kTrials for each variant,
// model and size class, one at a time.  `bestStatic` is what the best fixed rule would have
// reached: for each model and size one variant, decided beforehand with all times known, and each
// task where it then ends first.

#include "core/head/head_brain.h"
#include "core/placement/cost.h"
#include "tests/sim/sim_node.h"

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace alnilam::sim {

class VariantWorld final : private Surroundings {
 public:
  explicit VariantWorld(std::uint64_t seed);

  void run();  // until every task is told, or something is wrong

  const std::vector<std::string>& violations() const { return violations_; }
  bool hasFaults() const { return faults_; }
  Duration makespan() const { return lastTold_ - firstSubmit_; }
  Duration bestStatic() const;
  Duration longestRun() const;

  std::string describe() const;  // hosts, times, and what ran where

  // Of worlds with one size, one model and variants that differ threefold at least in speed: of the
  // tasks that ended in the second half of the time on hosts with devices, how many ran as the
  // slower variant, of how many, and the part of all work that this variant could do meanwhile.
  struct Mix {
    std::uint64_t slower = 0, all = 0;
    double fairShare = 0;
  };
  std::optional<Mix> mix() const;

 private:
  static constexpr std::size_t kModels = 3;  // none, A, B
  static constexpr std::size_t kSizes = 3;

  struct Host {
    std::unique_ptr<SimNode> node;
    Incarnation incarnation;
    NodeId id;
    std::size_t model = 0;
    bool accepted = false;
    bool isWarm = false;
    Link toHead, fromHead;
  };
  struct Ended {
    Instant when;
    std::size_t variant, model, size;
  };

  Timeline& time() override { return time_; }
  Luck& luck() override { return luck_; }
  const Program* programOf(JobId) override { return &program_; }
  Duration runTime(const SimTask& task, const SlotGrant& slot, const Topology& node) override;
  bool holds(NodeId, ObjectId) override { return false; }
  bool crashesNow(TaskId) override { return false; }
  void toHead(const std::string& node, NodeReport report) override;
  void pullFailed(ObjectId) override {}
  void violation(const std::string& what) override { violations_.push_back(what); }
  void trace(const std::string&) override {}

  void makeHosts();
  void makeTasks();
  void boot(Host& host);
  void crash(Host& host);
  void feedHead(head::Input input);
  void placeSoon();
  void perform(std::vector<head::Output>& outputs);
  void submitFrom(std::uint32_t index);
  void seeTrials(const NodeOrders& orders, const Host& host);
  void endTrials(const NodeReport& report);
  Host* hostOf(NodeId id);
  std::size_t sizeOf(std::uint32_t index) const { return sizes_[index]; }
  Duration delay() { return luck_.between(std::chrono::microseconds(20), kMostDelay); }

  static constexpr Duration kMostDelay = std::chrono::microseconds(200);

  Luck luck_;
  Timeline time_;
  head::HeadBrain head_;
  bool placing_ = false;
  bool faults_ = false;
  std::optional<Instant> headWakesAt_;
  std::vector<std::unique_ptr<Host>> hosts_;
  Program program_;
  JobId job_;
  std::vector<std::size_t> sizes_;  // by task
  std::size_t usedSizes_ = kSizes;
  // Times by size: of the cpu variant, and of the cuda variant by model.
  std::array<Duration, kSizes> onCpu_{};
  std::array<std::array<Duration, kModels>, kSizes> onDevice_{};
  Instant firstSubmit_{}, lastTold_{};
  std::vector<bool> told_;
  std::size_t toldCount_ = 0;
  std::vector<Ended> ended_;

  using TrialKey = std::array<std::size_t, 3>;  // variant, model, size
  std::map<TrialKey, std::uint32_t> trials_;
  std::map<TaskId, std::pair<TrialKey, NodeId>> underWay_;
  std::vector<std::string> violations_;
};

}  // namespace alnilam::sim
