#include "transport/rpc/mail.h"

#include "transport/rpc/common_codec.h"

#include <capnp/serialize.h>

#include <cstring>
#include <string>

namespace alnilam::rpc {

Mailbox::Mailbox() : scratch_(kj::heapArray<capnp::word>(kScratchWords)) {
  std::memset(scratch_.begin(), 0, scratch_.asBytes().size());
}

void Mailbox::open(Recipient& recipient) {
  recipient_ = &recipient;
  while (recipient_ && !early_.empty()) {
    kj::Array<capnp::word> words = kj::mv(early_.front());
    early_.pop_front();
    earlyBytes_ -= words.asBytes().size();
    capnp::FlatArrayMessageReader message(words);
    static_cast<void>(read(message.getRoot<schema::Mail>()));  // it was read once before
  }
}

void Mailbox::refuse(const Refusal& why) {
  send({64, 0}, [&](schema::Mail::Builder mail) { rpc::write(why, mail.initRefusal()); });
}

Result<bool> Mailbox::deliver(capnp::MessageReader& message) {
  schema::Mail::Reader mail;
  auto malformed = kj::runCatchingExceptions([&]() { mail = message.getRoot<schema::Mail>(); });
  if (malformed != nullptr) {
    return Refusal{RefusalCode::invalid, "the peer sent mail that is none"};
  }
  if (recipient_) return read(mail);
  if (early_.size() == kWindow || earlyBytes_ > kMaxEarly) {
    return Refusal{RefusalCode::invalid, "the peer sent mail to nobody"};
  }
  capnp::MallocMessageBuilder copy;
  auto copied = kj::runCatchingExceptions([&]() { copy.setRoot(mail); });
  if (copied != nullptr) {
    return Refusal{RefusalCode::invalid, "the peer sent mail that is none"};
  }
  early_.push_back(capnp::messageToFlatArray(copy));
  earlyBytes_ += early_.back().asBytes().size();
  return true;
}

Result<bool> Mailbox::read(schema::Mail::Reader mail) {
  if (mail.getTaken() > posted_) {
    return Refusal{RefusalCode::invalid, "the peer took over " + std::to_string(mail.getTaken()) +
                                             " batches of " + std::to_string(posted_)};
  }
  answered(mail.getTaken());
  switch (mail.which()) {
    case schema::Mail::BATCH:
      ++taken_;
      if (recipient_) recipient_->delivered(mail.getBatch());
      if (taken_ - told_ >= kTellAfter) send({8, 0}, [](schema::Mail::Builder) {});
      break;
    case schema::Mail::REFUSAL:
      if (recipient_) recipient_->returned(rpc::read(mail.getRefusal()));
      break;
    default:
      break;
  }
  return true;
}

void Mailbox::answered(std::uint64_t taken) {
  bool wasFull = isFull();
  if (taken > answered_) answered_ = taken;
  if (!wasFull || isFull()) return;
  KJ_IF_MAYBE(call, whenRoom_) { (*call)(); }
}

}  // namespace alnilam::rpc
