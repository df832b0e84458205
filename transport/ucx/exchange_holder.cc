// The holder's side: parts are looked up, sent or granted, and held until they have been read.

#include "transport/ucx/exchange.h"
#include "transport/ucx/exchange_pull.h"
#include "transport/ucx/exchange_wire.h"

#include <kj/debug.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace alnilam::ucx {

using wire::asKj;
using wire::bytesOf;

ucs_status_t Exchange::onWant(void* self, const void* header, std::size_t headerSize, void* data,
                              std::size_t size, const ucp_am_recv_param_t* param) {
  auto& exchange = *static_cast<Exchange*>(self);
  wire::Want want{};
  bool whole = (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) == 0;
  if (!wire::read(header, headerSize, want) || !whole || size == 0 ||
      size > wire::kLongestAddress) {
    exchange.say_("dropped a malformed request of " + std::to_string(headerSize) + "+" +
                  std::to_string(size) + " bytes");
    return UCS_OK;
  }
  exchange.wants_.push_back({ObjectId{want.object}, want.size, {want.partOffset, want.partSize},
                             want.ticket, want.mayCopy == 1,
                             std::string(static_cast<const char*>(data), size)});
  return UCS_OK;
}

void Exchange::serve(Want& want) {
  Peer& peer = *reach(want.reader).peer;
  if (peer.broken()) return;
  Extent part = want.part;
  auto hold = serving_.hold(want.object, want.size, part);
  if (!hold) {
    if (hold.error().code == RefusalCode::unknown && wait(want)) return;
    return refuse(peer, want.ticket, hold.error());
  }
  if (peer.serving >= config_.maxServing) {
    return refuse(peer, want.ticket, {RefusalCode::overloaded, "asked for too many parts at once"});
  }

  auto held = std::move(hold).value();
  if (want.mayCopy) return grant(peer, want, kj::mv(held));
  auto bytes = asKj(arena_.at({held->place().offset + part.offset, part.size}));
  wire::Ticket answer{wire::kMagic, 0, want.ticket, part.size, 0, 0};
  ++peer.serving;
  peer.lastProgress = now();
  watch();
  bool large = part.size >= config_.rendezvousFrom;
  unsigned flags = large ? UCP_AM_SEND_FLAG_RNDV : UCP_AM_SEND_FLAG_EAGER;
  peer.send(wire::kChunk, bytesOf(answer), bytes, flags,
            [this, &peer, held = kj::mv(held)](ucs_status_t) {
              --peer.serving;
              peer.lastProgress = now();
            });
}

void Exchange::grant(Peer& peer, const Want& want, kj::Own<Serving::Hold> held) {
  wire::Ticket answer{wire::kMagic,   0,          want.ticket, want.part.size,
                      nextGrant_, held->place().offset + want.part.offset};
  grants_.emplace(nextGrant_++, Grant{&peer, kj::mv(held)});
  ++peer.serving;
  peer.lastProgress = now();
  watch();
  peer.send(wire::kGrant, bytesOf(answer), nullptr, UCP_AM_SEND_FLAG_EAGER, [](ucs_status_t) {});
}

void Exchange::copied(const wire::Ticket& note, const std::string& reader) {
  Peer& peer = *reach(reader).peer;
  if (peer.broken()) return;
  auto held = grants_.find(note.grant);
  if (held == grants_.end() || held->second.peer != &peer) {
    return refuse(peer, note.ticket, {RefusalCode::unknown, "what was copied was no longer held"});
  }
  grants_.erase(held);
  --peer.serving;
  peer.lastProgress = now();
  wire::Ticket answer{wire::kMagic, 0, note.ticket, 0, note.grant, 0};
  peer.send(wire::kConfirmed, bytesOf(answer), nullptr, UCP_AM_SEND_FLAG_EAGER,
            [](ucs_status_t) {});
}

Result<Extent> Exchange::publish(ObjectId object, Extent place) {
  auto published = serving_.publish(object, place);
  if (!published) return published;
  auto [first, last] = early_.equal_range(object);
  if (first == last) return published;
  std::vector<Want> waiting;
  for (auto entry = first; entry != last; ++entry) {
    waiting.push_back(std::move(entry->second.second));
  }
  early_.erase(first, last);
  for (Want& want : waiting) serve(want);
  worker_.wake();
  return published;
}

bool Exchange::wait(Want& want) {
  if (config_.patience.count() == 0 || early_.size() >= config_.maxEarly) return false;
  if (want.waited) return false;
  want.waited = true;
  ObjectId object = want.object;
  early_.emplace(object, std::pair(now() + config_.patience, std::move(want)));
  if (!refusingLate_) refuseLate();
  return true;
}

void Exchange::refuseLate() {
  std::vector<Want> late;
  for (auto entry = early_.begin(); entry != early_.end();) {
    bool over = entry->second.first <= now();
    if (over) late.push_back(std::move(entry->second.second));
    entry = over ? early_.erase(entry) : std::next(entry);
  }
  for (Want& want : late) serve(want);
  if (!late.empty()) worker_.wake();
  refusingLate_ = !early_.empty();
  if (!refusingLate_) return;
  tasks_.add(timer_.afterDelay(config_.patience.count() / 4 * kj::NANOSECONDS).then([this]() {
    refuseLate();
  }));
}

void Exchange::refuse(Peer& peer, std::uint64_t ticket, const Refusal& why) {
  wire::Ticket answer{wire::kMagic, 0, ticket, 0, 0, 0};
  auto text = kj::heapArray<kj::byte>(reinterpret_cast<const kj::byte*>(why.why.data()),
                                      std::min(why.why.size(), wire::kLongestWhy));
  auto body = text.asPtr();
  peer.send(wire::kRefused, bytesOf(answer), body, UCP_AM_SEND_FLAG_EAGER,
            [text = kj::mv(text)](ucs_status_t) {});
}

}  // namespace alnilam::ucx
