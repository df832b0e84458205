// Goal: find an order of events in which a head brain and its node brains lose, repeat or confuse
// something.
// Method: a thousand seeded worlds (world.h), each played to its end and swept.  A failure prints
// its seed; ALNILAM_SEED=123 plays that world alone and prints all that its brains said.
// ALNILAM_SEEDS=100000 plays that many.

#include "tests/sim/world.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace alnilam::sim {
namespace {

TEST(BrainsSim, NoWorldBreaksAPromise) {
  const char* one = std::getenv("ALNILAM_SEED");
  std::uint64_t first = one ? std::strtoull(one, nullptr, 10) : 1;
  const char* many = std::getenv("ALNILAM_SEEDS");
  std::uint64_t last = one ? first : many ? std::strtoull(many, nullptr, 10) : 1000;
  std::size_t events = 0, told = 0, released = 0, withdrawn = 0;
  for (std::uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
    World world(seed, one != nullptr);
    world.run();
    for (const std::string& what : world.violations()) {
      ADD_FAILURE() << "ALNILAM_SEED=" << seed << ": at " << what;
    }
    events += world.events();
    told += world.tasksTold();
    released += world.released();
    withdrawn += world.withdrawals();
  }
  EXPECT_GT(told, 0u);
  EXPECT_TRUE(one || released > last) << "chains hardly ran as such: " << released;
  EXPECT_TRUE(one || withdrawn > last / 20) << "devices were hardly lost: " << withdrawn;
  RecordProperty("withdrawn", std::to_string(withdrawn));
  RecordProperty("events", std::to_string(events));
  RecordProperty("told", std::to_string(told));
  RecordProperty("released", std::to_string(released));
}

TEST(BrainsSim, EqualSeedsGiveEqualOutputs) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    World once(seed), again(seed), other(seed + 1);
    once.run();
    again.run();
    other.run();
    EXPECT_EQ(once.traceHash(), again.traceHash()) << seed;
    EXPECT_NE(once.traceHash(), other.traceHash()) << seed;
  }
}

}  // namespace
}  // namespace alnilam::sim
