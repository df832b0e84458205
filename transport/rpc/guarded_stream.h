#pragma once
// Cap'n Proto messages over a byte stream that may lie.
//
// Stands between a socket and Cap'n Proto's network.  Each message's header is looked at before
// Cap'n Proto sees it: at most `maxSegments` segments and `maxMessageBytes` bytes, or the
// connection ends (the library's own reader writes out of bounds on a first word of FFFFFFFF).  A
// message that has begun must be whole by `messageDeadline`.  A peer that starts more calls than it
// finishes is cut at `maxQuestions`, because calls that are never finished hold memory.
//
// Mails (mail.h) come and go on the same stream, in order with the messages of the RPC system but
// past it: the highest bit of a message's first word tells them apart.
//
// Small messages are written together: those that one turn of the event loop makes go out in one
// system call, and as many incoming ones as are there are taken in by one.  Large ones are written
// from where they lie, in parts, so that progress can be seen.
//
// A peer that reads nothing ends the connection: more than `maxUnsent` bytes wait and for
// `unsentGrace` none went out, or eight times as many wait however fast it reads.
//
// Descriptors travel with a message only if the stream is a unix socket and `fds` is set; reading
// is then unbuffered, so that a descriptor cannot be taken for another message's, and there is no
// mail.
//
// Threading: one event loop.
// Lifetime: stream and timer must outlive it; it must outlive the network that uses it.
// Errors: kj::Exceptions, as Cap'n Proto wants them; `why` has the sentence for people.

#include "transport/rpc/mail.h"

#include <capnp/serialize-async.h>
#include <kj/async-io.h>
#include <kj/function.h>
#include <kj/timer.h>
#include <kj/vector.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace alnilam::rpc {

struct StreamLimits {
  std::uint64_t maxMessageBytes = 64ull << 20;  // header included
  std::uint32_t maxSegments = 512;
  kj::Duration messageDeadline = 30 * kj::SECONDS;  // from a message's first byte to its last
  std::uint64_t maxUnsent = 8ull << 20;
  kj::Duration unsentGrace = 5 * kj::SECONDS;
  std::uint64_t maxQuestions = 65'536;  // calls and bootstraps that the peer has not finished
  bool fds = false;
};

struct StreamCounts {
  std::uint64_t messagesIn = 0, messagesOut = 0;
  std::uint64_t bytesIn = 0, bytesOut = 0;
};

class GuardedStream final : public capnp::MessageStream, private Mailbox::Carrier {
 public:
  GuardedStream(kj::AsyncIoStream& stream, kj::Timer& timer, StreamLimits limits,
                kj::Own<Mailbox> mailbox = kj::refcounted<Mailbox>());
  ~GuardedStream() noexcept(false);

  Mailbox& mailbox() { return *mailbox_; }

  // `waiting` tells how many bytes the network above holds back behind the message being written.
  void setWaiting(kj::Function<std::size_t()> waiting) { waiting_ = kj::mv(waiting); }

  // Rejects when the connection must end though the peer has not left.
  kj::Promise<void> broken() { return broken_.addBranch(); }
  // Why; empty if the peer left in good order or has not left.
  const std::string& why() const { return *why_; }
  // The same, for who may outlive the stream.
  std::shared_ptr<const std::string> sharedWhy() const { return why_; }

  std::uint64_t unsent() { return unsent_ + waiting_(); }
  const StreamCounts& counts() const { return counts_; }

  // capnp::MessageStream
  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(
      kj::ArrayPtr<kj::AutoCloseFd> fdSpace, capnp::ReaderOptions options,
      kj::ArrayPtr<capnp::word> scratch) override;
  kj::Promise<void> writeMessage(
      kj::ArrayPtr<const int> fds,
      kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override;
  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override;
  kj::Maybe<int> getSendBufferSize() override { return nullptr; }
  kj::Promise<void> end() override;

 private:
  using Received = kj::Maybe<capnp::MessageReaderAndFds>;
  using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;
  struct Large;
  // What waits to be written: small messages together, or a large one.
  struct Outgoing {
    kj::Vector<kj::byte> small;
    kj::Own<Large> large;
  };

  kj::Promise<Received> next(capnp::ReaderOptions options);
  kj::Promise<Received> nextWithFds(kj::ArrayPtr<kj::AutoCloseFd> fdSpace,
                                    capnp::ReaderOptions options);
  kj::Promise<Received> readLarge(std::size_t size, capnp::ReaderOptions options);
  // The size of the message that begins in `bytes`, 0 if that cannot be said yet.
  std::size_t messageSize(kj::ArrayPtr<const kj::byte> bytes);
  Received take(kj::Array<capnp::word> words, capnp::ReaderOptions options,
                kj::ArrayPtr<kj::AutoCloseFd> fds);
  void takeMail(kj::ArrayPtr<capnp::word> words, capnp::ReaderOptions options);
  kj::Promise<std::size_t> byDeadline(kj::Promise<std::size_t> read);

  // Mailbox::Carrier
  void carry(Segments segments, kj::Own<capnp::MessageBuilder> owner) override;

  void append(Segments segments, std::size_t size, std::uint32_t mark);
  Large& appendLarge(Segments segments, std::uint32_t mark);
  kj::Promise<void> flushLoop();
  kj::Promise<void> flushed();
  kj::Promise<void> writeLarge(Large& message);
  void wrote(std::size_t size);
  void startFlush();
  void armWatch();
  kj::Promise<void> watchLoop();
  [[noreturn]] void refuse(std::string why);
  void fail(kj::Exception&& cause);

  kj::AsyncIoStream& stream_;
  kj::Timer& timer_;
  const StreamLimits limits_;
  kj::Function<std::size_t()> waiting_ = []() { return std::size_t{0}; };
  StreamCounts counts_;
  std::shared_ptr<std::string> why_;  // owned by this and by promises of its end
  bool hasLeft_ = false;  // the peer has closed: what fails from now on is no news
  kj::Maybe<kj::Exception> failure_;
  kj::Own<kj::PromiseFulfiller<void>> breaker_;
  kj::ForkedPromise<void> broken_;

  kj::Array<capnp::word> buffer_;  // read ahead
  std::size_t begin_ = 0, end_ = 0;  // bytes of it that are not taken
  kj::Maybe<kj::TimePoint> deadline_;  // of the message that has begun
  std::uint64_t questions_ = 0;

  kj::Own<Mailbox> mailbox_;
  std::deque<Outgoing> outgoing_;
  Outgoing writing_;
  bool isFlushing_ = false;
  std::uint64_t unsent_ = 0, progress_ = 0;
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> awaitFlush_;
  bool isWatching_ = false;
  std::uint64_t watchedProgress_ = 0;
  kj::Duration stalled_ = 0 * kj::SECONDS;
  kj::Promise<void> flush_ = nullptr;
  kj::Promise<void> watch_ = nullptr;
};

}  // namespace alnilam::rpc
