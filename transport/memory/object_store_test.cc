#include "transport/memory/object_store.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace alnilam {
namespace {

constexpr ObjectId kA{(1ull << 32) | 1}, kB{(1ull << 32) | 2};

struct ObjectStoreTest : testing::Test {
  Arena arena = Arena::create(16_MiB).value();
  ObjectStore store{arena};
};

template <typename T>
std::string outcome(const Result<T>& result) {
  if (result) return "ok";
  return result.error().code == RefusalCode::unknown   ? "unknown"
         : result.error().code == RefusalCode::invalid ? "invalid"
                                                       : "overloaded";
}

// c create, s seal, a abort, p pin, u unpin, d drop, r revive, f find; all on one object.
std::string act(ObjectStore& store, char verb) {
  switch (verb) {
    case 'c': return outcome(store.create(kA, 100'000));
    case 's': return outcome(store.seal(kA));
    case 'a': return outcome(store.abort(kA));
    case 'p': return outcome(store.pin(kA));
    case 'u': return outcome(store.unpin(kA));
    case 'd': return outcome(store.drop(kA));
    case 'r': return outcome(store.revive(kA));
    default: return store.find(kA) ? "ok" : "unknown";
  }
}

TEST(ObjectStore, Script) {
  struct Row { const char* name; const char* script; const char* last; std::size_t left; };
  for (Row row : {
           Row{"an object is found once sealed", "csf", "ok", 1},
           Row{"not before", "cf", "unknown", 1},
           Row{"it is created once", "cc", "invalid", 1},
           Row{"also when sealed", "csc", "invalid", 1},
           Row{"it is sealed once", "css", "invalid", 1},
           Row{"what was not created cannot be sealed", "s", "unknown", 0},
           Row{"what was not created cannot be aborted", "a", "unknown", 0},
           Row{"aborting frees it", "ca", "ok", 0},
           Row{"aborting twice does not", "caa", "unknown", 0},
           Row{"what is sealed is not aborted", "csa", "invalid", 1},
           Row{"what is written is not read", "cp", "unknown", 1},
           Row{"what is written is not dropped", "cd", "invalid", 1},
           Row{"dropping frees it", "csd", "ok", 0},
           Row{"dropping twice does not", "csdd", "unknown", 0},
           Row{"a reader keeps what it reads", "cspd", "ok", 1},
           Row{"but nobody finds it any more", "cspdf", "unknown", 1},
           Row{"nor pins it", "cspdp", "unknown", 1},
           Row{"nor drops it again", "cspdd", "unknown", 1},
           Row{"nor writes it anew", "cspdc", "invalid", 1},
           Row{"the last reader frees it", "cspdu", "ok", 0},
           Row{"not the one before", "csppdu", "ok", 1},
           Row{"a drop can be taken back", "cspdruf", "ok", 1},
           Row{"not when it has come to its end", "cspdur", "unknown", 0},
           Row{"only who pinned unpins", "csu", "invalid", 1},
           Row{"and once", "cspuu", "invalid", 1},
       }) {
    SCOPED_TRACE(row.name);
    // Arrange
    Arena arena = Arena::create(16_MiB).value();
    ObjectStore store(arena);
    // Act
    std::string last;
    for (const char* verb = row.script; *verb; ++verb) last = act(store, *verb);
    // Assert
    EXPECT_EQ(last, row.last);
    EXPECT_EQ(store.objects(), row.left);
    EXPECT_EQ(store.bytes(), row.left * 100'000);
    EXPECT_EQ(arena.used() > 0, row.left > 0);
  }
}

TEST_F(ObjectStoreTest, WhatIsBeingReadKeepsItsBytesWhenItIsDroppedAndOthersAreWritten) {
  // Arrange
  Extent place = store.create(kA, 1_MiB).value();
  std::memset(arena.at(place).data(), 7, place.size);
  ASSERT_TRUE(store.seal(kA));
  ASSERT_TRUE(store.pin(kA));
  // Act
  ASSERT_TRUE(store.drop(kA));
  for (std::uint32_t i = 10; i < 30; ++i) {
    auto other = store.create(ObjectId::make(JobId{1}, i), 512_KiB);
    if (other) std::memset(arena.at(other.value()).data(), 9, other.value().size);
  }
  // Assert
  for (std::byte b : arena.at(place)) ASSERT_EQ(b, std::byte{7});
  EXPECT_TRUE(store.unpin(kA).value());
}

TEST_F(ObjectStoreTest, NoObjectIsNumberZero) {
  EXPECT_EQ(outcome(store.create(ObjectId{}, 1)), "invalid");
}

TEST_F(ObjectStoreTest, AFullStoreRefusesAndKeepsWorking) {
  ASSERT_TRUE(store.create(kA, 16_MiB));
  EXPECT_EQ(outcome(store.create(kB, 1)), "overloaded");
  ASSERT_TRUE(store.abort(kA));
  EXPECT_EQ(outcome(store.create(kB, 1)), "ok");
}

TEST_F(ObjectStoreTest, ListsTheSealedInOrder) {
  ASSERT_TRUE(store.create(kB, 10));
  ASSERT_TRUE(store.create(kA, 20));
  ASSERT_TRUE(store.create(ObjectId{5}, 30));
  ASSERT_TRUE(store.seal(kB));
  ASSERT_TRUE(store.seal(kA));
  auto all = store.sealed();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].first, kA);
  EXPECT_EQ(all[0].second.size, 20u);
  EXPECT_EQ(all[1].first, kB);
}

TEST_F(ObjectStoreTest, AMillionTinyObjectsComeAndGo) {
  Arena large = Arena::create(64_MiB).value();
  ObjectStore many(large);
  for (std::uint32_t i = 1; i <= 1'000'000; ++i) {
    ObjectId id = ObjectId::make(JobId{1}, i);
    ASSERT_TRUE(many.create(id, 1));
    ASSERT_TRUE(many.seal(id));
  }
  EXPECT_EQ(outcome(many.create(kA, 8_MiB)), "invalid");
  EXPECT_EQ(many.objects(), 1'000'000u);
  for (std::uint32_t i = 1; i <= 1'000'000; ++i) {
    ASSERT_TRUE(many.drop(ObjectId::make(JobId{1}, i)));
  }
  EXPECT_EQ(large.used(), 0u);
  EXPECT_EQ(large.largestFree(), large.size());
}

}  // namespace
}  // namespace alnilam
