// Cap'n Proto through the guard: sound messages pass, others end the connection.  Pipes in one
// process, in virtual time.

#include "transport/rpc/connection.h"

#include "schema/client.capnp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/async-io.h>
#include <kj/timer.h>

#include <string>
#include <vector>

namespace alnilam::rpc {
namespace {

using testing::HasSubstr;

class Answering final : public schema::Inspector::Server {
 public:
  kj::Promise<void> explain(ExplainContext context) override {
    ++calls;
    auto text = context.getParams().getTask() == 0 ? std::string(size, 'x') : std::string("ok");
    context.getResults().setText(text.c_str());
    return kj::READY_NOW;
  }
  kj::Promise<void> status(StatusContext context) override {
    ++calls;
    return kj::NEVER_DONE;
  }
  std::size_t size = 100;
  static inline int calls = 0;
};

struct World {
  explicit World(StreamLimits limits = {}) {
    auto server = kj::heap<Answering>();
    answering = server.get();
    connection = kj::heap<Connection>(kj::mv(pipe.ends[0]), timer, kj::mv(server), limits);
    ended = connection->whenEnded().fork();
    Answering::calls = 0;
  }
  void pass(kj::Duration time) {
    waitScope.poll();
    timer.advanceTo(timer.now() + time);
    waitScope.poll();
  }
  bool isOpen() { return !ended.addBranch().poll(waitScope); }
  std::string why() { return ended.addBranch().wait(waitScope); }

  kj::EventLoop loop;
  kj::WaitScope waitScope{loop};
  kj::TimerImpl timer{kj::origin<kj::TimePoint>()};
  kj::TwoWayPipe pipe = kj::newTwoWayPipe();
  Answering* answering = nullptr;
  kj::Own<Connection> connection;
  kj::ForkedPromise<std::string> ended = nullptr;
};

// What `bytes` lead to; the peer goes on listening.
std::string whyEnded(const std::string& bytes, StreamLimits limits = {}) {
  World world(limits);
  auto sending = world.pipe.ends[1]->write(bytes.data(), bytes.size()).eagerlyEvaluate(nullptr);
  world.waitScope.poll();
  return world.isOpen() ? "still open" : world.why();
}

std::string words(std::vector<std::uint32_t> values) {
  std::string bytes;
  for (std::uint32_t value : values) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
  }
  return bytes;
}

TEST(GuardedStream, HeadersThatLieEndTheConnection) {
  struct Row { const char* name; std::string bytes; const char* why; };
  const Row rows[] = {
    {"FFFFFFFF", words({0xffffffff, 0}), "2147483648 segments"},
    {"513 segments", words({512, 0}), "513 segments"},
    {"a segment of 2^32-1 words", words({0, 0xffffffff}), "bytes or more; at most 67108864"},
    {"two that together are too large", words({1, 0x500000, 0x500000, 0}), "at most 67108864"},
    {"64 MiB and a word", words({0, (64u << 20) / 8}), "at most 67108864"},
    {"HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "segments"},
    {"a root that points outside", words({0, 1, 0xfffffffc, 0x7fffffff}), "is none"},
    {"no segment at all", words({0, 0}), ""},
    {"mail of 513 segments", words({512u | 1u << 31, 0}), "513 segments"},
    {"mail whose root points outside", words({1u << 31, 1, 0xfffffffc, 0x7fffffff}), "mail"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    std::string why = whyEnded(row.bytes);
    EXPECT_NE(why, "still open");
    EXPECT_THAT(why, HasSubstr(row.why));
  }
}

TEST(GuardedStream, AHeaderIsNotBelievedWithMemoryBeforeItsBytesCome) {
  StreamLimits limits;
  limits.messageDeadline = 10 * kj::SECONDS;
  World world(limits);
  std::string header = words({0, (32u << 20) / 8});  // announces 32 MiB
  world.pipe.ends[1]->write(header.data(), header.size()).wait(world.waitScope);
  // One byte a second does not keep it alive.
  for (int second = 0; second < 9; ++second) {
    world.pass(1 * kj::SECONDS);
    auto sending = world.pipe.ends[1]->write("x", 1).eagerlyEvaluate(nullptr);
    world.waitScope.poll();
    ASSERT_TRUE(world.isOpen()) << second;
  }
  world.pass(2 * kj::SECONDS);
  ASSERT_FALSE(world.isOpen());
  EXPECT_THAT(world.why(), HasSubstr("did not finish it in time"));
}

TEST(GuardedStream, APeerBetweenMessagesMayBeSilentForEver) {
  World world;
  Connection peer(kj::mv(world.pipe.ends[1]), world.timer);
  auto inspector = peer.bootstrap().castAs<schema::Inspector>();
  inspector.explainRequest().send().wait(world.waitScope);
  world.pass(100'000 * kj::SECONDS);
  EXPECT_TRUE(world.isOpen());
  auto request = inspector.explainRequest();
  request.setTask(1);
  EXPECT_STREQ(request.send().wait(world.waitScope).getText().cStr(), "ok");
}

TEST(GuardedStream, LeavingInTheMiddleOfAMessageIsToldApart) {
  for (bool inTheMiddle : {true, false}) {
    World world;
    if (inTheMiddle) world.pipe.ends[1]->write(words({0, 100}).data(), 8).wait(world.waitScope);
    world.pipe.ends[1] = nullptr;
    EXPECT_EQ(world.why(), inTheMiddle ? "the peer left in the middle of a message" : "");
  }
}

TEST(GuardedStream, CarriesCallsOfEverySize) {
  World world;
  Connection peer(kj::mv(world.pipe.ends[1]), world.timer);
  auto inspector = peer.bootstrap().castAs<schema::Inspector>();
  for (std::size_t size : {1u, 7u, 16'000u, 16'384u, 17'000u, 65'536u, 131'072u, 200'000u,
                           3'000'000u, 20'000'000u}) {
    SCOPED_TRACE(size);
    world.answering->size = size;
    auto small = inspector.explainRequest();
    small.setTask(1);
    auto before = small.send();
    auto large = inspector.explainRequest().send();
    auto after = inspector.explainRequest().send();
    EXPECT_EQ(large.wait(world.waitScope).getText().size(), size);
    EXPECT_EQ(before.wait(world.waitScope).getText().size(), 2u);
    EXPECT_EQ(after.wait(world.waitScope).getText().size(), size);
  }
}

TEST(GuardedStream, SmallCallsOfOneTurnTravelTogether) {
  World world;
  Connection peer(kj::mv(world.pipe.ends[1]), world.timer);
  auto inspector = peer.bootstrap().castAs<schema::Inspector>();
  kj::Vector<kj::Promise<void>> calls;
  for (int i = 0; i < 1000; ++i) calls.add(inspector.explainRequest().send().ignoreResult());
  kj::joinPromises(calls.releaseAsArray()).wait(world.waitScope);
  EXPECT_EQ(Answering::calls, 1000);
  EXPECT_GE(world.connection->counts().messagesIn, 1001u);
  EXPECT_EQ(world.connection->counts().bytesIn, peer.counts().bytesOut);
}

TEST(GuardedStream, CallsThatAreNeverFinishedAreBounded) {
  StreamLimits limits;
  limits.maxQuestions = 100;
  World world(limits);
  Connection peer(kj::mv(world.pipe.ends[1]), world.timer);
  auto inspector = peer.bootstrap().castAs<schema::Inspector>();
  // Calls that are finished may be as many as one likes.
  for (int i = 0; i < 300; ++i) inspector.explainRequest().send().wait(world.waitScope);
  EXPECT_TRUE(world.isOpen());
  kj::Vector<kj::Promise<void>> calls;
  for (int i = 0; i < 101; ++i) {
    calls.add(inspector.statusRequest().send().ignoreResult().eagerlyEvaluate(nullptr));
  }
  world.waitScope.poll();
  ASSERT_FALSE(world.isOpen());
  EXPECT_THAT(world.why(), HasSubstr("more than 100 calls that it did not finish"));
  EXPECT_LE(Answering::calls, 401);
}

TEST(GuardedStream, APeerThatDoesNotReadEndsTheConnection) {
  // Arrange: a peer that calls and never reads an answer
  World world;
  world.answering->size = 1'000'000;
  auto toServer = kj::newTwoWayPipe();
  auto peerEnd = kj::mv(world.pipe.ends[1]);
  auto peer = kj::heap<Connection>(kj::mv(toServer.ends[0]), world.timer);
  auto inspector = peer->bootstrap().castAs<schema::Inspector>();
  auto pump = toServer.ends[1]->pumpTo(*peerEnd).eagerlyEvaluate(nullptr);  // one way only
  kj::Vector<kj::Promise<void>> calls;
  // Act: 7 MiB of answers wait, which is borne for as long as one likes
  for (int i = 0; i < 7; ++i) {
    calls.add(inspector.explainRequest().send().ignoreResult().eagerlyEvaluate(nullptr));
  }
  world.waitScope.poll();
  for (int second = 0; second < 60; ++second) world.pass(1 * kj::SECONDS);
  EXPECT_TRUE(world.isOpen());
  EXPECT_GT(world.connection->unsent(), 6'000'000u);
  // 10 MiB are not
  for (int i = 0; i < 3; ++i) {
    calls.add(inspector.explainRequest().send().ignoreResult().eagerlyEvaluate(nullptr));
  }
  world.waitScope.poll();
  for (int second = 0; second < 8; ++second) world.pass(1 * kj::SECONDS);
  // Assert
  ASSERT_FALSE(world.isOpen());
  EXPECT_THAT(world.why(), HasSubstr("does not read"));
}

TEST(GuardedStream, AnUnknownInterfaceIsUnimplementedAndTheConnectionStays) {
  World world;
  Connection peer(kj::mv(world.pipe.ends[1]), world.timer);
  auto gate = peer.bootstrap().castAs<schema::ClientGate>();
  auto refused = kj::runCatchingExceptions(
      [&]() { gate.inspectRequest().send().wait(world.waitScope); });
  KJ_IF_MAYBE(cause, refused) {
    EXPECT_EQ(cause->getType(), kj::Exception::Type::UNIMPLEMENTED);
  } else {
    FAIL() << "a method that the peer lacks was answered";
  }
  EXPECT_TRUE(world.isOpen());
}

}  // namespace
}  // namespace alnilam::rpc
