#pragma once
// One-way batches on a connection, beside its calls.
//
// A Cap'n Proto call is three messages: call, return, finish, each some fifteen thousand
// instructions of promises and tables in KJ.  The batches that carry tasks and results need nothing
// of what a call offers: both ends are the same two objects for the whole life of a connection, and
// all that has to be answered is how far the other one has come.  So a batch is a mail
// (schema/mail.capnp): one message, built in place, written with whatever else goes out in this
// turn of the loop, and read where it lies in the stream's buffer.
//
// What a receiver has taken over it tells with the next mail it sends, or by itself once
// kTellAfter wait to be told; no timer is needed, since kTellAfter < kWindow.
//
// A Mailbox exists before its connection and may outlive it (an object that serves the peer may be
// held by a call that is not over); then what is posted goes nowhere.  Mails that come before the
// box is `open` wait, at most kWindow of them and kMaxEarly bytes.
//
// Measured by tests/bench/bench_tasks_cluster: a task's round trip through head, node and executor
// cost the head 184,000 instructions with calls, whose answers already travelled with the next
// call; see ARCHITECTURE.md for what it costs now.
//
// Threading: one event loop.
// Errors: `deliver` refuses what is no mail; a kj::Exception of the recipient ends the connection.

#include "core/base/error.h"
#include "schema/mail.capnp.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>
#include <kj/function.h>
#include <kj/refcount.h>

#include <cstdint>
#include <deque>

namespace alnilam::rpc {

// Who reads a box.
class Recipient {
 public:
  // A batch of the type that follows from the conversation; copied out before this returns.
  virtual void delivered(capnp::AnyPointer::Reader batch) = 0;
  // The peer refused a batch of ours.
  virtual void returned(const Refusal& why) = 0;
};

class Mailbox final : public kj::Refcounted {
 public:
  // Takes a whole message and writes it soon, in order.
  class Carrier {
   public:
    virtual void carry(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments,
                       kj::Own<capnp::MessageBuilder> owner) = 0;
  };

  Mailbox();
  KJ_DISALLOW_COPY(Mailbox);

  // From now on mail is the recipient's, which must call `close` before it goes.
  void open(Recipient& recipient);
  void close(Recipient& recipient) {
    if (recipient_ == &recipient) recipient_ = nullptr;
  }

  // Sends a batch: `build` writes it into the schema::Mail's batch.
  template <typename Build>
  void post(capnp::MessageSize size, Build&& build) {
    ++posted_;
    send(size, [&](schema::Mail::Builder mail) { build(mail.initBatch()); });
  }
  // Answers the batch that is being delivered.
  void refuse(const Refusal& why);

  // Whether the peer has more to take over than it should; a hint, `post` works all the same.
  bool isFull() const { return posted_ - answered_ >= kWindow; }
  // Called when the box is full no more; empty: nobody waits for that.
  void whenRoom(kj::Maybe<kj::Function<void()>> call) { whenRoom_ = kj::mv(call); }

  // For the stream.
  void attach(Carrier& carrier) { carrier_ = &carrier; }
  void detach() { carrier_ = nullptr; }
  // Reads one mail; refuses (invalid) what is none.
  Result<bool> deliver(capnp::MessageReader& message);

  static constexpr std::uint64_t kWindow = 16;
  static constexpr std::uint64_t kTellAfter = 4;
  static constexpr std::size_t kMaxEarly = 64 << 20;  // bytes

 private:
  static constexpr std::size_t kScratchWords = 1024;

  template <typename Fill>
  void send(capnp::MessageSize size, Fill&& fill) {
    if (!carrier_) return;
    if (size.wordCount + 16 <= kScratchWords && !inScratch_) {
      inScratch_ = true;
      {
        capnp::MallocMessageBuilder message(scratch_.asPtr());
        write(message, fill);
        carrier_->carry(message.getSegmentsForOutput(), {});
      }
      inScratch_ = false;
      return;
    }
    auto message =
        kj::heap<capnp::MallocMessageBuilder>(static_cast<unsigned>(size.wordCount + 16));
    write(*message, fill);
    auto segments = message->getSegmentsForOutput();
    carrier_->carry(segments, kj::mv(message));
  }
  template <typename Fill>
  void write(capnp::MessageBuilder& message, Fill&& fill) {
    auto mail = message.initRoot<schema::Mail>();
    fill(mail);
    mail.setTaken(taken_);
    told_ = taken_;
  }
  Result<bool> read(schema::Mail::Reader mail);
  void answered(std::uint64_t taken);

  Carrier* carrier_ = nullptr;
  Recipient* recipient_ = nullptr;
  kj::Maybe<kj::Function<void()>> whenRoom_;
  std::deque<kj::Array<capnp::word>> early_;  // mails, flat, that came before there was a recipient
  std::size_t earlyBytes_ = 0;
  std::uint64_t posted_ = 0, answered_ = 0;  // ours
  std::uint64_t taken_ = 0, told_ = 0;       // the peer's
  kj::Array<capnp::word> scratch_;  // kept zeroed
  bool inScratch_ = false;
};

}  // namespace alnilam::rpc
