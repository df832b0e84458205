// A session against a link that only records: what goes out, what comes back, who is woken.

#include "core/engine/session.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace alnilam {
namespace {

using namespace std::chrono_literals;

constexpr JobId kJob{7};

Blob bytesOf(std::string_view text) { return Blob::copyOf(std::as_bytes(std::span(text))); }

std::string textOf(const Blob& blob) {
  return {reinterpret_cast<const char*>(blob.bytes().data()), blob.size()};
}

class RecordingLink final : public SessionLink {
 public:
  void wake() override { ++wakes; }
  Result<Blob> fetch(ObjectId, const Value& stored, std::optional<Duration>) override {
    ++fetches;
    if (late) return Refusal{RefusalCode::overloaded, "it did not come in time"};
    if (stored.holders.front() == gone) {
      return Refusal{RefusalCode::unavailable, "node 1 is gone"};
    }
    return bytesOf("fetched");
  }
  Result<Value> store(ObjectId, Bytes size,
                      const std::function<void(std::span<std::byte>)>& fill) override {
    if (full) return Refusal{RefusalCode::overloaded, "no room"};
    Blob::fill(size, fill);
    return Value::at(size, {NodeId{3}});
  }
  Result<std::vector<UsageRow>> usage() override { return std::vector<UsageRow>{}; }
  Result<std::string> explain(TaskId task) override { return "explained " + show(task); }

  std::atomic<int> wakes{0};
  int fetches = 0;
  bool full = false;
  bool late = false;
  NodeId gone;
};

struct SessionTest : testing::Test {
  RecordingLink link;
  Session session{kJob, kInlineLimit, link};

  TaskId submit(std::vector<ObjectId> inputs = {}) {
    return session.submit(0, bytesOf("args"), std::move(inputs)).value();
  }
  void tell(ObjectId object, Value value) {
    std::vector<std::pair<ObjectId, Value>> told;
    told.emplace_back(object, std::move(value));
    session.told(told);
  }
  ClientBatch take() {
    ClientBatch batch;
    session.take(batch);
    return batch;
  }
};

TEST_F(SessionTest, ManySubmitsWakeTheLinkOnceUntilItHasTakenThem) {
  submit();
  submit();
  EXPECT_EQ(link.wakes, 1);

  ClientBatch batch = take();
  ASSERT_EQ(batch.tasks.size(), 2u);
  EXPECT_EQ(batch.tasks[0].id, ObjectId::make(kJob, 1));
  EXPECT_EQ(batch.tasks[1].id, ObjectId::make(kJob, 2));
  submit();
  EXPECT_EQ(link.wakes, 1) << "the link is still taking: it asks again by itself";

  EXPECT_EQ(take().tasks.size(), 1u);
  ClientBatch none;
  EXPECT_FALSE(session.take(none));
  submit();
  EXPECT_EQ(link.wakes, 2);
}

TEST_F(SessionTest, EqualClassesShareAnIndexAndAreDefinedOnce) {
  TaskClass a{.function = "f", .needs = {}};
  TaskClass b = a;
  b.priority = 5;

  EXPECT_EQ(session.classFor(a).value(), 0u);
  EXPECT_EQ(session.classFor(b).value(), 1u);
  EXPECT_EQ(session.classFor(a).value(), 0u);

  EXPECT_EQ(take().classes, (std::vector<TaskClass>{a, b}));
}

TEST_F(SessionTest, AnImpossiblePriorityIsRefusedByItsValue) {
  TaskClass c{.function = "f", .needs = {}};
  c.priority = 1001;
  auto refused = session.classFor(c);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().why, "priority 1001 is not between -1000 and 1000");
}

TEST_F(SessionTest, GetAsksOnceAndReturnsWhatTheHeadTells) {
  TaskId task = submit();
  take();
  std::thread head([&] {
    ClientBatch batch;
    while (batch.wants.empty()) session.take(batch);
    EXPECT_EQ(batch.wants, std::vector<ObjectId>{task});
    tell(task, Value::of(bytesOf("42")));
  });
  auto value = session.get(task, std::nullopt);
  head.join();
  ASSERT_TRUE(value);
  EXPECT_EQ(textOf(value.value().held), "42");
  EXPECT_EQ(textOf(session.get(task, 0s).value().held), "42");
  EXPECT_TRUE(take().wants.empty());
}

TEST_F(SessionTest, GetGivesUpAtItsDeadlineAndAnObjectStaysPending) {
  TaskId task = submit();
  EXPECT_EQ(session.get(task, 1ms).value().state, Value::State::pending);
}

TEST_F(SessionTest, GetGivesUpAtItsDeadlineAlsoWhileTheBytesAreOnTheirWay) {
  link.late = true;
  TaskId task = submit();
  tell(task, Value::at(100'000, {NodeId{1}}));
  auto value = session.get(task, 0s);
  ASSERT_TRUE(value) << value.error().why;
  EXPECT_EQ(value.value().state, Value::State::pending);
  EXPECT_FALSE(session.get(task, std::nullopt));
}

TEST_F(SessionTest, WaitTellsWhichAreReady) {
  TaskId a = submit(), b = submit(), c = submit();
  tell(b, Value::of(bytesOf("b")));
  std::vector<ObjectId> all{a, b, c};
  EXPECT_EQ(session.wait(all, 1, std::nullopt).value(), (std::vector<bool>{false, true, false}));
  EXPECT_EQ(session.wait(all, 2, 1ms).value(), (std::vector<bool>{false, true, false}));
}

TEST_F(SessionTest, TheLastReleaseIsTold) {
  TaskId task = submit();
  session.retain(task);
  session.release(task);
  EXPECT_TRUE(take().releases.empty());
  session.release(task);
  EXPECT_EQ(take().releases, std::vector<ObjectId>{task});
  EXPECT_FALSE(session.get(task, 0s)) << "a released object is unknown";
}

TEST_F(SessionTest, SmallPutsTravelAndLargeOnesAreStored) {
  auto zero = [](std::span<std::byte> room) { std::fill(room.begin(), room.end(), std::byte{0}); };
  ObjectId small = session.put(kInlineLimit, zero).value();
  ObjectId large = session.put(kInlineLimit + 1, zero).value();

  ClientBatch batch = take();
  ASSERT_EQ(batch.puts.size(), 2u);
  EXPECT_EQ(batch.puts[0].first, small);
  EXPECT_EQ(batch.puts[0].second.state, Value::State::held);
  EXPECT_EQ(batch.puts[1].first, large);
  EXPECT_EQ(batch.puts[1].second.state, Value::State::stored);
  EXPECT_EQ(batch.puts[1].second.size, kInlineLimit + 1);
}

TEST_F(SessionTest, AFullStoreRefusesThePutAndNothingIsTold) {
  link.full = true;
  auto refused = session.put(kInlineLimit + 1, [](std::span<std::byte>) {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, RefusalCode::overloaded);
  EXPECT_TRUE(take().empty());
}

TEST_F(SessionTest, AnObjectWhoseHolderIsGoneIsAskedForAgain) {
  link.gone = NodeId{1};
  TaskId task = submit();
  tell(task, Value::at(100'000, {NodeId{1}}));
  take();
  std::thread head([&] {
    ClientBatch batch;
    while (batch.wants.empty()) session.take(batch);
    tell(task, Value::at(100'000, {NodeId{2}}));
  });
  auto value = session.get(task, std::nullopt);
  head.join();
  ASSERT_TRUE(value);
  EXPECT_EQ(textOf(value.value().held), "fetched");
  EXPECT_EQ(link.fetches, 2);
}

TEST_F(SessionTest, ALostHeadEndsEveryWait) {
  TaskId task = submit();
  std::thread head([&] { session.lost({RefusalCode::unavailable, "the head is gone"}); });
  auto value = session.get(task, std::nullopt);
  head.join();
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().why, "the head is gone");
  EXPECT_FALSE(session.submit(0, {}, {}));
}

TEST(ChunkedTable, AChunkIsForgottenWhenItsLastEntryIs) {
  ChunkedTable<int> table;
  for (std::uint32_t i = 1; i < 3000; ++i) table.make(i) = static_cast<int>(i);
  for (std::uint32_t i = 1; i < 2500; ++i) table.erase(i);
  EXPECT_EQ(table.find(2499), nullptr);
  ASSERT_NE(table.find(2500), nullptr);
  EXPECT_EQ(*table.find(2500), 2500);
  EXPECT_EQ(table.find(1'000'000), nullptr);
  int sum = 0;
  table.each([&](int& value) { sum += value > 0; });
  EXPECT_EQ(sum, 500);
}

}  // namespace
}  // namespace alnilam
