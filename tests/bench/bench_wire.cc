// What the wire costs: building and reading the structs of a task, batches of 1,000 of them between
// two processes, and the round trip of a single call.  Limits, measured in the same run: a memcpy
// of the same bytes, the same bytes by plain writes over a unix socket, a byte there and back.

#include "tests/bench/limits.h"
#include "transport/rpc/batch_size.h"
#include "transport/rpc/connection.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/async-io.h>
#include <kj/debug.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace alnilam::rpc {
namespace {

constexpr std::uint32_t kBatch = 1000;

using bench::now;

void print(const std::string& name, double value, const char* unit, double limit,
           const char* limitName) {
  std::printf("{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"%s\",\"limit\":%.4g,"
              "\"limitName\":\"%s\",\"ratio\":%.3g,\"emulated\":false}\n",
              name.c_str(), value, unit, limit, limitName, value / limit);
  std::fflush(stdout);
}

template <typename Work>
double leastSeconds(Work&& work, int rounds = 200) {
  double least = 1e9;
  for (int i = 0; i < rounds; ++i) {
    double start = now();
    work();
    least = std::min(least, now() - start);
  }
  return least;
}

// ---- Building and reading, in one process.

Blob argument(std::uint32_t i) {
  return Blob::fill(16, [&](std::span<std::byte> room) {
    std::memset(room.data(), static_cast<int>(i), room.size());
  });
}

ClientBatch clientBatch() {
  ClientBatch batch;
  for (std::uint32_t i = 1; i <= kBatch; ++i) {
    batch.tasks.push_back({ObjectId::make({7}, i), 3, argument(i), {}});
  }
  return batch;
}
NodeMail mail() {
  NodeMail mail;
  for (std::uint32_t i = 1; i <= kBatch; ++i) {
    mail.orders.assign.push_back({ObjectId::make({7}, i), Attempt{1}, 3, argument(i), {}});
  }
  return mail;
}
Orders orders() {
  Orders orders;
  for (std::uint32_t i = 1; i <= kBatch; ++i) {
    orders.run.push_back({ObjectId::make({7}, i), Attempt{1}, 3, argument(i), {}});
  }
  return orders;
}
ExecutorReport report() {
  ExecutorReport report;
  for (std::uint32_t i = 1; i <= kBatch; ++i) {
    TaskDone done;
    done.id = ObjectId::make({7}, i);
    done.attempt = Attempt{1};
    done.held = argument(i);
    done.ran = Duration(1000);
    report.done.push_back(std::move(done));
  }
  return report;
}

template <typename Wire, typename Batch, typename Write, typename Read>
void measureCodec(const std::string& name, const Batch& batch, Write&& write, Read&& read) {
  auto hint = sizeHint(batch);
  std::vector<capnp::word> scratch(hint.wordCount);
  double written = leastSeconds([&] {
    std::memset(scratch.data(), 0, scratch.size() * sizeof(capnp::word));
    capnp::MallocMessageBuilder message(kj::arrayPtr(scratch.data(), scratch.size()));
    write(batch, message.template initRoot<Wire>());
  });
  capnp::MallocMessageBuilder message(static_cast<unsigned>(hint.wordCount));
  write(batch, message.template initRoot<Wire>());
  auto words = capnp::messageToFlatArray(message);
  double taken = leastSeconds([&] {
    capnp::FlatArrayMessageReader reader(words);
    KJ_ASSERT(read(reader.template getRoot<Wire>()).hasValue());
  });
  std::vector<kj::byte> copy(words.asBytes().size());
  double copied = leastSeconds([&] {
    std::memcpy(copy.data(), words.begin(), copy.size());
    asm volatile("" : : "g"(copy.data()) : "memory");
  });
  constexpr double kPerTask = 1e9 / kBatch;
  print("write_" + name, written * kPerTask, "ns/task", copied * kPerTask, "memcpy of its bytes");
  print("read_" + name, taken * kPerTask, "ns/task", copied * kPerTask, "memcpy of its bytes");
}

// ---- Between two processes.

struct Pair {
  int here, there;
};

Pair socketPair() {
  int fds[2];
  KJ_SYSCALL(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  return {fds[0], fds[1]};
}

// Runs `work` in a process of its own, which ends with it.
template <typename Work>
pid_t inChild(Work&& work) {
  pid_t child = ::fork();
  KJ_REQUIRE(child >= 0);
  if (child != 0) return child;
  work();
  ::_exit(0);
}

// Sends every batch back as it came.
class Echo final : public Recipient {
 public:
  explicit Echo(kj::Own<Mailbox> mailbox) : mailbox_(kj::mv(mailbox)) { mailbox_->open(*this); }
  ~Echo() noexcept(false) { mailbox_->close(*this); }

 private:
  void delivered(capnp::AnyPointer::Reader mail) override {
    auto batch = read(mail.getAs<schema::ClientBatch>(), JobId{7});
    KJ_ASSERT(batch.hasValue());
    post<schema::ClientBatch>(*mailbox_, batch.value());
  }
  void returned(const Refusal& why) override { KJ_FAIL_ASSERT(why.why); }

  kj::Own<Mailbox> mailbox_;
};

// Resolves each time a batch has come back.
class Awaiting final : public Recipient {
 public:
  explicit Awaiting(kj::Own<Mailbox> mailbox) : mailbox_(kj::mv(mailbox)) {
    mailbox_->open(*this);
  }
  ~Awaiting() noexcept(false) { mailbox_->close(*this); }

  kj::Promise<void> trip(const ClientBatch& batch) {
    post<schema::ClientBatch>(*mailbox_, batch);
    auto pair = kj::newPromiseAndFulfiller<void>();
    back_ = kj::mv(pair.fulfiller);
    return kj::mv(pair.promise);
  }

 private:
  void delivered(capnp::AnyPointer::Reader mail) override {
    KJ_ASSERT(read(mail.getAs<schema::ClientBatch>(), JobId{7}).hasValue());
    back_->fulfill();
  }
  void returned(const Refusal& why) override { KJ_FAIL_ASSERT(why.why); }

  kj::Own<Mailbox> mailbox_;
  kj::Own<kj::PromiseFulfiller<void>> back_;
};

constexpr auto kOwned = kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP;

void serve(int fd) {
  auto io = kj::setupAsyncIo();
  Connection connection(io.lowLevelProvider->wrapSocketFd(fd, kOwned), io.provider->getTimer(),
                        kj::heap<bench::CountingSink>());
  Echo echo(connection.mailbox());
  connection.whenEnded().wait(io.waitScope);
}

double plainBytesPerSecond(std::size_t size, int times) {
  Pair pair = socketPair();
  pid_t child = inChild([&] {
    ::close(pair.here);
    std::vector<char> room(1 << 17);
    while (::read(pair.there, room.data(), room.size()) > 0) {}
  });
  ::close(pair.there);
  std::vector<char> bytes(size);
  double start = now();
  for (int i = 0; i < times; ++i) {
    for (std::size_t at = 0; at < size;) {
      ssize_t wrote = ::write(pair.here, bytes.data() + at, size - at);
      KJ_ASSERT(wrote > 0);
      at += static_cast<std::size_t>(wrote);
    }
  }
  ::close(pair.here);
  ::waitpid(child, nullptr, 0);
  return static_cast<double>(size) * times / (now() - start);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double plainRoundTrip(int times) {
  Pair pair = socketPair();
  pid_t child = inChild([&] {
    ::close(pair.here);
    char byte;
    while (::read(pair.there, &byte, 1) == 1 && ::write(pair.there, &byte, 1) == 1) {}
  });
  ::close(pair.there);
  std::vector<double> took;
  char byte = 1;
  for (int i = 0; i < times; ++i) {
    double start = now();
    KJ_ASSERT(::write(pair.here, &byte, 1) == 1 && ::read(pair.here, &byte, 1) == 1);
    took.push_back(now() - start);
  }
  ::close(pair.here);
  ::waitpid(child, nullptr, 0);
  return median(took);
}

void measureCalls() {
  constexpr int kCalls = 5000, kSingles = 10'000, kInFlight = 8;
  ClientBatch batch = clientBatch();
  double plainRate = plainBytesPerSecond(wireSize(batch), kCalls);
  double plainTrip = plainRoundTrip(kSingles);

  Pair pair = socketPair();
  pid_t child = inChild([&] {
    ::close(pair.here);
    serve(pair.there);
  });
  ::close(pair.there);
  {
    auto io = kj::setupAsyncIo();
    Connection connection(io.lowLevelProvider->wrapSocketFd(pair.here, kOwned),
                          io.provider->getTimer());
    auto sink = connection.bootstrap().castAs<bench::schema::Sink>();
    ClientBatch single;
    single.tasks.push_back(batch.tasks.front());
    int warm = 1000;
    bench::keepSubmitting(sink, single, warm).wait(io.waitScope);

    std::vector<double> took;
    for (int i = 0; i < kSingles; ++i) {
      int one = 1;
      double start = now();
      bench::keepSubmitting(sink, single, one).wait(io.waitScope);
      took.push_back(now() - start);
    }
    print("call_roundtrip", median(took) * 1e6, "us", plainTrip * 1e6,
          "a byte there and back over a unix socket");

    Awaiting awaiting(connection.mailbox());
    took.clear();
    for (int i = 0; i < kSingles; ++i) {
      double start = now();
      awaiting.trip(single).wait(io.waitScope);
      took.push_back(now() - start);
    }
    print("mail_roundtrip", median(took) * 1e6, "us", plainTrip * 1e6,
          "a byte there and back over a unix socket");

    auto measure = [&](const char* name, const ClientBatch& sent, int calls, int inFlight,
                       double limit) {
      int left = calls;
      double start = now();
      kj::Vector<kj::Promise<void>> loops;
      for (int i = 0; i < inFlight; ++i) loops.add(bench::keepSubmitting(sink, sent, left));
      kj::joinPromises(loops.releaseAsArray()).wait(io.waitScope);
      double rate = calls * static_cast<double>(sent.tasks.size()) / (now() - start);
      print(name, rate, "tasks/s", limit, "the same bytes by plain writes over a unix socket");
    };
    double limit = plainRate / (static_cast<double>(wireSize(batch)) / kBatch);
    measure("tasks_by_1000", batch, kCalls, kInFlight, limit);
    ClientBatch hundred = batch;
    hundred.tasks.resize(100);
    measure("tasks_by_100", hundred, kCalls * 4, kInFlight, limit);
    measure("tasks_by_1", single, 200'000, 64, limit);
  }
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace alnilam::rpc

int main() {
  using namespace alnilam;
  using namespace alnilam::rpc;
  auto plain = [](auto& batch, auto builder) { write(batch, builder); };
  measureCodec<schema::ClientBatch>("task_spec", clientBatch(), plain,
                                    [](auto reader) { return read(reader, JobId{7}); });
  measureCodec<schema::NodeOrders>("assignment", mail(), plain,
                                   [](auto reader) { return read(reader); });
  measureCodec<schema::ExecutorOrders>(
      "run_task", orders(),
      [](auto& batch, auto builder) {
        write(batch, [](ObjectId) { return Place{}; }, builder);
      },
      [](auto reader) {
        return read(reader, [](ObjectId, Place) -> Result<Blob> { return Blob(); });
      });
  measureCodec<schema::ExecutorReport>("task_done", report(), plain,
                                       [](auto reader) { return read(reader); });
  measureCalls();
}
