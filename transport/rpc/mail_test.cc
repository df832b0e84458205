// Mail between two connections over a pipe, beside the calls of the same stream.

#include "transport/rpc/mail.h"

#include "schema/client.capnp.h"
#include "transport/rpc/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/async-io.h>
#include <kj/timer.h>

#include <string>
#include <vector>

namespace alnilam::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void postText(Mailbox& mailbox, const std::string& text) {
  mailbox.post({text.size() / 8 + 8, 0}, [&](capnp::AnyPointer::Builder to) {
    to.setAs<capnp::Text>(text.c_str());
  });
}

class Reading final : public Recipient {
 public:
  explicit Reading(Mailbox& mailbox) : mailbox_(mailbox) {}
  ~Reading() { mailbox_.close(*this); }

  void delivered(capnp::AnyPointer::Reader batch) override {
    std::string text = batch.getAs<capnp::Text>().cStr();
    if (text == "wrong") return mailbox_.refuse({RefusalCode::invalid, "this is wrong"});
    if (text == "thrown") KJ_FAIL_REQUIRE("it cannot be taken");
    read.push_back(text);
  }
  void returned(const Refusal& why) override { refused.push_back(why.why); }

  std::vector<std::string> read, refused;

 private:
  Mailbox& mailbox_;
};

class Answering final : public schema::Inspector::Server {
  kj::Promise<void> explain(ExplainContext context) override {
    context.getResults().setText("because");
    return kj::READY_NOW;
  }
};

struct World {
  void poll() { waitScope.poll(); }

  kj::EventLoop loop;
  kj::WaitScope waitScope{loop};
  kj::TimerImpl timer{kj::origin<kj::TimePoint>()};
  kj::TwoWayPipe pipe = kj::newTwoWayPipe();
  kj::Own<Connection> server = kj::heap<Connection>(kj::mv(pipe.ends[0]), timer,
                                                    kj::heap<Answering>());
  kj::Own<Connection> client = kj::heap<Connection>(kj::mv(pipe.ends[1]), timer);
  kj::Own<Mailbox> serverBox = server->mailbox(), clientBox = client->mailbox();
  Reading serverReads{*serverBox}, clientReads{*clientBox};
  // Reading begins with the first call.
  schema::Inspector::Client inspector = client->bootstrap().castAs<schema::Inspector>();

  World() {
    serverBox->open(serverReads);
    clientBox->open(clientReads);
    poll();
  }
};

TEST(Mail, GoesBothWaysInOrderBesideCalls) {
  World world;
  postText(*world.clientBox, "one");
  auto call = world.inspector.explainRequest().send();
  postText(*world.clientBox, "two");
  postText(*world.serverBox, "three");
  EXPECT_EQ(call.wait(world.waitScope).getText(), "because");
  world.poll();
  EXPECT_THAT(world.serverReads.read, ElementsAre("one", "two"));
  EXPECT_THAT(world.clientReads.read, ElementsAre("three"));
}

TEST(Mail, LargeOnesComeWholeAndInOrder) {
  World world;
  std::vector<std::string> sent;
  for (std::size_t size : {10u, 5'000u, 15'000u, 17'000u, 300'000u, 3u, 5'000'000u, 1u}) {
    sent.push_back(std::string(size, static_cast<char>('a' + sent.size())));
    postText(*world.clientBox, sent.back());
  }
  world.poll();
  EXPECT_EQ(world.serverReads.read, sent);
}

TEST(Mail, WhatIsTakenOverIsToldInTimeThoughNothingIsSentBack) {
  World world;
  for (std::uint64_t i = 0; i < 10 * Mailbox::kWindow; ++i) {
    ASSERT_FALSE(world.clientBox->isFull()) << i;
    postText(*world.clientBox, "x");
    world.poll();
  }
}

TEST(Mail, ABoxIsFullUntilItsPeerHasTakenOver) {
  World world;
  bool hasRoom = false;
  world.clientBox->whenRoom(kj::Function<void()>([&]() { hasRoom = true; }));
  for (std::uint64_t i = 0; i < Mailbox::kWindow; ++i) postText(*world.clientBox, "x");
  EXPECT_TRUE(world.clientBox->isFull());
  world.poll();
  EXPECT_FALSE(world.clientBox->isFull());
  EXPECT_TRUE(hasRoom);
}

TEST(Mail, ARefusedBatchComesBackWithItsReason) {
  World world;
  postText(*world.clientBox, "wrong");
  postText(*world.clientBox, "right");
  world.poll();
  EXPECT_THAT(world.clientReads.refused, ElementsAre("this is wrong"));
  EXPECT_THAT(world.serverReads.read, ElementsAre("right"));
}

TEST(Mail, WaitsForItsRecipientAWindowLong) {
  World world;
  world.serverBox->close(world.serverReads);
  for (std::uint64_t i = 0; i < Mailbox::kWindow; ++i) postText(*world.clientBox, "early");
  world.poll();
  EXPECT_TRUE(world.serverReads.read.empty());
  world.serverBox->open(world.serverReads);
  EXPECT_EQ(world.serverReads.read.size(), Mailbox::kWindow);

  world.serverBox->close(world.serverReads);
  auto ended = world.server->whenEnded();
  for (std::uint64_t i = 0; i <= Mailbox::kWindow; ++i) postText(*world.clientBox, "to nobody");
  EXPECT_THAT(ended.wait(world.waitScope), HasSubstr("mail to nobody"));
}

TEST(Mail, ARecipientThatThrowsEndsTheConnection) {
  World world;
  auto ended = world.server->whenEnded();
  postText(*world.clientBox, "thrown");
  EXPECT_THAT(ended.wait(world.waitScope), HasSubstr("it cannot be taken"));
}

TEST(Mail, WhoClaimsToHaveTakenWhatWasNeverSentIsCut) {
  World world;
  capnp::MallocMessageBuilder lie;
  lie.initRoot<schema::Mail>().setTaken(7);
  capnp::SegmentArrayMessageReader read(lie.getSegmentsForOutput());
  Result<bool> taken = world.serverBox->deliver(read);
  ASSERT_FALSE(taken.hasValue());
  EXPECT_THAT(taken.error().why, HasSubstr("took over 7 batches of 0"));
}

TEST(Mail, AfterTheConnectionABoxIsDeaf) {
  World world;
  world.client = nullptr;
  postText(*world.clientBox, "nobody hears");
  world.poll();
  EXPECT_TRUE(world.serverReads.read.empty());
}

}  // namespace
}  // namespace alnilam::rpc
