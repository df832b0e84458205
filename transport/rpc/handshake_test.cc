// Both sides over a pipe in one process, in virtual time.

#include "transport/rpc/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/async-io.h>
#include <kj/timer.h>

#include <string>

namespace alnilam::rpc {
namespace {

using testing::HasSubstr;

Secret secretOf(unsigned char byte) {
  Secret secret;
  secret.bytes.fill(byte);
  return secret;
}

struct World {
  kj::EventLoop loop;
  kj::WaitScope waitScope{loop};
  kj::TimerImpl timer{kj::origin<kj::TimePoint>()};
  kj::TwoWayPipe pipe = kj::newTwoWayPipe();
  Secret ours = secretOf(1), others = secretOf(2);

  void pass(kj::Duration time) {
    waitScope.poll();
    timer.advanceTo(timer.now() + time);
    waitScope.poll();
  }
  kj::Promise<Result<Role>> admitHere(Roles served = Roles::all()) {
    return admit(*pipe.ends[0], timer, ours, served).eagerlyEvaluate(nullptr);
  }
  kj::Promise<Result<Role>> introduceHere(const Secret& secret, Role role = Role::client) {
    return introduce(*pipe.ends[1], timer, secret, role, "host:7777").eagerlyEvaluate(nullptr);
  }
};

TEST(Handshake, TellsTheListenerTheCallersRole) {
  for (Role role : {Role::client, Role::node, Role::tool}) {
    World world;
    auto admitted = world.admitHere();
    auto introduced = world.introduceHere(world.ours, role);
    auto caller = introduced.wait(world.waitScope);
    auto listener = admitted.wait(world.waitScope);
    ASSERT_TRUE(caller.hasValue()) << caller.error().why;
    ASSERT_TRUE(listener.hasValue()) << listener.error().why;
    EXPECT_EQ(listener.value(), role);
  }
}

TEST(Handshake, AnotherSecretIsRefusedOnBothSides) {
  World world;
  auto admitted = world.admitHere();
  auto caller = world.introduceHere(world.others).wait(world.waitScope);
  auto listener = admitted.wait(world.waitScope);
  ASSERT_FALSE(caller.hasValue());
  ASSERT_FALSE(listener.hasValue());
  EXPECT_EQ(caller.error().code, RefusalCode::notAllowed);
  EXPECT_THAT(caller.error().why, HasSubstr("host:7777 belongs to a cluster with another secret"));
  EXPECT_EQ(listener.error().code, RefusalCode::notAllowed);
}

TEST(Handshake, ARoleThatIsNotServedIsRefused) {
  World world;
  auto admitted = world.admitHere(Roles{}.with(Role::node));
  auto caller = world.introduceHere(world.ours, Role::client).wait(world.waitScope);
  auto listener = admitted.wait(world.waitScope);
  ASSERT_FALSE(caller.hasValue());
  EXPECT_EQ(caller.error().why, "host:7777 does not serve a client");
  EXPECT_EQ(listener.error().why, "a client has no business here");
}

TEST(Handshake, WhatIsNotOursIsClosedAtItsFirstBytes) {
  for (const char* text : {"GET / HTTP/1.1\r\n", "\xff\xff\xff\xff\x00\x00\x00\x00",
                           "SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0\0\0\0\0"}) {
    World world;
    auto admitted = world.admitHere();
    world.pipe.ends[1]->write(text, 8).wait(world.waitScope);
    auto listener = admitted.wait(world.waitScope);  // without waiting for the rest, or for time
    ASSERT_FALSE(listener.hasValue());
    EXPECT_THAT(listener.error().why, HasSubstr("does not speak Alnilam's protocol"));
  }
}

TEST(Handshake, SilenceEndsAtTheDeadline) {
  World world;
  auto admitted = world.admitHere();
  world.pipe.ends[1]->write("ALNILAM\n", 8).wait(world.waitScope);
  world.pass(4900 * kj::MILLISECONDS);
  EXPECT_FALSE(admitted.poll(world.waitScope));
  world.pass(200 * kj::MILLISECONDS);
  auto listener = admitted.wait(world.waitScope);
  ASSERT_FALSE(listener.hasValue());
  EXPECT_THAT(listener.error().why, HasSubstr("within 5 s"));
}

TEST(Handshake, ACallerThatLeavesIsNoFault) {
  World world;
  auto admitted = world.admitHere();
  world.pipe.ends[1]->write("ALNI", 4).wait(world.waitScope);
  world.pipe.ends[1] = nullptr;
  auto listener = admitted.wait(world.waitScope);
  ASSERT_FALSE(listener.hasValue());
  EXPECT_THAT(listener.error().why, HasSubstr("left before"));
}

TEST(Handshake, TheCallerTellsStrangersFromAnotherVersion) {
  struct Row { std::string sent; bool closes; RefusalCode code; const char* why; };
  std::string newer("ALNILAM\n\x07\0\0", 11);
  newer.resize(48);
  const Row rows[] = {
    {"HTTP/1.1 400 Bad Request\r\n", false, RefusalCode::invalid,
     "what listens at host:7777 is not Alnilam"},
    {newer, false, RefusalCode::unavailable, "host:7777 speaks version 7 of the protocol"},
    {"", true, RefusalCode::invalid, "what listens at host:7777 closed the connection"},
    {"", false, RefusalCode::unavailable, "what listens at host:7777 did not answer within 5 s"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.why);
    World world;
    auto introduced = world.introduceHere(world.ours);
    auto& peer = *world.pipe.ends[0];
    char greeting[48];
    peer.read(greeting, sizeof greeting).wait(world.waitScope);
    kj::Promise<void> sending = kj::READY_NOW;
    if (!row.sent.empty()) sending = peer.write(row.sent.data(), row.sent.size());
    if (row.closes) world.pipe.ends[0] = nullptr;
    else if (row.sent.empty()) world.pass(5100 * kj::MILLISECONDS);
    auto caller = introduced.wait(world.waitScope);
    ASSERT_FALSE(caller.hasValue());
    EXPECT_EQ(caller.error().code, row.code);
    EXPECT_THAT(caller.error().why, HasSubstr(row.why));
  }
}

TEST(Handshake, AnotherVersionIsToldOurs) {
  World world;
  auto admitted = world.admitHere();
  std::string newer("ALNILAM\n\x07\0\x01", 11);
  newer.resize(48);
  world.pipe.ends[1]->write(newer.data(), newer.size()).wait(world.waitScope);
  char challenge[48];
  world.pipe.ends[1]->read(challenge, sizeof challenge).wait(world.waitScope);
  auto listener = admitted.wait(world.waitScope);
  EXPECT_EQ(challenge[8], kProtocolVersion);
  EXPECT_THAT(listener.error().why, HasSubstr("speaks version 7"));
}

// A listener without the secret can say "welcome", and is not believed.
TEST(Handshake, AnImpostorIsNotBelieved) {
  World world;
  auto introduced = world.introduceHere(world.ours);
  auto& peer = *world.pipe.ends[0];
  char greeting[48];
  peer.read(greeting, sizeof greeting).wait(world.waitScope);
  std::string challenge("ALNILAM\n\x01\0\0", 11);
  challenge.resize(48);
  peer.write(challenge.data(), challenge.size()).wait(world.waitScope);
  char proof[32];
  peer.read(proof, sizeof proof).wait(world.waitScope);
  std::string ending(8, '\0');
  ending.append(proof, sizeof proof);  // the caller's own proof, sent back
  auto sending = peer.write(ending.data(), ending.size());
  auto caller = introduced.wait(world.waitScope);
  ASSERT_FALSE(caller.hasValue());
  EXPECT_EQ(caller.error().code, RefusalCode::notAllowed);
}

TEST(Handshake, AnOldProofDoesNotOpenASecondTime) {
  // Arrange: listen in on one good handshake
  std::string greeting, proof;
  {
    World world;
    auto admitted = world.admitHere();
    auto between = kj::newTwoWayPipe();
    auto introduced = introduce(*between.ends[0], world.timer, world.ours, Role::client, "x")
                          .eagerlyEvaluate(nullptr);
    auto forward = [&](kj::AsyncIoStream& from, kj::AsyncIoStream& to, std::size_t size) {
      std::string bytes(size, '\0');
      from.read(bytes.data(), size).wait(world.waitScope);
      to.write(bytes.data(), size).wait(world.waitScope);
      return bytes;
    };
    greeting = forward(*between.ends[1], *world.pipe.ends[1], 48);
    forward(*world.pipe.ends[1], *between.ends[1], 48);
    proof = forward(*between.ends[1], *world.pipe.ends[1], 32);
    forward(*world.pipe.ends[1], *between.ends[1], 40);
    ASSERT_TRUE(admitted.wait(world.waitScope).hasValue());
  }
  // Act
  World world;
  auto admitted = world.admitHere();
  auto& stream = *world.pipe.ends[1];
  stream.write(greeting.data(), greeting.size()).wait(world.waitScope);
  char challenge[48], ending[40];
  stream.read(challenge, sizeof challenge).wait(world.waitScope);
  stream.write(proof.data(), proof.size()).wait(world.waitScope);
  stream.read(ending, sizeof ending).wait(world.waitScope);
  // Assert
  EXPECT_FALSE(admitted.wait(world.waitScope).hasValue());
}

}  // namespace
}  // namespace alnilam::rpc
