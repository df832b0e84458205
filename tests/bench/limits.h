#pragma once
// What the figures of tasks are measured against: the same tasks and hops with nothing behind them.

#include "tests/bench/figure.h"
#include "tests/bench/sink.capnp.h"
#include "transport/rpc/batch_size.h"
#include "transport/rpc/connection.h"

#include <kj/async-io.h>
#include <kj/debug.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace alnilam::bench {

// Runs `work(fd)` in a child at the other end of a socketpair; our end and the child's id.
struct Peer {
  int fd;
  pid_t child;
};

template <typename Work>
Peer peer(Work&& work) {
  int fds[2];
  KJ_SYSCALL(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  pid_t child = ::fork();
  KJ_REQUIRE(child >= 0);
  if (child == 0) {
    ::close(fds[0]);
    work(fds[1]);
    ::_exit(0);
  }
  ::close(fds[1]);
  return {fds[0], child};
}

// Median seconds of one hop of a byte over a unix socket between two processes: half a round trip.
inline double socketHop(int times = 20'000) {
  Peer other = peer([](int fd) {
    char byte;
    while (::read(fd, &byte, 1) == 1 && ::write(fd, &byte, 1) == 1) {}
  });
  std::vector<double> took;
  char byte = 1;
  for (int i = 0; i < times; ++i) {
    double start = now();
    KJ_ASSERT(::write(other.fd, &byte, 1) == 1 && ::read(other.fd, &byte, 1) == 1);
    took.push_back(now() - start);
  }
  ::close(other.fd);
  ::waitpid(other.child, nullptr, 0);
  std::sort(took.begin(), took.end());
  return took[took.size() / 2] / 2;
}

// Counts the batches that it reads, and nothing else.
class CountingSink final : public schema::Sink::Server {
  kj::Promise<void> take(TakeContext context) override {
    auto batch = rpc::read(context.getParams().getBatch(), JobId{7});
    KJ_ASSERT(batch.hasValue());
    return kj::READY_NOW;
  }
};

inline kj::Promise<void> keepSubmitting(schema::Sink::Client& sink, const ClientBatch& batch,
                                        int& left) {
  if (left-- <= 0) return kj::READY_NOW;
  auto request = sink.takeRequest(rpc::sizeHint(batch));
  rpc::write(batch, request.initBatch());
  return request.send().ignoreResult().then(
      [&sink, &batch, &left]() { return keepSubmitting(sink, batch, left); });
}

// Task structs a second through calls of 1,000 between two processes, 16 calls in flight.
inline double taskStructsPerSecond(int tasks) {
  constexpr std::uint32_t kBatch = 1000;
  constexpr auto kOwned = kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP;
  ClientBatch batch;
  for (std::uint32_t i = 1; i <= kBatch; ++i) {
    Blob argument = Blob::fill(16, [&](std::span<std::byte> room) {
      std::memset(room.data(), static_cast<int>(i), room.size());
    });
    batch.tasks.push_back({ObjectId::make({7}, i), 3, argument, {}});
  }
  Peer other = peer([](int fd) {
    auto io = kj::setupAsyncIo();
    rpc::Connection connection(io.lowLevelProvider->wrapSocketFd(fd, kOwned),
                               io.provider->getTimer(), kj::heap<CountingSink>());
    connection.whenEnded().wait(io.waitScope);
  });
  double rate;
  {
    auto io = kj::setupAsyncIo();
    rpc::Connection connection(io.lowLevelProvider->wrapSocketFd(other.fd, kOwned),
                               io.provider->getTimer());
    auto sink = connection.bootstrap().castAs<schema::Sink>();
    int left = tasks / static_cast<int>(kBatch);
    double start = now();
    kj::Vector<kj::Promise<void>> lanes;
    for (int i = 0; i < 16; ++i) lanes.add(keepSubmitting(sink, batch, left));
    kj::joinPromises(lanes.releaseAsArray()).wait(io.waitScope);
    rate = tasks / (now() - start);
  }
  ::waitpid(other.child, nullptr, 0);
  return rate;
}

}  // namespace alnilam::bench
