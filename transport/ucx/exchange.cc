#include "transport/ucx/exchange.h"

#include "transport/ucx/exchange_pull.h"
#include "transport/ucx/exchange_wire.h"

#include <kj/debug.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace alnilam::ucx {

// What is not a want and not a chunk is noted down and acted upon outside of UCX.
template <wire::Message message>
ucs_status_t Exchange::onNote(void* self, const void* header, std::size_t headerSize, void* data,
                              std::size_t size, const ucp_am_recv_param_t* param) {
  wire::Ticket ticket{};
  if (!wire::read(header, headerSize, ticket)) return UCS_OK;
  if ((param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0) return UCS_OK;
  std::size_t most = message == wire::kRefused ? wire::kLongestWhy : wire::kLongestAddress;
  std::string body(static_cast<const char*>(data), std::min(size, most));
  static_cast<Exchange*>(self)->notes_.push_back({message, ticket, std::move(body)});
  return UCS_OK;
}

Exchange::Exchange(Worker& worker, const ArenaMap& arena, kj::Timer& timer,
                   const kj::MonotonicClock& clock, Config config, Say say)
    : worker_(worker),
      arena_(arena),
      timer_(timer),
      clock_(clock),
      config_(config),
      say_(kj::mv(say)),
      serving_(arena),
      tasks_(*this) {
  auto ucx = worker.address();
  MoverAddress mine{Whereabouts::here(config_.arenaFd, arena_.size()),
                    std::string(ucx.asChars().begin(), ucx.size())};
  encoded_ = mine.encode();
  address_ = {reinterpret_cast<const kj::byte*>(encoded_.data()), encoded_.size()};
  listen(wire::kWant, &Exchange::onWant);
  listen(wire::kChunk, &Exchange::onChunk);
  listen(wire::kRefused, &Exchange::onNote<wire::kRefused>);
  listen(wire::kGrant, &Exchange::onNote<wire::kGrant>);
  listen(wire::kCopied, &Exchange::onNote<wire::kCopied>);
  listen(wire::kConfirmed, &Exchange::onNote<wire::kConfirmed>);
  worker_.run(*this);
}

Exchange::~Exchange() noexcept(false) {
  for (auto id : {wire::kWant, wire::kChunk, wire::kRefused, wire::kGrant, wire::kCopied,
                  wire::kConfirmed}) {
    listen(id, nullptr);
  }
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

bool Exchange::progressed() {
  // Each round may cause the next: a fault frees parts, which are asked of another holder.
  while (!wants_.empty() || !faulted_.empty() || !notes_.empty() || !arrived_.empty()) {
    for (auto& [ticket, status] : std::exchange(arrived_, {})) arrived(ticket, status);
    for (auto& note : std::exchange(notes_, {})) act(note);
    for (Peer* peer : std::exchange(faulted_, {})) part(*peer);
    for (auto& want : std::exchange(wants_, {})) serve(want);
  }
  if (!leaving_.empty()) reap();
  if (!copying_.empty()) copySome();
  return !copying_.empty();
}

void Exchange::act(const Note& note) {
  switch (note.message) {
    case wire::kGrant: return granted(note.ticket);
    case wire::kCopied: return copied(note.ticket, note.body);
    case wire::kConfirmed: return confirmed(note.ticket);
    default: return giveUp(note.ticket.ticket, note.body);
  }
}

// ---- Peers

Exchange::Known& Exchange::reach(const std::string& address) {
  if (auto known = peers_.find(address); known != peers_.end()) return known->second;
  if (peers_.size() >= config_.maxPeers) {
    for (auto& [other, known] : peers_) {
      if (known.peer->inFlight() == 0) known.peer->fail("was idle, and there are many");
    }
  }
  auto found = MoverAddress::decode(address);
  std::string ucx = found ? found->ucx : "";
  Known& known = peers_[address];
  Peer::Owner& owner = *this;
  known.peer = kj::heap<Peer>(
      worker_, kj::StringPtr(ucx.c_str(), ucx.size()).asBytes(), owner);
  Peer& peer = *known.peer;
  peer.lastProgress = now();
  if (peer.broken()) {
    faulted_.push_back(&peer);
    worker_.wake();
  } else if (config_.arenaFd >= 0) {
    known.neighbour = Neighbour::meet(found->whereabouts, worker_.port());
  }
  if (known.neighbour.get() != nullptr) {
    known.watch = known.neighbour->onEnd().then([this, &peer]() {
      peer.fail("its process ended");
      worker_.wake();
    }).eagerlyEvaluate([](kj::Exception&& e) { KJ_LOG(ERROR, "watching a neighbour", e); });
  }
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
    bool lost = chunk.peer == &peer && chunk.state != Chunk::State::receiving;
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
  for (auto grant = grants_.begin(); grant != grants_.end();) {
    bool its = grant->second.peer == &peer;
    if (its) --peer.serving;
    grant = its ? grants_.erase(grant) : std::next(grant);
  }
  leaving_.push_back(kj::mv(known->second.peer));
  // Its arena stays mapped until what is copied from there has been looked at again.
  copying_.remove_if([this](Copying& copy) { return !chunks_.contains(copy.note.ticket); });
  peers_.erase(known);
  peer.close();
  suspect();
  for (Pull* pull : orphans) advance(*pull);
}

// Wedged means: there is something in the queue, so that UCX will not wait for events, and yet
// nothing comes out of it, however often it looks.  A live peer whose own queue is full looks the
// same for as long as it does not run, hence twice in a row.
void Exchange::suspect(int seen) {
  constexpr std::uint64_t kMany = 1000, kLooksAnEvent = 100;
  constexpr auto kPause = 100 * kj::MILLISECONDS;
  auto before = worker_.count();
  tasks_.add(timer_.afterDelay(kPause).then([this, before, seen]() {
    auto after = worker_.count();
    std::uint64_t looks = after.looks - before.looks, events = after.events - before.events;
    bool stuck = looks > kMany && events * kLooksAnEvent < looks && after.arms == before.arms;
    if (stuck && seen > 0) return wedged_.fulfiller->fulfill();
    if (stuck) suspect(seen + 1);
  }));
}

void Exchange::reap() {
  leaving_.remove_if([](kj::Own<Peer>& peer) { return peer->quiet(); });
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
