// The reader's side: parts are asked for, received or copied, and asked of another holder again.

#include "transport/ucx/exchange.h"
#include "transport/ucx/exchange_pull.h"
#include "transport/ucx/exchange_wire.h"

#include <kj/debug.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>

namespace alnilam::ucx {

using wire::asKj;
using wire::bytesOf;

namespace {

constexpr Bytes kSlice = 2_MiB;  // some 0.2 ms

// memcpy with stores that go around the cache: a line that is about to be overwritten whole need
// not be fetched first, and objects of this size do not stay in the cache anyway.
void streamCopy(std::byte* to, const std::byte* from, Bytes size) {
#ifdef __SSE2__
  Bytes head = std::min<Bytes>(size, -reinterpret_cast<std::uintptr_t>(to) & 15);
  std::memcpy(to, from, head);
  for (; size - head >= 64; head += 64) {
    auto* source = reinterpret_cast<const __m128i*>(from + head);
    auto* target = reinterpret_cast<__m128i*>(to + head);
    __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1);
    __m128i c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
    _mm_stream_si128(target, a);
    _mm_stream_si128(target + 1, b);
    _mm_stream_si128(target + 2, c);
    _mm_stream_si128(target + 3, d);
  }
  _mm_sfence();
  std::memcpy(to + head, from + head, size - head);
#else
  std::memcpy(to, from, size);
#endif
}

}  // namespace

ucs_status_t Exchange::onChunk(void* self, const void* header, std::size_t headerSize, void* data,
                               std::size_t size, const ucp_am_recv_param_t* param) {
  auto& exchange = *static_cast<Exchange*>(self);
  wire::Ticket ticket{};
  if (!wire::read(header, headerSize, ticket)) return UCS_OK;
  auto awaited = exchange.chunks_.find(ticket.ticket);
  if (awaited == exchange.chunks_.end()) return UCS_OK;
  if (awaited->second.state != Chunk::State::asked) return UCS_OK;
  Chunk& chunk = awaited->second;
  if (size != chunk.part.size) {
    exchange.notes_.push_back({wire::kRefused, ticket, "sent " + std::to_string(size) +
                                                           " bytes for " +
                                                           std::to_string(chunk.part.size)});
    return UCS_OK;
  }
  chunk.state = Chunk::State::receiving;
  auto place = asKj(exchange.arena_.at(
      {chunk.pull->request.offset + chunk.part.offset, chunk.part.size}));
  if ((param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) == 0) {
    std::memcpy(place.begin(), data, size);
    exchange.arrived_.emplace_back(ticket.ticket, UCS_OK);
    return UCS_OK;
  }
  chunk.peer->receive(data, place, [&exchange, id = ticket.ticket](ucs_status_t status) {
    exchange.arrived_.emplace_back(id, status);
  });
  return UCS_INPROGRESS;
}

kj::Promise<Result<PullReport>> Exchange::pull(PullRequest request) {
  if (request.holders.empty() || request.size == 0 ||
      !arena_.holds({request.offset, request.size})) {
    return Result<PullReport>(Refusal{
        RefusalCode::invalid, "object " + show(request.object) + " of " +
                                  std::to_string(request.size) + " bytes cannot be pulled to " +
                                  std::to_string(request.offset) + " from " +
                                  std::to_string(request.holders.size()) + " holders"});
  }
  // Owned, since g++ 12 warns about what KJ does with a variant in an adapter promise.
  auto answer = kj::newPromiseAndFulfiller<kj::Own<Result<PullReport>>>();
  auto pull = std::make_unique<Pull>();
  pull->request = std::move(request);
  pull->answer = kj::mv(answer.fulfiller);
  pull->begun = now();
  Pull& begun = *pull;
  pulls_.push_back(std::move(pull));
  begun.from = &reach(begun.current().address);
  watch();
  advance(begun);
  worker_.wake();
  return answer.promise.then(
      [](kj::Own<Result<PullReport>> result) { return std::move(*result); });
}

void Exchange::advance(Pull& pull) {
  while (true) {
    if (pull.done == pull.request.size) return finish(pull);
    if (pull.from == nullptr) {
      if (pull.inFlight > 0) return;  // its buffers must be quiet first
      if (pull.holder + 1 == pull.request.holders.size()) return finish(pull);
      ++pull.holder;
      pull.from = &reach(pull.current().address);
    }
    if (pull.from->peer->broken()) return;  // `part` comes back to it
    if (pull.inFlight >= config_.window) return;
    if (!pull.again.empty()) {
      Extent part = pull.again.back();
      pull.again.pop_back();
      ask(pull, part);
    } else if (pull.next < pull.request.size) {
      Bytes most = pull.from->neighbour.get() == nullptr ? config_.chunk : config_.copyChunk;
      Extent part{pull.next, std::min(most, pull.request.size - pull.next)};
      pull.next += part.size;
      ask(pull, part);
    } else {
      return;
    }
  }
}

void Exchange::ask(Pull& pull, Extent part) {
  std::uint64_t ticket = nextTicket_++;
  Peer& peer = *pull.from->peer;
  bool copy = pull.from->neighbour.get() != nullptr && part.size >= config_.copyFrom;
  wire::Want want{wire::kMagic, copy ? 1u : 0u, pull.request.object.value, pull.request.size,
                  part.offset,  part.size,      ticket};
  chunks_.emplace(ticket, Chunk{&pull, &peer, part});
  ++pull.inFlight;
  peer.lastProgress = now();
  peer.send(wire::kWant, bytesOf(want), address_, UCP_AM_SEND_FLAG_EAGER,
            [&peer](ucs_status_t status) {
              if (status != UCS_OK) peer.fail(ucs_status_string(status));
            });
}

void Exchange::arrived(std::uint64_t ticket, ucs_status_t status) {
  auto awaited = chunks_.find(ticket);
  KJ_REQUIRE(awaited != chunks_.end());
  if (status != UCS_OK) return giveUp(ticket, ucs_status_string(status));
  Chunk chunk = awaited->second;
  chunks_.erase(awaited);
  Pull& pull = *chunk.pull;
  --pull.inFlight;
  pull.done += chunk.part.size;
  chunk.peer->lastProgress = now();
  if (pull.from != nullptr) {
    if (pull.from->lane.empty()) {
      pull.from->lane = chunk.peer->lane();
      bool mapped = pull.from->neighbour.get() != nullptr;
      say_("node " + std::to_string(pull.current().node.value) + " is reached over " +
           pull.from->lane + (mapped ? ", and its object memory is mapped" : ""));
    }
    bool copied = chunk.state == Chunk::State::confirming;
    pull.lane = pull.from->lane + (copied ? "+map" : "");
  }
  advance(pull);
}

void Exchange::confirmed(const wire::Ticket& note) {
  auto awaited = chunks_.find(note.ticket);
  if (awaited == chunks_.end() || awaited->second.state != Chunk::State::confirming) return;
  arrived(note.ticket, UCS_OK);
}

void Exchange::granted(const wire::Ticket& note) {
  auto awaited = chunks_.find(note.ticket);
  if (awaited == chunks_.end() || awaited->second.state != Chunk::State::asked) return;
  Chunk& chunk = awaited->second;
  Known* from = chunk.pull->from;
  bool current = from != nullptr && from->peer.get() == chunk.peer;
  if (!current || from->neighbour.get() == nullptr ||
      !from->neighbour->arena().holds({note.offset, chunk.part.size})) {
    return giveUp(note.ticket, "granted a part that is not in its arena");
  }
  chunk.state = Chunk::State::copying;
  copying_.push_back({note, from->neighbour->arena().at({note.offset, chunk.part.size})});
}

// One slice: the rest of the process must not wait for a whole part.
void Exchange::copySome() {
  Copying& copy = copying_.front();
  auto awaited = chunks_.find(copy.note.ticket);
  if (awaited == chunks_.end()) return copying_.pop_front();  // given up meanwhile
  Chunk& chunk = awaited->second;
  Bytes slice = std::min<Bytes>(kSlice, copy.rest.size());
  Bytes done = chunk.part.size - copy.rest.size();
  auto to = arena_.at({chunk.pull->request.offset + chunk.part.offset + done, slice});
  streamCopy(to.data(), copy.rest.data(), slice);
  copy.rest = copy.rest.subspan(slice);
  chunk.peer->lastProgress = now();
  if (!copy.rest.empty()) return;
  chunk.state = Chunk::State::confirming;
  wire::Ticket note = copy.note;
  copying_.pop_front();
  Peer& peer = *chunk.peer;
  peer.send(wire::kCopied, bytesOf(note), address_, UCP_AM_SEND_FLAG_EAGER,
            [&peer](ucs_status_t status) {
              if (status != UCS_OK) peer.fail(ucs_status_string(status));
            });
}

void Exchange::giveUp(std::uint64_t ticket, const std::string& why) {
  auto awaited = chunks_.find(ticket);
  if (awaited == chunks_.end()) return;
  Pull& pull = *awaited->second.pull;
  bool current = pull.from != nullptr && pull.from->peer.get() == awaited->second.peer;
  takeBack(awaited->second);
  chunks_.erase(awaited);
  note(pull, why);
  if (current) pull.from = nullptr;
  advance(pull);
}

void Exchange::takeBack(const Chunk& chunk) {
  --chunk.pull->inFlight;
  chunk.pull->again.push_back(chunk.part);
}

void Exchange::note(Pull& pull, const std::string& why) {
  std::string reason = "node " + std::to_string(pull.current().node.value) + ": " + why;
  if (pull.reasons.find(reason) != std::string::npos) return;
  pull.reasons += (pull.reasons.empty() ? "" : "; ") + reason;
}

void Exchange::finish(Pull& pull) {
  Result<PullReport> result = Refusal{
      RefusalCode::unavailable, "object " + show(pull.request.object) +
                                    " could not be pulled: " + pull.reasons};
  if (pull.done == pull.request.size) {
    Duration took = now() - pull.begun;
    result = PullReport{pull.done, took, pull.current().node, pull.lane};
    LaneUse& use = use_[pull.current().node];
    use.node = pull.current().node;
    use.transport = pull.lane;
    ++use.pulls;
    use.bytes += pull.done;
    use.took += took;
  }
  pull.answer->fulfill(kj::heap(std::move(result)));
  pulls_.remove_if([&pull](auto& other) { return other.get() == &pull; });
}

std::vector<LaneUse> Exchange::lanes() const {
  std::vector<LaneUse> all;
  for (auto& [node, use] : use_) all.push_back(use);
  return all;
}

}  // namespace alnilam::ucx
