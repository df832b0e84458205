// Random lives: programs and nodes do anything at any time, honest or not, and after every step the
// tables agree with one another; at the end of each life every honest question has been answered
// and nothing is left behind.  A failing seed is printed; run it alone to see it again.

#include "core/head/audit.h"

#include <gtest/gtest.h>

#include <random>

namespace alnilam::head {
namespace {

constexpr std::uint32_t kNodes = 3;
constexpr int kClasses = 5;
const JobId kJob{(1u << 24) | 1};

class Life {
 public:
  explicit Life(std::uint64_t seed) : dice_(seed), tables_(HeadBrain::Config{}) {
    tables_.open({1, "life", "", {}}, out_);
    Submit classes{kJob, {}, {}};
    for (int i = 0; i < kClasses; ++i) {
      TaskClass cls;
      cls.function = std::string(1, static_cast<char>('a' + i));
      cls.needs.cpus = Amount{i == 3 ? 30'000 : 2'500 * (i % 4)};
      if (i == 4) cls.needs.gpus = Amount{5'000};
      cls.priority = i % 2;
      cls.retries = 2;
      cls.retryExceptions = i == 1;
      cls.placing.policy = static_cast<PlacementPolicy>(pick(5));
      if (cls.placing.policy == PlacementPolicy::affinity) cls.placing.affinity = "key";
      if (pick(4) == 0) cls.placing.apart = "replica";
      if (pick(4) == 0 && i < 3) cls.placing.rules.push_back({"node", {"1"}, true});
      if (pick(4) == 0 && i < 3) cls.placing.rules.push_back({"odd", {"yes"}, false});
      classes.classes.push_back(cls);
    }
    tables_.submit(std::move(classes));
    for (std::uint32_t node = 1; node <= kNodes; ++node) join(node);
  }

  void act() {
    switch (pick(12)) {
      case 0: case 1: case 2: submit(); break;
      case 3: putSomething(); break;
      case 4: want(); break;
      case 5: release(); break;
      case 6: if (pick(4) == 0) cancel(); break;
      case 7: if (pick(20) == 0) lose(1 + pick(kNodes)); break;
      default: report(1 + pick(kNodes), false); break;
    }
    settle();
  }

  // All nodes answer until there is nothing more to do, and all that was wanted is told.
  void finish() {
    for (std::uint32_t node = 1; node <= kNodes; ++node) join(node);
    for (int round = 0; round < 10'000; ++round) {
      settle();
      bool any = false;
      for (std::uint32_t node = 1; node <= kNodes; ++node) {
        any = any || !running_[node].empty();
        report(node, true);
      }
      settle();
      if (!any) break;
    }
    const Job& job = *tables_.find(kJob);
    EXPECT_EQ(job.waiting + job.ready + job.assigned, 0u);
    EXPECT_TRUE(wanted_.empty()) << wanted_.size() << " never told";
    Release all{kJob, {held_.begin(), held_.end()}};
    tables_.release(all);
    settle();
    for (std::uint32_t i = 1; i <= job.items.highest(); ++i) {
      ASSERT_EQ(job.items.find(i), nullptr) << i << " is left";
    }
    EXPECT_EQ(tables_.stored.size(), tables_.freeStored.size());
    for (const Node& node : tables_.nodes) EXPECT_EQ(node.free, node.shape.total);
    tables_.close(kJob);
    EXPECT_EQ(tables_.failures.size(), tables_.freeFailures.size());
  }

  std::uint64_t chained() const { return chained_; }

 private:
  std::uint32_t pick(std::uint32_t below) { return static_cast<std::uint32_t>(dice_() % below); }
  ObjectId any() { return ObjectId::make(kJob, 1 + pick(next_ + 1)); }

  void join(std::uint32_t number) {
    NodeJoined node{std::string(1, static_cast<char>('0' + number)), {++incarnation_}, {}, {}};
    node.topology.domains.push_back({0, 0, 1_GiB});
    node.topology.cores.resize(1 + number);
    node.topology.gpus.resize(number - 1);
    node.topology.links.resize((number - 1) * (number - 1));
    if (number % 2 == 1) node.topology.labels = {"odd=yes"};
    node.total = node.topology.total();
    running_[number].clear();
    made_[number].clear();
    tables_.join(std::move(node), out_);
  }
  void lose(std::uint32_t node) {
    Incarnation life = tables_.nodes[node - 1].incarnation;
    tables_.left({{node}, life, "random"}, out_);
    report(node, false);  // late words of a lost node
    running_[node].clear();
    if (pick(2) == 0) join(node);
  }
  void submit() {
    Submit submit{kJob, {}, {}};
    for (std::uint32_t n = 1 + pick(8); n > 0; --n) {
      TaskSpec spec;
      spec.id = ObjectId::make(kJob, ++next_);
      spec.taskClass = pick(50) == 0 ? 9 : pick(kClasses);
      for (std::uint32_t inputs = pick(4); inputs > 0; --inputs) spec.inputs.push_back(any());
      held_.insert(spec.id);
      if (pick(30) == 0) submit.tasks.push_back(spec);  // twice
      submit.tasks.push_back(std::move(spec));
    }
    tables_.submit(std::move(submit));
  }
  void putSomething() {
    ObjectId object = ObjectId::make(kJob, ++next_);
    held_.insert(object);
    if (pick(2) == 0) tables_.put({object, Value::of({})});
    else tables_.put({object, Value::at(1_MiB, {{1 + pick(kNodes + 1)}, {1 + pick(kNodes)}})});
  }
  void want() {
    Want want{kJob, {any(), any()}};
    for (ObjectId object : want.objects) wanted_.insert(object);
    tables_.want(want);
  }
  void release() {
    Release release{kJob, {any(), any(), any()}};
    for (ObjectId object : release.objects) {
      held_.erase(object);
      wanted_.erase(object);
    }
    tables_.release(release);
  }
  void cancel() { tables_.cancel({kJob, {any(), any()}}); }

  void report(std::uint32_t node, bool isHonest) {
    NodeHeard heard{{node}, tables_.nodes[node - 1].incarnation, {}};
    auto& running = running_[node];
    auto count = static_cast<std::uint32_t>(running.size());
    if (!isHonest) count = pick(count + 1);
    for (std::uint32_t i = 0; i < count; ++i) {
      TaskDone done;
      done.id = running[i].id;
      done.attempt = running[i].attempt;
      done.ran = Duration{dice_() % 10'000'000};
      std::uint32_t how = isHonest ? 0 : pick(10);
      bool canRun = std::all_of(
          running[i].inputs.begin(), running[i].inputs.end(), [this, node](const auto& input) {
            return input.second.state != Value::State::pending || made_[node].contains(input.first);
          });
      if (!canRun || (how == 8 && pick(5) == 0)) {
        done.how = TaskDone::How::returned;
      } else if (how < 5 && how != 0) {
        done.how = TaskDone::How::stored;
        done.size = 1 + pick(1000);
      } else if (how == 9) {
        done.how = TaskDone::How::failed;
        auto failure = std::make_shared<Failure>();
        failure->kind = static_cast<FailureKind>(1 + pick(13));
        if (!running[i].inputs.empty()) failure->task = running[i].inputs.front().first;
        done.failure = std::move(failure);
        done.health = static_cast<DeviceHealth>(pick(3));
        if (done.health != DeviceHealth::ok) done.sickGpu = pick(3);
      }
      bool hasResult = done.how == TaskDone::How::held || done.how == TaskDone::How::stored;
      if (hasResult) made_[node].insert(done.id);
      heard.report.done.push_back(done);
      if (pick(10) == 0) heard.report.done.push_back(std::move(done));  // twice
    }
    running.erase(running.begin(), running.begin() + count);
    if (!isHonest && pick(20) == 0) {
      heard.report.withdrawn.emplace();
      for (std::uint32_t gpu = 0; gpu < node; ++gpu) {  // one of them it has not
        if (pick(3) == 0) heard.report.withdrawn->push_back({gpu, "sick"});
      }
    }
    if (!isHonest && pick(4) == 0) {
      heard.report.kept.push_back({any(), 5});
      heard.report.dropped.push_back(any());
      TaskDone absurd;
      absurd.id = any();
      absurd.attempt = {pick(3)};
      heard.report.done.push_back(std::move(absurd));
    }
    tables_.heard(std::move(heard), out_);
  }

  void settle() {
    tables_.schedule();
    tables_.flush(out_);
    for (Output& one : out_) {
      if (auto* orders = std::get_if<NodeTold>(&one)) {
        for (Assignment& task : orders->orders.assign) {
          for (const auto& [id, value] : task.inputs) {
            auto& there = running_[orders->node.value];
            auto isIt = [wanted = id](const Assignment& other) { return other.id == wanted; };
            bool isComing = value.state == Value::State::pending &&
                            std::any_of(there.begin(), there.end(), isIt);
            chained_ += isComing;
            ASSERT_TRUE(isComing || value.state == Value::State::held || !value.holders.empty());
          }
          running_[orders->node.value].push_back(std::move(task));
        }
      }
      if (auto* told = std::get_if<Told>(&one)) {
        for (const auto& [id, value] : told->objects) {
          EXPECT_NE(value.state, Value::State::pending);
          wanted_.erase(id);
        }
      }
    }
    out_.clear();
    ASSERT_EQ(audit(tables_), "");
  }

  std::mt19937_64 dice_{1};  // seeded anew by the constructor
  Tables tables_;
  std::vector<Output> out_;
  std::uint32_t next_ = 0;
  std::uint64_t incarnation_ = 0;
  std::vector<Assignment> running_[kNodes + 1];
  std::set<ObjectId> made_[kNodes + 1];  // results of this life of the node
  std::uint64_t chained_ = 0;            // inputs that were coming
  std::set<ObjectId> wanted_;
  std::set<ObjectId> held_;
};

TEST(RandomLives, KeepTheTablesInAgreementAndLeaveNothingBehind) {
  std::uint64_t chained = 0;
  for (std::uint64_t seed = 1; seed <= 150 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Life life(seed);
    for (int i = 0; i < 250 && !testing::Test::HasFailure(); ++i) life.act();
    if (!testing::Test::HasFailure()) life.finish();
    chained += life.chained();
  }
  EXPECT_GT(chained, 500u) << "few were sent behind what makes their inputs";
}

}  // namespace
}  // namespace alnilam::head
