// Two and more exchanges on one event loop, each with an arena of its own, over the real lanes.
// Processes that die are tested in daemons/node/mover_link_test.cc.

#include "transport/ucx/exchange.h"

#include <gtest/gtest.h>
#include <kj/async-io.h>

#include <cstring>
#include <string>
#include <vector>

namespace alnilam::ucx {
namespace {

constexpr ObjectId kObject{(1ull << 32) | 7};

struct Side {
  Side(kj::AsyncIoContext& io, Exchange::Config config, const Settings& settings)
      : context(Context::create(settings).value()),
        worker(std::move(Worker::create(context, io.unixEventPort)).value()),
        exchange(kj::heap<Exchange>(*worker, arena.map(), io.provider->getTimer(),
                                    kj::systemPreciseMonotonicClock(), config,
                                    [this](const std::string& line) { said.push_back(line); })) {}

  Extent fill(Bytes size, unsigned seed) {
    Extent place = arena.allocate(size).value();
    auto bytes = arena.at(place);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = std::byte((i * 31 + i / 4096 + seed) & 255);
    return place;
  }
  const std::string& address() const { return exchange->address(); }

  std::vector<std::string> said;
  Arena arena = Arena::create(256_MiB).value();
  Context context;
  kj::Own<Worker> worker;
  kj::Own<Exchange> exchange;
};

struct ExchangeTest : testing::Test {
  ~ExchangeTest() noexcept override {}
  ExchangeTest() { io.waitScope.setBusyPollInterval(kBusyPollInterval); }

  kj::Own<Side> side(Exchange::Config config = {}, const Settings& settings = {}) {
    return kj::heap<Side>(io, config, settings);
  }
  Result<PullReport> pull(Side& reader, Bytes size, Extent to,
                          std::vector<PullRequest::Holder> holders) {
    return reader.exchange->pull({kObject, size, to.offset, std::move(holders)}).wait(io.waitScope);
  }
  kj::AsyncIoContext io = kj::setupAsyncIo();
};

bool same(std::span<std::byte> a, std::span<std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

TEST_F(ExchangeTest, BytesArriveAsTheyLayWhateverTheSize) {
  auto holder = side({.chunk = 64_KiB, .window = 3}), reader = side({.chunk = 64_KiB, .window = 3});
  for (Bytes size : {Bytes{1}, Bytes{100}, 16_KiB - 1, 16_KiB, 64_KiB - 1, 64_KiB, 64_KiB + 1,
                     192_KiB, 192_KiB + 1, 5_MiB + 17}) {
    SCOPED_TRACE(size);
    // Arrange
    Extent from = holder->fill(size, static_cast<unsigned>(size));
    Extent to = reader->arena.allocate(size + 64).value();
    auto around = reader->arena.at(to);
    std::memset(around.data(), 0x5a, around.size());
    ASSERT_TRUE(holder->exchange->publish(kObject, from));
    // Act
    auto report = pull(*reader, size, to, {{NodeId{2}, holder->address()}});
    // Assert
    ASSERT_TRUE(report) << report.error().why;
    EXPECT_TRUE(same(holder->arena.at(from), around.first(size)));
    for (std::byte b : around.subspan(size)) ASSERT_EQ(b, std::byte{0x5a});
    EXPECT_EQ(report.value().bytes, size);
    EXPECT_EQ(report.value().from, NodeId{2});
    EXPECT_EQ(report.value().lane, "posix");
    holder->exchange->withdraw({kObject}).wait(io.waitScope);
    holder->arena.free(from.offset);
    reader->arena.free(to.offset);
  }
  EXPECT_EQ(reader->said, std::vector<std::string>{"node 2 is reached over posix"});
  auto lanes = reader->exchange->lanes();
  ASSERT_EQ(lanes.size(), 1u);
  EXPECT_EQ(lanes[0].pulls, 10u);
}

TEST_F(ExchangeTest, GoesOverTcpBoundToTheInterfaceThatWasNamed) {
  Settings tcp{.interfaces = {"lo"}, .onHost = ""};
  auto holder = side({}, tcp), reader = side({}, tcp);
  Extent from = holder->fill(20_MiB + 3, 1);
  Extent to = reader->arena.allocate(from.size).value();
  ASSERT_TRUE(holder->exchange->publish(kObject, from));
  auto report = pull(*reader, from.size, to, {{NodeId{2}, holder->address()}});
  ASSERT_TRUE(report) << report.error().why;
  EXPECT_TRUE(same(holder->arena.at(from), reader->arena.at(to)));
  EXPECT_EQ(report.value().lane, "tcp/lo");
}

TEST_F(ExchangeTest, TheNextHolderIsAskedWhenOneDoesNotHaveIt) {
  // Arrange: the first knows nothing, the second has another size, the third is nonsense
  auto none = side(), other = side(), holder = side({.chunk = 64_KiB}), reader = side();
  Extent from = holder->fill(1_MiB, 3);
  Extent to = reader->arena.allocate(from.size).value();
  ASSERT_TRUE(holder->exchange->publish(kObject, from));
  ASSERT_TRUE(other->exchange->publish(kObject, other->fill(1_MiB + 1, 3)));
  // Act
  auto report = pull(*reader, from.size, to,
                     {{NodeId{2}, none->address()},
                      {NodeId{3}, other->address()},
                      {NodeId{4}, holder->address()}});
  // Assert
  ASSERT_TRUE(report) << report.error().why;
  EXPECT_EQ(report.value().from, NodeId{4});
  EXPECT_TRUE(same(holder->arena.at(from), reader->arena.at(to)));
}

TEST_F(ExchangeTest, WhenNoHolderHasItTheReasonOfEachIsTold) {
  auto none = side(), other = side(), reader = side();
  ASSERT_TRUE(other->exchange->publish(kObject, other->fill(100, 3)));
  auto report = pull(*reader, 1_MiB, reader->arena.allocate(1_MiB).value(),
                     {{NodeId{2}, none->address()}, {NodeId{3}, other->address()}});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, RefusalCode::unavailable);
  EXPECT_EQ(report.error().why,
            "object 1.7 could not be pulled: node 2: object 1.7 is not published here; "
            "node 3: object 1.7 has 100 bytes here, not 1048576");
}

TEST_F(ExchangeTest, RefusesWhatCannotBe) {
  auto reader = side();
  std::string self = reader->address();
  struct Row { const char* name; PullRequest request; };
  for (Row& row : std::vector<Row>{
           {"no holders", {kObject, 100, 0, {}}},
           {"no bytes", {kObject, 0, 0, {{NodeId{1}, self}}}},
           {"beyond the arena", {kObject, 100, 256_MiB - 99, {{NodeId{1}, self}}}},
           {"absurd", {kObject, UINT64_MAX, 4096, {{NodeId{1}, self}}}}}) {
    SCOPED_TRACE(row.name);
    auto report = reader->exchange->pull(row.request).wait(io.waitScope);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, RefusalCode::invalid);
  }
  EXPECT_FALSE(reader->exchange->publish(ObjectId{}, {0, 10}));
  EXPECT_FALSE(reader->exchange->publish(kObject, {256_MiB, 1}));
  EXPECT_FALSE(reader->exchange->publish(kObject, {UINT64_MAX, 2}));
}

TEST_F(ExchangeTest, ManyPullsAtOnceDoNotMixUp) {
  auto holder = side({.chunk = 128_KiB}), reader = side({.chunk = 128_KiB});
  std::vector<std::pair<Extent, Extent>> places;
  auto pulls = kj::heapArrayBuilder<kj::Promise<void>>(40);
  for (unsigned i = 0; i < 40; ++i) {
    Extent from = holder->fill(300'000 + i * 1000, i * 7);
    Extent to = reader->arena.allocate(from.size).value();
    ObjectId object = ObjectId::make(JobId{1}, i + 1);
    ASSERT_TRUE(holder->exchange->publish(object, from));
    places.emplace_back(from, to);
    PullRequest request{object, from.size, to.offset, {{NodeId{2}, holder->address()}}};
    pulls.add(reader->exchange->pull(std::move(request))
                  .then([](Result<PullReport> report) { EXPECT_TRUE(report); }));
  }
  kj::joinPromises(pulls.finish()).wait(io.waitScope);
  for (auto& [from, to] : places) EXPECT_TRUE(same(holder->arena.at(from), reader->arena.at(to)));
}

TEST_F(ExchangeTest, AReaderThatIsEarlierThanTheNewsOfAnObjectIsServedAllTheSame) {
  auto holder = side({.patience = std::chrono::seconds(10)}), reader = side();
  Extent from = holder->fill(1_MiB, 4);
  Extent to = reader->arena.allocate(from.size).value();
  auto report = reader->exchange->pull({kObject, from.size, to.offset,
                                        {{NodeId{2}, holder->address()}}}).eagerlyEvaluate(nullptr);
  io.provider->getTimer().afterDelay(5 * kj::MILLISECONDS).wait(io.waitScope);
  ASSERT_TRUE(holder->exchange->publish(kObject, from));
  EXPECT_TRUE(report.wait(io.waitScope));
  EXPECT_TRUE(same(holder->arena.at(from), reader->arena.at(to)));
}

TEST_F(ExchangeTest, WithdrawWaitsUntilNoTransferReadsTheObject) {
  // Arrange
  auto holder = side(), reader = side();
  Extent from = holder->fill(64_MiB, 9);
  Extent to = reader->arena.allocate(from.size).value();
  ASSERT_TRUE(holder->exchange->publish(kObject, from));
  auto report = reader->exchange->pull({kObject, from.size, to.offset,
                                        {{NodeId{2}, holder->address()}}}).eagerlyEvaluate(nullptr);
  // Act: withdraw when parts are on their way; then overwrite, as the next object would
  bool overwritten = false;
  auto gone = io.provider->getTimer().afterDelay(2 * kj::MILLISECONDS).then([&] {
    return holder->exchange->withdraw({kObject, ObjectId{99}});
  }).then([&] {
    std::memset(holder->arena.at(from).data(), 0, from.size);
    overwritten = true;
  }).eagerlyEvaluate(nullptr);
  auto result = report.wait(io.waitScope);
  gone.wait(io.waitScope);
  // Assert: what arrived is the object's, and the rest was refused
  EXPECT_TRUE(overwritten);
  auto got = reader->arena.at(to);
  std::size_t wrong = 0, arrived = 0;
  for (std::size_t part = 0; part < from.size; part += 8_MiB) {
    bool whole = true;
    for (std::size_t i = part; i < part + 8_MiB && whole; ++i) {
      whole = got[i] == std::byte((i * 31 + i / 4096 + 9) & 255);
    }
    bool untouched = got[part] == std::byte{} && got[part + 8_MiB - 1] == std::byte{};
    arrived += whole;
    wrong += !whole && !untouched;
  }
  EXPECT_EQ(wrong, 0u);
  if (result) {
    EXPECT_EQ(arrived, 8u);
  } else {
    EXPECT_NE(result.error().why.find("not published"), std::string::npos);
  }
}

TEST(UcxContext, RefusesInterfacesThatAreNotThere) {
  auto missing = Context::create({.interfaces = {"nosuch0"}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, RefusalCode::unavailable);
  for (const char* name : {"", "a b", "all", "lo,eth0", "../x"}) {
    auto wrong = Context::create({.interfaces = {name}});
    ASSERT_FALSE(wrong) << name;
    EXPECT_EQ(wrong.error().code, RefusalCode::invalid);
  }
}

TEST(UcxContext, OnHostLanesOpenNoPort) {
  auto context = Context::create({});
  ASSERT_TRUE(context);
  EXPECT_EQ(context.value().transports().find("tcp"), std::string::npos);
  EXPECT_NE(context.value().transports().find("posix"), std::string::npos);
}

}  // namespace
}  // namespace alnilam::ucx
