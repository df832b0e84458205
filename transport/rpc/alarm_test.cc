#include "transport/rpc/alarm.h"

#include <gtest/gtest.h>

#include <vector>

namespace alnilam::rpc {
namespace {

using namespace std::chrono_literals;

// An alarm in virtual time; `rings` are the milliseconds at which it rang.
struct AlarmTest : testing::Test {
  kj::EventLoop loop;
  kj::WaitScope scope{loop};
  kj::TimerImpl timer{kj::origin<kj::TimePoint>()};
  std::vector<int> rings;
  Alarm alarm{timer, [this]() { rings.push_back(ms); }};
  int ms = 0;

  ~AlarmTest() noexcept override {}

  void goOnTo(int to) {
    for (; ms < to;) {
      ++ms;
      timer.advanceTo(kj::origin<kj::TimePoint>() + ms * kj::MILLISECONDS);
      scope.poll();
    }
  }
};

TEST_F(AlarmTest, RingsOnceWhenDue) {
  alarm.set(5ms);
  goOnTo(20);
  EXPECT_EQ(rings, std::vector<int>{5});
}

TEST_F(AlarmTest, AnEarlierDeadlineInterruptsTheWait) {
  alarm.set(50ms);
  goOnTo(3);
  alarm.set(10ms);
  goOnTo(100);
  EXPECT_EQ(rings, std::vector<int>{10});
}

TEST_F(AlarmTest, ALaterDeadlineRingsEarlyAndIsSetAgainByItsOwner) {
  alarm.set(5ms);
  alarm.set(30ms);
  goOnTo(10);
  EXPECT_EQ(rings, std::vector<int>{5});
  alarm.set(30ms);
  goOnTo(40);
  EXPECT_EQ(rings, (std::vector<int>{5, 30}));
}

TEST_F(AlarmTest, ADeadlineThatHasPassedRingsAtOnce) {
  goOnTo(10);
  alarm.set(4ms);
  scope.poll();
  goOnTo(11);
  ASSERT_EQ(rings.size(), 1u);
  EXPECT_LE(rings[0], 11);
}

}  // namespace
}  // namespace alnilam::rpc
