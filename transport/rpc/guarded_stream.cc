#include "transport/rpc/guarded_stream.h"

#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>
#include <kj/debug.h>

#include <algorithm>
#include <cstring>

namespace alnilam::rpc {
namespace {

constexpr std::size_t kWord = sizeof(capnp::word);
constexpr std::size_t kReadAhead = 128 << 10;
constexpr std::size_t kCopied = 16 << 10;   // messages up to this are copied and written together
constexpr std::size_t kPart = 1 << 20;      // of a larger one, a write
constexpr std::uint64_t kHardFactor = 8;
constexpr std::uint32_t kMail = 1u << 31;  // in a message's first word

std::uint32_t littleEndian(const kj::byte* at) {
  return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8 |
         static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
}

void putLittleEndian(kj::byte* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<kj::byte>(value >> (8 * i));
}

bool isMail(const kj::byte* message) { return (littleEndian(message) & kMail) != 0; }

std::size_t headerSize(std::size_t segments) { return (segments / 2 + 1) * kWord; }

using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;

void writeHeader(kj::byte* at, Segments segments, std::uint32_t mark) {
  std::memset(at, 0, headerSize(segments.size()));
  putLittleEndian(at, static_cast<std::uint32_t>(segments.size() - 1) | mark);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    putLittleEndian(at + 4 + 4 * i, static_cast<std::uint32_t>(segments[i].size()));
  }
}

std::size_t sizeOf(Segments segments) {
  std::size_t size = headerSize(segments.size());
  for (auto& segment : segments) size += segment.size() * kWord;
  return size;
}

}  // namespace

// A large message until it is written: its header, and it cut into parts.
struct GuardedStream::Large {
  kj::Array<kj::byte> header;
  kj::Vector<kj::ArrayPtr<const kj::byte>> parts;
  std::size_t next = 0, size = 0;
  kj::ArrayPtr<const int> fds;
  kj::Own<kj::PromiseFulfiller<void>> written;  // of who owns the segments; or null, and
  kj::Own<capnp::MessageBuilder> owner;         // this does
};

GuardedStream::GuardedStream(kj::AsyncIoStream& stream, kj::Timer& timer, StreamLimits limits,
                             kj::Own<Mailbox> mailbox)
    : stream_(stream), timer_(timer), limits_(limits), why_(std::make_shared<std::string>()),
      broken_(nullptr), mailbox_(kj::mv(mailbox)) {
  if (!limits_.fds) mailbox_->attach(*this);
  auto pair = kj::newPromiseAndFulfiller<void>();
  breaker_ = kj::mv(pair.fulfiller);
  broken_ = pair.promise.fork();
  if (!limits_.fds) buffer_ = kj::heapArray<capnp::word>(kReadAhead / kWord);
}

GuardedStream::~GuardedStream() noexcept(false) { mailbox_->detach(); }

void GuardedStream::refuse(std::string why) {
  auto cause = KJ_EXCEPTION(DISCONNECTED, why.c_str());
  if (why_->empty()) *why_ = std::move(why);
  // The owner hears of it at once: Cap'n Proto would first try to tell the peer, who may not
  // listen.
  fail(kj::cp(cause));
  kj::throwFatalException(kj::mv(cause));
}

void GuardedStream::fail(kj::Exception&& cause) {
  if (failure_ != nullptr) return;
  if (why_->empty() && !hasLeft_) *why_ = cause.getDescription().cStr();
  failure_ = kj::cp(cause);
  for (auto& waiter : awaitFlush_) waiter->reject(kj::cp(cause));
  awaitFlush_.clear();
  auto reject = [&](Outgoing& one) {
    if (one.large.get() == nullptr || one.large->written.get() == nullptr) return;
    one.large->written->reject(kj::cp(cause));
  };
  reject(writing_);
  for (Outgoing& one : outgoing_) reject(one);
  breaker_->reject(kj::mv(cause));
}

// ---- Reading.

std::size_t GuardedStream::messageSize(kj::ArrayPtr<const kj::byte> bytes) {
  if (bytes.size() < kWord) return 0;
  std::uint32_t last = littleEndian(bytes.begin());
  if (!limits_.fds) last &= ~kMail;
  if (last >= limits_.maxSegments) {
    refuse("the peer sent a message of " + std::to_string(std::uint64_t{last} + 1) +
           " segments, more than " + std::to_string(limits_.maxSegments));
  }
  std::size_t segments = std::size_t{last} + 1;
  std::uint64_t size = headerSize(segments);
  std::size_t known = std::min(segments, (bytes.size() - 4) / 4);
  for (std::size_t i = 0; i < known; ++i) {
    size += std::uint64_t{littleEndian(bytes.begin() + 4 + 4 * i)} * kWord;
  }
  if (size > limits_.maxMessageBytes) {
    refuse("the peer sent a message of " + std::to_string(size) + " bytes or more; at most " +
           std::to_string(limits_.maxMessageBytes) + " are taken");
  }
  return known == segments ? static_cast<std::size_t>(size) : 0;
}

GuardedStream::Received GuardedStream::take(kj::Array<capnp::word> words,
                                            capnp::ReaderOptions options,
                                            kj::ArrayPtr<kj::AutoCloseFd> fds) {
  ++counts_.messagesIn;
  deadline_ = nullptr;
  auto reader = kj::heap<capnp::FlatArrayMessageReader>(words, options);
  auto kind = capnp::rpc::Message::UNIMPLEMENTED;
  auto malformed = kj::runCatchingExceptions(
      [&]() { kind = reader->getRoot<capnp::rpc::Message>().which(); });
  if (malformed != nullptr) refuse("the peer sent a message that is none");
  switch (kind) {
    case capnp::rpc::Message::BOOTSTRAP:
    case capnp::rpc::Message::CALL:
      if (++questions_ > limits_.maxQuestions) {
        refuse("the peer has more than " + std::to_string(limits_.maxQuestions) +
               " calls that it did not finish");
      }
      break;
    case capnp::rpc::Message::FINISH:
      if (questions_ > 0) --questions_;
      break;
    default:
      break;
  }
  return capnp::MessageReaderAndFds{reader.attach(kj::mv(words)), fds};
}

// The mail is read where it lies.
void GuardedStream::takeMail(kj::ArrayPtr<capnp::word> words, capnp::ReaderOptions options) {
  ++counts_.messagesIn;
  deadline_ = nullptr;
  kj::byte* first = words.asBytes().begin();
  putLittleEndian(first, littleEndian(first) & ~kMail);
  Result<bool> read = true;
  auto malformed = kj::runCatchingExceptions([&]() {
    capnp::FlatArrayMessageReader message(words, options);
    read = mailbox_->deliver(message);
  });
  KJ_IF_MAYBE(cause, malformed) {
    refuse("mail of the peer could not be taken: " + std::string(cause->getDescription().cStr()));
  }
  if (!read) refuse(read.error().why);
}

kj::Promise<std::size_t> GuardedStream::byDeadline(kj::Promise<std::size_t> read) {
  kj::TimePoint due = timer_.now() + limits_.messageDeadline;
  KJ_IF_MAYBE(begun, deadline_) {
    due = *begun;
  } else {
    deadline_ = due;
  }
  return read.exclusiveJoin(timer_.atTime(due).then([this]() -> std::size_t {
    refuse("the peer began a message and did not finish it in time");
  }));
}

kj::Promise<GuardedStream::Received> GuardedStream::tryReadMessage(
    kj::ArrayPtr<kj::AutoCloseFd> fdSpace, capnp::ReaderOptions options,
    kj::ArrayPtr<capnp::word> scratch) {
  if (limits_.fds) return nextWithFds(fdSpace, options);
  return next(options);
}

kj::Promise<GuardedStream::Received> GuardedStream::next(capnp::ReaderOptions options) {
  kj::ArrayPtr<kj::byte> room = buffer_.asBytes();
  while (std::size_t size = messageSize(room.slice(begin_, end_))) {
    if (size > end_ - begin_) {
      if (size > room.size() / 2) return readLarge(size, options);
      break;
    }
    // Messages are whole words, and so are the places where they begin.
    auto there = buffer_.slice(begin_ / kWord, (begin_ + size) / kWord);
    begin_ += size;
    if (isMail(there.asBytes().begin())) {
      takeMail(there, options);
      continue;
    }
    auto words = kj::heapArray<capnp::word>(there.size());
    std::memcpy(words.begin(), there.begin(), size);
    return take(kj::mv(words), options, nullptr);
  }
  std::size_t have = end_ - begin_;
  // What is left moves to the front: it is less than half of the buffer.
  if (begin_ > 0) {
    std::memmove(room.begin(), room.begin() + begin_, have);
    begin_ = 0;
    end_ = have;
  }
  auto read = stream_.tryRead(room.begin() + end_, 1, room.size() - end_);
  if (have > 0) read = byDeadline(kj::mv(read));
  return read.then([this, options](std::size_t count) -> kj::Promise<Received> {
    counts_.bytesIn += count;
    end_ += count;
    if (count > 0) return next(options);
    hasLeft_ = true;
    if (end_ == begin_) return Received(nullptr);
    refuse("the peer left in the middle of a message");
  });
}

kj::Promise<GuardedStream::Received> GuardedStream::readLarge(std::size_t size,
                                                              capnp::ReaderOptions options) {
  // Untouched pages of a large allocation cost nothing: the memory in use is what has arrived.
  auto words = kj::heapArray<capnp::word>(size / kWord);
  std::size_t have = end_ - begin_;
  std::memcpy(words.begin(), buffer_.asBytes().begin() + begin_, have);
  begin_ = end_ = 0;
  std::size_t rest = size - have;
  auto read = stream_.tryRead(words.asBytes().begin() + have, rest, rest);
  return byDeadline(kj::mv(read))
      .then([this, options, rest, words = kj::mv(words)](
                std::size_t count) mutable -> kj::Promise<Received> {
        counts_.bytesIn += count;
        if (count < rest) refuse("the peer left in the middle of a message");
        if (!isMail(words.asBytes().begin())) return take(kj::mv(words), options, nullptr);
        takeMail(words, options);
        return next(options);
      });
}

kj::Promise<GuardedStream::Received> GuardedStream::nextWithFds(
    kj::ArrayPtr<kj::AutoCloseFd> fdSpace, capnp::ReaderOptions options) {
  auto& stream = kj::downcast<kj::AsyncCapabilityStream>(stream_);
  auto header = kj::heapArray<kj::byte>(headerSize(limits_.maxSegments));
  auto* at = header.begin();
  auto first = stream.tryReadWithFds(at, kWord, kWord, fdSpace.begin(), fdSpace.size());
  return first.then([this, &stream, fdSpace, options, header = kj::mv(header)](
                        kj::AsyncCapabilityStream::ReadResult got) mutable
                    -> kj::Promise<Received> {
    counts_.bytesIn += got.byteCount;
    hasLeft_ = got.byteCount == 0;
    if (hasLeft_) return Received(nullptr);
    if (got.byteCount < kWord) refuse("the peer left in the middle of a message");
    auto fds = fdSpace.slice(0, got.capCount);
    messageSize(header.slice(0, kWord));  // looks at the number of segments
    std::size_t segments = std::size_t{littleEndian(header.begin())} + 1;
    std::size_t table = headerSize(segments);
    auto* rest = header.begin() + kWord;
    auto more = table > kWord ? byDeadline(stream.tryRead(rest, table - kWord, table - kWord))
                              : kj::Promise<std::size_t>(std::size_t{0});
    return more.then([this, &stream, fds, options, table, header = kj::mv(header)](
                         std::size_t count) mutable -> kj::Promise<Received> {
      counts_.bytesIn += count;
      if (count < table - kWord) refuse("the peer left in the middle of a message");
      std::size_t size = messageSize(header.slice(0, table));
      auto words = kj::heapArray<capnp::word>(size / kWord);
      std::memcpy(words.begin(), header.begin(), table);
      auto body = stream.tryRead(words.asBytes().begin() + table, size - table, size - table);
      return byDeadline(kj::mv(body))
          .then([this, fds, options, size, table, words = kj::mv(words)](
                    std::size_t got2) mutable -> Received {
            counts_.bytesIn += got2;
            if (got2 < size - table) refuse("the peer left in the middle of a message");
            return take(kj::mv(words), options, fds);
          });
    });
  });
}

// ---- Writing.

kj::Promise<void> GuardedStream::writeMessage(kj::ArrayPtr<const int> fds, Segments segments) {
  KJ_IF_MAYBE(cause, failure_) { return kj::cp(*cause); }
  std::size_t size = sizeOf(segments);
  if (size <= kCopied && fds.size() == 0) {
    append(segments, size, 0);
    return kj::READY_NOW;
  }
  KJ_REQUIRE(fds.size() == 0 || limits_.fds, "descriptors over a connection that carries none");
  auto pair = kj::newPromiseAndFulfiller<void>();
  Large& message = appendLarge(segments, 0);
  message.fds = fds;
  message.written = kj::mv(pair.fulfiller);
  return kj::mv(pair.promise);
}

void GuardedStream::carry(Segments segments, kj::Own<capnp::MessageBuilder> owner) {
  if (failure_ != nullptr) return;
  std::size_t size = sizeOf(segments);
  if (size <= kCopied || owner.get() == nullptr) return append(segments, size, kMail);
  appendLarge(segments, kMail).owner = kj::mv(owner);
}

void GuardedStream::append(Segments segments, std::size_t size, std::uint32_t mark) {
  ++counts_.messagesOut;
  unsent_ += size;
  if (outgoing_.empty() || outgoing_.back().large.get() != nullptr) outgoing_.emplace_back();
  kj::Vector<kj::byte>& together = outgoing_.back().small;
  std::size_t at = together.size();
  together.resize(at + size);
  kj::byte* to = together.begin() + at;
  writeHeader(to, segments, mark);
  to += headerSize(segments.size());
  for (auto& segment : segments) {
    std::memcpy(to, segment.begin(), segment.size() * kWord);
    to += segment.size() * kWord;
  }
  if (isFlushing_) armWatch();
  startFlush();
}

GuardedStream::Large& GuardedStream::appendLarge(Segments segments, std::uint32_t mark) {
  ++counts_.messagesOut;
  auto message = kj::heap<Large>();
  message->size = sizeOf(segments);
  unsent_ += message->size;
  message->header = kj::heapArray<kj::byte>(headerSize(segments.size()));
  writeHeader(message->header.begin(), segments, mark);
  message->parts.add(message->header);
  for (auto& segment : segments) {
    auto bytes = segment.asBytes();
    for (std::size_t at = 0; at < bytes.size(); at += kPart) {
      message->parts.add(bytes.slice(at, std::min(at + kPart, bytes.size())));
    }
  }
  Large& appended = *message;
  outgoing_.emplace_back().large = kj::mv(message);
  armWatch();
  startFlush();
  return appended;
}

void GuardedStream::wrote(std::size_t size) {
  unsent_ -= size;
  progress_ += size;
  counts_.bytesOut += size;
}

kj::Promise<void> GuardedStream::writeLarge(Large& message) {
  if (message.fds.size() > 0) {
    auto& stream = kj::downcast<kj::AsyncCapabilityStream>(stream_);
    auto more = message.parts.asPtr().slice(1, message.parts.size());
    return stream.writeWithFds(message.header, more, message.fds).then([this, &message]() {
      wrote(message.size);
    });
  }
  if (message.next == message.parts.size()) return kj::READY_NOW;
  std::size_t from = message.next, size = 0;
  while (message.next < message.parts.size() && size < kPart) {
    size += message.parts[message.next++].size();
  }
  return stream_.write(message.parts.asPtr().slice(from, message.next))
      .then([this, size, &message]() {
        wrote(size);
        return writeLarge(message);
      });
}

kj::Promise<void> GuardedStream::writeMessages(
    kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) {
  if (messages.size() == 0) return kj::READY_NOW;
  return writeMessage(nullptr, messages[0]).then([this, messages]() mutable {
    return writeMessages(messages.slice(1, messages.size()));
  });
}

void GuardedStream::startFlush() {
  if (isFlushing_) return;
  isFlushing_ = true;
  flush_ = kj::evalLast([this]() { return flushLoop(); })
               .eagerlyEvaluate([this](kj::Exception&& cause) { fail(kj::mv(cause)); });
}

kj::Promise<void> GuardedStream::flushLoop() {
  if (outgoing_.empty()) {
    isFlushing_ = false;
    for (auto& waiter : awaitFlush_) waiter->fulfill();
    awaitFlush_.clear();
    return kj::READY_NOW;
  }
  writing_ = kj::mv(outgoing_.front());
  outgoing_.pop_front();
  if (writing_.large.get() != nullptr) {
    return writeLarge(*writing_.large).then([this]() {
      auto done = kj::mv(writing_.large);
      if (done->written.get() != nullptr) done->written->fulfill();
      return flushLoop();
    });
  }
  return stream_.write(writing_.small.begin(), writing_.small.size()).then([this]() {
    wrote(writing_.small.size());
    return flushLoop();
  });
}

kj::Promise<void> GuardedStream::flushed() {
  KJ_IF_MAYBE(cause, failure_) { return kj::cp(*cause); }
  if (!isFlushing_) return kj::READY_NOW;
  auto pair = kj::newPromiseAndFulfiller<void>();
  awaitFlush_.add(kj::mv(pair.fulfiller));
  return kj::mv(pair.promise);
}

kj::Promise<void> GuardedStream::end() {
  return flushed()
      .exclusiveJoin(timer_.afterDelay(limits_.unsentGrace))
      .then([this]() { stream_.shutdownWrite(); });
}

void GuardedStream::armWatch() {
  if (isWatching_) return;
  isWatching_ = true;
  watchedProgress_ = progress_;
  stalled_ = 0 * kj::SECONDS;
  watch_ = watchLoop().eagerlyEvaluate([this](kj::Exception&& cause) { fail(kj::mv(cause)); });
}

kj::Promise<void> GuardedStream::watchLoop() {
  kj::Duration step = limits_.unsentGrace / 4;
  return timer_.afterDelay(step).then([this, step]() -> kj::Promise<void> {
    std::uint64_t waits = unsent();
    if (waits == 0) {
      isWatching_ = false;
      return kj::READY_NOW;
    }
    bool moved = progress_ != watchedProgress_;
    watchedProgress_ = progress_;
    stalled_ = moved ? 0 * kj::SECONDS : stalled_ + step;
    bool ends = waits > limits_.maxUnsent * kHardFactor ||
                (waits > limits_.maxUnsent && stalled_ >= limits_.unsentGrace);
    if (ends) refuse("the peer does not read: " + std::to_string(waits) + " bytes wait for it");
    return watchLoop();
  });
}

}  // namespace alnilam::rpc
