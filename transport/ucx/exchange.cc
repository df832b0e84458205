#include "transport/ucx/exchange.h"

#include <kj/debug.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace alnilam::ucx {
namespace {

constexpr std::uint32_t kMagic = 0x314e4c41;  // "ALN1": the version of these messages
constexpr unsigned kWant = 1, kChunk = 2, kRefused = 3;
constexpr std::size_t kLongestAddress = 64 * 1024;
constexpr std::size_t kLongestWhy = 512;

// On the wire in the byte order of the machines; a peer of another order fails the magic.
struct WantHeader {
  std::uint32_t magic;
  std::uint32_t reserved;
  std::uint64_t object, size, partOffset, partSize, ticket;
};
struct TicketHeader {
  std::uint32_t magic;
  std::uint32_t reserved;
  std::uint64_t ticket, partSize;
};
static_assert(sizeof(WantHeader) == 48 && sizeof(TicketHeader) == 24);

template <typename Header>
bool read(const void* bytes, std::size_t size, Header& header) {
  if (size != sizeof(Header)) return false;
  std::memcpy(&header, bytes, sizeof(Header));
  return header.magic == kMagic;
}

template <typename Header>
kj::ArrayPtr<const kj::byte> bytesOf(const Header& header) {
  return {reinterpret_cast<const kj::byte*>(&header), sizeof(header)};
}

kj::ArrayPtr<kj::byte> asKj(std::span<std::byte> bytes) {
  return {reinterpret_cast<kj::byte*>(bytes.data()), bytes.size()};
}

}  // namespace

struct Exchange::Pull {
  PullRequest request;
  kj::Own<kj::PromiseFulfiller<kj::Own<Result<PullReport>>>> answer;
  Instant begun;
  std::size_t holder = 0;
  Known* from = nullptr;       // the holder's; none while the next one is chosen
  Bytes next = 0;              // what lies behind it was never asked for
  std::vector<Extent> again;   // asked for in vain
  Bytes done = 0;
  std::size_t inFlight = 0;
  std::string reasons;         // why holders failed
  std::string lane;

  const PullRequest::Holder& current() const { return request.holders[holder]; }
};

Exchange::Exchange(Worker& worker, const ArenaMap& arena, kj::Timer& timer,
                   const kj::MonotonicClock& clock, Config config, Say say)
    : worker_(worker),
      arena_(arena),
      timer_(timer),
      clock_(clock),
      config_(config),
      say_(kj::mv(say)),
      address_(worker.address()),
      serving_(arena),
      tasks_(*this) {
  listen(kWant, &Exchange::onWant);
  listen(kChunk, &Exchange::onChunk);
  listen(kRefused, &Exchange::onRefused);
  worker_.run(*this);
}

Exchange::~Exchange() noexcept(false) {
  for (unsigned id : {kWant, kChunk, kRefused}) listen(id, nullptr);
  for (auto& [address, known] : peers_) leaving_.push_back(kj::mv(known.peer));
  for (auto& peer : leaving_) peer->close();
  // No event loop turns any more: let UCX end what is in flight.
  for (int look = 0; look < 100'000 && !leaving_.empty(); ++look) {
    worker_.lookOnce();
    reap();
  }
  KJ_REQUIRE(leaving_.empty(), "UCX does not end what is in flight");
}

void Exchange::listen(unsigned id, ucp_am_recv_callback_t callback) {
  ucp_am_handler_param_t param{};
  param.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS |
                     UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  param.id = id;
  param.flags = UCP_AM_FLAG_WHOLE_MSG;
  param.cb = callback;
  param.arg = this;
  auto status = ucp_worker_set_am_recv_handler(worker_.get(), &param);
  KJ_REQUIRE(status == UCS_OK, "UCX takes no message handler", ucs_status_string(status));
}

Instant Exchange::now() const {
  return Instant((clock_.now() - kj::origin<kj::TimePoint>()) / kj::NANOSECONDS);
}

void Exchange::taskFailed(kj::Exception&& e) { KJ_LOG(ERROR, "exchange", e); }

// ---- What UCX tells.  Nothing is decided inside its callbacks, except where bytes go.

ucs_status_t Exchange::onWant(void* self, const void* header, std::size_t headerSize, void* data,
                              std::size_t size, const ucp_am_recv_param_t* param) {
  auto& exchange = *static_cast<Exchange*>(self);
  WantHeader want{};
  bool whole = (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) == 0;
  if (!read(header, headerSize, want) || !whole || size == 0 || size > kLongestAddress) {
    exchange.say_("dropped a malformed request of " + std::to_string(headerSize) + "+" +
                  std::to_string(size) + " bytes");
    return UCS_OK;
  }
  exchange.wants_.push_back({ObjectId{want.object}, want.size, {want.partOffset, want.partSize},
                             want.ticket, std::string(static_cast<const char*>(data), size)});
  return UCS_OK;
}

ucs_status_t Exchange::onChunk(void* self, const void* header, std::size_t headerSize, void* data,
                               std::size_t size, const ucp_am_recv_param_t* param) {
  auto& exchange = *static_cast<Exchange*>(self);
  TicketHeader ticket{};
  if (!read(header, headerSize, ticket)) return UCS_OK;
  auto awaited = exchange.chunks_.find(ticket.ticket);
  if (awaited == exchange.chunks_.end() || awaited->second.receiving) return UCS_OK;
  Chunk& chunk = awaited->second;
  if (size != chunk.part.size) {
    exchange.refused_.emplace_back(ticket.ticket, "sent " + std::to_string(size) + " bytes for " +
                                                      std::to_string(chunk.part.size));
    return UCS_OK;
  }
  chunk.receiving = true;
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

ucs_status_t Exchange::onRefused(void* self, const void* header, std::size_t headerSize, void* data,
                                 std::size_t size, const ucp_am_recv_param_t* param) {
  auto& exchange = *static_cast<Exchange*>(self);
  TicketHeader ticket{};
  if (!read(header, headerSize, ticket)) return UCS_OK;
  if ((param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0) size = 0;
  exchange.refused_.emplace_back(
      ticket.ticket, std::string(static_cast<const char*>(data), std::min(size, kLongestWhy)));
  return UCS_OK;
}

void Exchange::progressed() {
  // Each round may cause the next: a fault frees parts, which are asked of another holder.
  while (!wants_.empty() || !faulted_.empty() || !refused_.empty() || !arrived_.empty()) {
    for (auto& [ticket, status] : std::exchange(arrived_, {})) arrived(ticket, status);
    for (auto& [ticket, why] : std::exchange(refused_, {})) giveUp(ticket, why);
    for (Peer* peer : std::exchange(faulted_, {})) part(*peer);
    for (auto& want : std::exchange(wants_, {})) serve(want);
  }
  if (!leaving_.empty()) reap();
}

// ---- Peers

Exchange::Known& Exchange::reach(const std::string& address) {
  if (auto known = peers_.find(address); known != peers_.end()) return known->second;
  if (peers_.size() >= config_.maxPeers) {
    for (auto& [other, known] : peers_) {
      if (known.peer->inFlight() == 0) known.peer->fail("was idle, and there are many");
    }
  }
  kj::ArrayPtr<const kj::byte> bytes(reinterpret_cast<const kj::byte*>(address.data()),
                                     address.size());
  Known& known = peers_[address];
  Peer::Owner& owner = *this;
  known.peer = kj::heap<Peer>(worker_, bytes, owner);
  known.peer->lastProgress = now();
  if (known.peer->broken()) faulted_.push_back(known.peer.get());
  return known;
}

void Exchange::part(Peer& peer) {
  auto known = std::find_if(peers_.begin(), peers_.end(),
                            [&peer](auto& entry) { return entry.second.peer.get() == &peer; });
  if (known == peers_.end()) return;
  say_("a peer" + (known->second.lane.empty() ? "" : " over " + known->second.lane) +
       " is gone: " + peer.why());

  // What is being received ends by `close`, with an error; what was only asked for ends here.
  for (auto entry = chunks_.begin(); entry != chunks_.end();) {
    Chunk& chunk = entry->second;
    bool lost = chunk.peer == &peer && !chunk.receiving;
    if (lost) takeBack(chunk);
    entry = lost ? chunks_.erase(entry) : std::next(entry);
  }
  std::vector<Pull*> orphans;
  for (auto& pull : pulls_) {
    if (pull->from == &known->second) {
      note(*pull, peer.why());
      pull->from = nullptr;
    }
    if (pull->from == nullptr) orphans.push_back(pull.get());
  }
  leaving_.push_back(kj::mv(known->second.peer));
  peers_.erase(known);
  peer.close();
  for (Pull* pull : orphans) advance(*pull);
}

void Exchange::reap() {
  leaving_.remove_if([](kj::Own<Peer>& peer) { return peer->quiet(); });
}

// ---- The holder's side

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
  auto bytes = asKj(arena_.at({held->place().offset + part.offset, part.size}));
  TicketHeader answer{kMagic, 0, want.ticket, part.size};
  ++peer.serving;
  peer.lastProgress = now();
  watch();
  bool large = part.size >= config_.rendezvousFrom;
  unsigned flags = large ? UCP_AM_SEND_FLAG_RNDV : UCP_AM_SEND_FLAG_EAGER;
  peer.send(kChunk, bytesOf(answer), bytes, flags,
            [this, &peer, held = kj::mv(held)](ucs_status_t) {
              --peer.serving;
              peer.lastProgress = now();
            });
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
  TicketHeader answer{kMagic, 0, ticket, 0};
  auto text = kj::heapArray<kj::byte>(reinterpret_cast<const kj::byte*>(why.why.data()),
                                      std::min(why.why.size(), kLongestWhy));
  auto body = text.asPtr();
  peer.send(kRefused, bytesOf(answer), body, UCP_AM_SEND_FLAG_EAGER,
            [text = kj::mv(text)](ucs_status_t) {});
}

// ---- The reader's side

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
      Extent part{pull.next, std::min(config_.chunk, pull.request.size - pull.next)};
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
  WantHeader want{kMagic,      0,         pull.request.object.value, pull.request.size,
                  part.offset, part.size, ticket};
  chunks_.emplace(ticket, Chunk{&pull, &peer, part});
  ++pull.inFlight;
  peer.lastProgress = now();
  peer.send(kWant, bytesOf(want), address_, UCP_AM_SEND_FLAG_EAGER, [&peer](ucs_status_t status) {
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
      say_("node " + std::to_string(pull.current().node.value) + " is reached over " +
           pull.from->lane);
    }
    pull.lane = pull.from->lane;
  }
  advance(pull);
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

// ---- Silence

void Exchange::watch() {
  if (watching_) return;
  watching_ = true;
  auto pause = config_.stallAfter.count() / 4 * kj::NANOSECONDS;
  tasks_.add(timer_.afterDelay(pause).then([this]() {
    watching_ = false;
    lookForStalls();
  }));
}

void Exchange::lookForStalls() {
  bool busy = false;
  for (auto& [address, known] : peers_) {
    Peer& peer = *known.peer;
    bool asked = peer.serving > 0;
    for (auto& [ticket, chunk] : chunks_) asked = asked || chunk.peer == &peer;
    if (!asked) continue;
    busy = true;
    if (now() - peer.lastProgress > config_.stallAfter) {
      peer.fail("no progress for " +
                std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(
                                   config_.stallAfter).count()) + " ms");
    }
  }
  worker_.wake();
  if (busy) watch();
}

}  // namespace alnilam::ucx
