// A million of everything: what must not recurse, and what must not grow.

#include "core/head/tables.h"

#include <gtest/gtest.h>

namespace alnilam::head {
namespace {

const JobId kJob{(1u << 24) | 1};
constexpr std::uint32_t kMillion = 1'000'000;

struct Head {
  Tables tables{HeadBrain::Config{}};
  std::vector<Output> out;

  explicit Head(int classes = 1) {
    tables.open({1, "scale", "", {}}, out);
    NodeJoined node{"n", {1}, {}, {}};
    node.topology.domains.push_back({0, 0, 1_GiB});
    node.topology.cores.resize(2);
    node.total = node.topology.total();
    tables.join(std::move(node), out);
    Submit submit{kJob, {}, {}};
    for (int i = 0; i < classes; ++i) {
      TaskClass cls;
      cls.function = "f" + std::to_string(i);
      cls.needs.cpus = Amount::whole(1);
      submit.classes.push_back(cls);
    }
    tables.submit(std::move(submit));
    place();
  }
  void place() {
    out.clear();
    tables.schedule();
    tables.flush(out);
  }
  // `task` in a chain: each but the first reads the one before.
  void submitChain(std::uint32_t length, std::uint32_t classes) {
    Submit submit{kJob, {}, {}};
    for (std::uint32_t i = 1; i <= length; ++i) {
      TaskSpec spec{ObjectId::make(kJob, i), i % classes, {}, {}};
      if (i > 1) spec.inputs.push_back(ObjectId::make(kJob, i - 1));
      submit.tasks.push_back(std::move(spec));
    }
    tables.submit(std::move(submit));
  }
  void finishFirst(std::uint32_t task, TaskDone::How how) {
    NodeHeard heard{{1}, {1}, {}};
    TaskDone done;
    done.id = ObjectId::make(kJob, task);
    done.attempt = {tables.find(kJob)->items.at(task).attempt};
    done.how = how;
    done.size = 1_MiB;
    heard.report.done.push_back(std::move(done));
    tables.heard(std::move(heard), out);
    place();
  }
};

TEST(AMillionLinks, FailTogetherWithABoundedChainAndFewCopies) {
  Head head(2);
  head.submitChain(kMillion, 2);
  head.tables.want({kJob, {ObjectId::make(kJob, kMillion)}});
  head.place();

  head.finishFirst(1, TaskDone::How::failed);

  const Told& told = std::get<Told>(head.out.back());
  ASSERT_EQ(told.objects.size(), 1u);
  const Failure& why = *told.objects[0].second.failure;
  EXPECT_EQ(why.task, ObjectId::make(kJob, 1));
  EXPECT_EQ(why.chain.size(), Failure::kMaxChain);
  EXPECT_EQ(why.chain.front(), "f0");
  EXPECT_LT(head.tables.failures.size(), 100u);
  EXPECT_EQ(head.tables.find(kJob)->failed, kMillion);
}

TEST(AHundredThousandLinks, AreRemadeWhenAllTheirResultsAreLost) {
  constexpr std::uint32_t kLength = 100'000;
  Head head;
  head.submitChain(kLength, 1);
  Release release{kJob, {}};
  for (std::uint32_t i = 1; i < kLength; ++i) release.objects.push_back(ObjectId::make(kJob, i));
  head.tables.release(release);
  head.place();
  for (std::uint32_t i = 1; i <= kLength; ++i) head.finishFirst(i, TaskDone::How::stored);
  ASSERT_EQ(head.tables.find(kJob)->finished, kLength);

  NodeHeard gone{{1}, {1}, {}};
  gone.report.dropped.push_back(ObjectId::make(kJob, kLength));
  head.tables.heard(std::move(gone), head.out);
  head.tables.want({kJob, {ObjectId::make(kJob, kLength)}});
  head.place();

  const Job& job = *head.tables.find(kJob);
  EXPECT_EQ(job.waiting + job.assigned, kLength);
  EXPECT_LE(job.assigned, 1 + Tables::kMostInLane);
  EXPECT_EQ(head.tables.find(kJob)->items.at(1).stage, Stage::assigned);
  head.tables.release({kJob, {ObjectId::make(kJob, kLength)}});
  for (std::uint32_t i = 1; i <= kLength; ++i) head.finishFirst(i, TaskDone::How::stored);
  for (std::uint32_t i = 1; i <= kLength; ++i) {
    ASSERT_EQ(head.tables.find(kJob)->items.find(i), nullptr) << i;
  }
}

TEST(FinishedTasks, OfALongJobTakeNoRoomOnceTheirRefsAreDropped) {
  Head head;
  for (std::uint32_t i = 1; i <= 50'000; ++i) {
    head.tables.submit({kJob, {}, {{ObjectId::make(kJob, i), 0, {}, {}}}});
    head.place();
    head.finishFirst(i, TaskDone::How::held);
    head.tables.release({kJob, {ObjectId::make(kJob, i)}});
  }
  EXPECT_TRUE(head.tables.find(kJob)->items.isForgotten(1));
  EXPECT_TRUE(head.tables.find(kJob)->items.isForgotten(50'000));
  std::uint64_t used = head.tables.ignored;
  head.tables.submit({kJob, {}, {{ObjectId::make(kJob, 7), 0, {}, {}}}});
  EXPECT_EQ(head.tables.ignored, used + 1) << "an id whose page is gone was taken again";
  EXPECT_EQ(head.tables.recent.size(), Tables::kRecent);
  EXPECT_EQ(head.tables.taskViews(kJob, 3).size(), 3u);
  EXPECT_EQ(head.tables.taskViews(kJob, 3)[0].id, ObjectId::make(kJob, 50'000));
}

}  // namespace
}  // namespace alnilam::head
