// Nodes with real movers: each has an arena, a link and a process of its own.

#include "daemons/node/mover_link.h"

#include <gtest/gtest.h>
#include <kj/async-unix.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <string>

namespace alnilam {
namespace {

constexpr ObjectId kObject{(1ull << 32) | 7};

struct Node final : private MoverLink::Listener {
  Node(kj::AsyncIoContext& io, NodeId nodeId, MoverLink::Config config = {}) : id(nodeId) {
    if (config.program.empty()) config.program = ALNILAM_MOVER;
    link = kj::heap<MoverLink>(io, arena, std::move(config), static_cast<Listener&>(*this));
  }

  void moverUp(const std::string& address, const std::string& transports) override {
    ++ups;
    lastAddress = address;
    lanes = transports;
  }

  // Bytes that depend on their position and on `seed`.
  static std::byte byteAt(std::size_t i, unsigned seed) {
    return std::byte((i * 31 + i / 4096 * 7 + seed) & 255);
  }
  Extent fill(Bytes size, unsigned seed) {
    Extent place = arena.allocate(size).value();
    auto bytes = arena.at(place);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = byteAt(i, seed);
    return place;
  }
  bool holds(Extent place, unsigned seed) const {
    auto bytes = arena.at(place);
    for (std::size_t i = 0; i < place.size; ++i) {
      if (bytes[i] != byteAt(i, seed)) return false;
    }
    return true;
  }
  MoverLink::Holder holder() const { return {id, lastAddress}; }

  NodeId id;
  Arena arena = Arena::create(512_MiB).value();
  int ups = 0;
  std::string lastAddress, lanes;
  kj::Own<MoverLink> link;
};

struct MoverLinkTest : testing::Test {
  ~MoverLinkTest() noexcept override {}

  kj::Own<Node> node(std::uint32_t id, MoverLink::Config config = {}) {
    auto made = kj::heap<Node>(io, NodeId{id}, std::move(config));
    until([&] { return made->ups > 0; });
    return made;
  }
  // Turns the loop until `happened`, for at most 20 s.
  template <typename Happened>
  void until(Happened happened) {
    for (int tick = 0; tick < 20'000 && !happened(); ++tick) {
      io.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).wait(io.waitScope);
    }
    ASSERT_TRUE(happened());
  }
  Result<MoverLink::PullReport> pull(Node& reader, Extent to, std::vector<MoverLink::Holder> from) {
    return reader.link->pull(kObject, to.size, to.offset, std::move(from)).wait(io.waitScope);
  }

  struct CaptureExits {
    CaptureExits() { kj::UnixEventPort::captureChildExit(); }
  } exits;
  kj::AsyncIoContext io = kj::setupAsyncIo();
};

// Small parts, one at a time: slow enough to be interrupted in the middle.
MoverLink::Config slow(const char* chunk = "--chunk-kib=16") {
  return {.program = "", .arguments = {chunk, "--window=1", "--stall-ms=1500"}, .interfaces = {}};
}

TEST_F(MoverLinkTest, ObjectsOfAllSizesArriveWhole) {
  auto holder = node(1), reader = node(2);
  EXPECT_NE(holder->lanes.find("posix"), std::string::npos);
  EXPECT_EQ(holder->lanes.find("tcp"), std::string::npos);
  for (Bytes size : {Bytes{1}, Bytes{63}, 4_KiB, 64_KiB - 1, 64_KiB, 64_KiB + 1, 8_MiB, 8_MiB + 1,
                     64_MiB + 1}) {
    SCOPED_TRACE(size);
    // Arrange
    Extent from = holder->fill(size, static_cast<unsigned>(size));
    Extent to = reader->arena.allocate(size).value();
    holder->link->publish(kObject, from);
    // Act
    auto report = pull(*reader, to, {holder->holder()});
    // Assert
    ASSERT_TRUE(report) << report.error().why;
    EXPECT_EQ(report.value().bytes, size);
    EXPECT_EQ(report.value().from, NodeId{1});
    EXPECT_EQ(report.value().lane, size < 256_KiB ? "posix" : "posix+map");
    EXPECT_GT(report.value().took.count(), 0);
    EXPECT_TRUE(reader->holds(to, static_cast<unsigned>(size)));
    holder->link->withdraw(kObject).wait(io.waitScope);
    holder->arena.free(from.offset);
    reader->arena.free(to.offset);
  }
  auto lanes = reader->link->lanes().wait(io.waitScope);
  ASSERT_EQ(lanes.size(), 1u);
  EXPECT_EQ(lanes[0].node, NodeId{1});
  EXPECT_EQ(lanes[0].transport, "posix+map");
  EXPECT_EQ(lanes[0].pulls, 9u);
}

TEST_F(MoverLinkTest, OverAnInterfaceThatWasNamedByTcp) {
  MoverLink::Config tcp{.program = "", .arguments = {"--on-host=none"}, .interfaces = {"lo"}};
  auto holder = node(1, tcp), reader = node(2, tcp);
  Extent from = holder->fill(64_MiB + 1, 5);
  Extent to = reader->arena.allocate(from.size).value();
  holder->link->publish(kObject, from);
  auto report = pull(*reader, to, {holder->holder()});
  ASSERT_TRUE(report) << report.error().why;
  EXPECT_EQ(report.value().lane, "tcp/lo");
  EXPECT_TRUE(reader->holds(to, 5));
}

TEST_F(MoverLinkTest, AnUnknownObjectIsRefusedByName) {
  auto holder = node(1), reader = node(2);
  auto report = pull(*reader, reader->arena.allocate(1_MiB).value(), {holder->holder()});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, RefusalCode::unavailable);
  EXPECT_EQ(report.error().why,
            "object 1.7 could not be pulled: node 1: object 1.7 is not published here");
}

TEST_F(MoverLinkTest, WhatWasWithdrawnIsNotFound) {
  auto holder = node(1), reader = node(2);
  holder->link->publish(kObject, holder->fill(100'000, 1));
  holder->link->withdraw(kObject).wait(io.waitScope);
  EXPECT_FALSE(pull(*reader, reader->arena.allocate(100'000).value(), {holder->holder()}));
  // Published again, at another place: the newest counts
  holder->link->publish(kObject, holder->fill(100'000, 2));
  auto withdrawn = holder->link->withdraw(kObject);
  holder->link->publish(kObject, holder->fill(100'000, 3));
  withdrawn.wait(io.waitScope);
  Extent to = reader->arena.allocate(100'000).value();
  EXPECT_TRUE(pull(*reader, to, {holder->holder()}));
  EXPECT_TRUE(reader->holds(to, 3));
}

TEST_F(MoverLinkTest, NonsenseForAnAddressFailsAndTheNextHolderServes) {
  auto holder = node(1), reader = node(2);
  Extent from = holder->fill(1_MiB, 1);
  Extent to = reader->arena.allocate(from.size).value();
  holder->link->publish(kObject, from);
  auto report = pull(*reader, to, {{NodeId{9}, ""}, holder->holder()});
  ASSERT_TRUE(report) << report.error().why;
  EXPECT_TRUE(reader->holds(to, 1));
}

struct Interrupted {
  const char* name;
  int signal;
  const char* chunk;  // parts of 16 KiB are sent, of 256 KiB copied
};

class MoverLinkFaults : public MoverLinkTest, public testing::WithParamInterface<Interrupted> {
 public:
  ~MoverLinkFaults() noexcept override {}

  // Pulls 64 MiB and sends the signal to the first holder's mover when a part has arrived.
  Result<MoverLink::PullReport> interrupt(Node& first, Node& reader, Extent to,
                                          std::vector<MoverLink::Holder> holders) {
    auto answer = reader.link->pull(kObject, to.size, to.offset, std::move(holders))
                      .eagerlyEvaluate(nullptr);
    volatile std::byte* early = reader.arena.at(to).data() + 100'001;
    until([&] { return *early != std::byte{}; });
    kill(first.link->pid(), GetParam().signal);
    auto report = answer.wait(io.waitScope);
    if (GetParam().signal == SIGSTOP) kill(first.link->pid(), SIGCONT);
    return report;
  }
};

TEST_P(MoverLinkFaults, TheRestComesFromTheNextHolder) {
  // Arrange
  auto first = node(1, slow(GetParam().chunk)), second = node(2, slow(GetParam().chunk)),
       reader = node(3, slow(GetParam().chunk));
  first->link->publish(kObject, first->fill(64_MiB, 1));
  second->link->publish(kObject, second->fill(64_MiB, 1));
  Extent to = reader->arena.allocate(64_MiB).value();
  // Act
  auto report = interrupt(*first, *reader, to, {first->holder(), second->holder()});
  // Assert
  ASSERT_TRUE(report) << report.error().why;
  EXPECT_EQ(report.value().from, NodeId{2}) << "it was over before it could be interrupted";
  EXPECT_TRUE(reader->holds(to, 1));
}

TEST_P(MoverLinkFaults, WithoutAnotherHolderThePullFailsAndSaysWhy) {
  auto first = node(1, slow(GetParam().chunk)), reader = node(3, slow(GetParam().chunk));
  first->link->publish(kObject, first->fill(64_MiB, 1));
  Extent to = reader->arena.allocate(64_MiB).value();
  auto report = interrupt(*first, *reader, to, {first->holder()});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, RefusalCode::unavailable);
  EXPECT_EQ(report.error().why.rfind("object 1.7 could not be pulled: node 1: ", 0), 0u)
      << report.error().why;
}

INSTANTIATE_TEST_SUITE_P(Signals, MoverLinkFaults,
                         testing::Values(Interrupted{"sentKilled", SIGKILL, "--chunk-kib=16"},
                                         Interrupted{"sentStopped", SIGSTOP, "--chunk-kib=16"},
                                         Interrupted{"copiedKilled", SIGKILL, "--chunk-kib=256"},
                                         Interrupted{"copiedStopped", SIGSTOP, "--chunk-kib=256"}),
                         [](auto& row) { return row.param.name; });

TEST_F(MoverLinkTest, AMoverThatDiesIsStartedAgainAndToldOfEverything) {
  // Arrange
  auto holder = node(1), reader = node(2);
  Extent from = holder->fill(10_MiB, 1);
  holder->link->publish(kObject, from);
  std::string before = holder->lastAddress;
  // Act
  kill(holder->link->pid(), SIGKILL);
  until([&] { return holder->ups == 2; });
  // Assert
  EXPECT_NE(holder->lastAddress, before);
  Extent to = reader->arena.allocate(from.size).value();
  auto stale = pull(*reader, to, {{NodeId{1}, before}});
  EXPECT_FALSE(stale);
  auto report = pull(*reader, to, {holder->holder()});
  ASSERT_TRUE(report) << report.error().why;
  EXPECT_TRUE(reader->holds(to, 1));
}

TEST_F(MoverLinkTest, APullWhoseOwnMoverDiesIsAskedAgain) {
  auto holder = node(1, slow()), reader = node(2, slow());
  holder->link->publish(kObject, holder->fill(64_MiB, 1));
  Extent to = reader->arena.allocate(64_MiB).value();
  auto answer = reader->link->pull(kObject, to.size, to.offset, {holder->holder()})
                    .eagerlyEvaluate(nullptr);
  volatile std::byte* early = reader->arena.at(to).data() + 100'001;
  until([&] { return *early != std::byte{}; });
  kill(reader->link->pid(), SIGKILL);
  auto report = answer.wait(io.waitScope);
  if (!report) {
    // It was killed in the middle of a message, and the holder's mover had to be started anew too.
    until([&] { return holder->ups == 2; });
    report = pull(*reader, to, {holder->holder()});
  }
  ASSERT_TRUE(report) << report.error().why;
  EXPECT_TRUE(reader->holds(to, 1));
  EXPECT_EQ(reader->ups, 2);
  // The holder let go of what the dead reader had asked for
  holder->link->withdraw(kObject).wait(io.waitScope);
}

TEST_F(MoverLinkTest, WhenNoMoverCanBeStartedPullsAreRefused) {
  Node reader(io, NodeId{1}, {.program = "/nonexistent/alnilam-mover", .arguments = {},
                              .interfaces = {}, .faultIn = false,
                              .restartAfter = std::chrono::milliseconds(1)});
  auto report = pull(reader, reader.arena.allocate(100).value(), {{NodeId{2}, "x"}});
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().why.find("/nonexistent/alnilam-mover"), std::string::npos)
      << report.error().why;
}

TEST_F(MoverLinkTest, AnInterfaceThatIsNotThereIsToldByName) {
  Node reader(io, NodeId{1}, {.program = "", .arguments = {}, .interfaces = {"nosuch0"},
                              .faultIn = false, .restartAfter = std::chrono::milliseconds(1)});
  auto report = pull(reader, reader.arena.allocate(100).value(), {{NodeId{2}, "x"}});
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().why.find("nosuch0"), std::string::npos) << report.error().why;
}

TEST_F(MoverLinkTest, TheMoverEndsWithItsLink) {
  auto holder = node(1, {.program = "", .arguments = {}, .interfaces = {}, .faultIn = true});
  pid_t pid = holder->link->pid();
  ASSERT_EQ(kill(pid, 0), 0);
  holder = nullptr;
  until([&] { return waitpid(pid, nullptr, WNOHANG) != 0; });
}

}  // namespace
}  // namespace alnilam
