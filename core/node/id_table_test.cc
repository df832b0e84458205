#include "core/node/id_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace alnilam::node {
namespace {

TEST(IdTable, AgreesWithAMapOverAMillionRandomSteps) {
  std::mt19937_64 prng(7);
  IdTable table;
  std::map<std::uint64_t, std::uint32_t> want;
  for (int step = 0; step < 1'000'000; ++step) {
    ObjectId id = ObjectId::make(JobId{static_cast<std::uint32_t>(1 + prng() % 2)},
                                 static_cast<std::uint32_t>(1 + prng() % 700));
    auto known = want.find(id.value);
    ASSERT_EQ(table.find(id), known == want.end() ? IdTable::kNone : known->second);
    if (known != want.end()) {
      table.erase(id);
      want.erase(known);
    } else {
      auto place = static_cast<std::uint32_t>(prng() % 1000);
      table.insert(id, place);
      want[id.value] = place;
    }
    ASSERT_EQ(table.size(), want.size());
  }
}

}  // namespace
}  // namespace alnilam::node
