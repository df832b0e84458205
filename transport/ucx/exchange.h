#pragma once
// Objects from a holder's arena into a reader's arena, by UCX.
//
// The reader asks for an object part by part; the holder looks each part up in what its node has
// published (Serving) and sends the bytes from where they lie; they arrive where they belong.
//
//   reader                                             holder
//     want {object, size, part, ticket, my address} -->
//                                 <-- chunk {ticket} + bytes (rendezvous), or
//                                 <-- refused {ticket, why}
//
// or, between neighbours (neighbour.h), where the reader has mapped the holder's arena:
//
//                                 <-- grant {ticket, where it lies}: held from now on
//     copied {ticket} ------------>
//                                 <-- confirmed {ticket}: it was held all the time
//
// The last message is what makes the copy safe: a holder gives up on a reader that is silent, and
// what that reader then copies may be the next object's bytes.
//
// A ticket is one part of one pull; the reader alone knows where its bytes go and how many they
// are. A chunk for a ticket it does not wait for is dropped.  `window` parts are asked for at a
// time, so a slow reader is never sent more than that and the holder's next part is always under
// way.
//
// Why active messages and not tagged receives: a posted receive whose sender died must be
// cancelled, and one that has matched cannot be; an announced message is received only when it is
// there, and the same rendezvous moves it.  Why not get and put: over tcp they ran 4 to 100 times
// slower.
//
// A reader may learn of an object sooner than the holder's mover, whose news travel on another way:
// a part of an object that is not published waits `patience` before it is refused.
//
// When a holder fails, by a refusal, a fault or silence for `stallAfter`, the parts that are still
// missing are asked of the next holder; what has arrived is kept.  The answer comes only when no
// operation can write to the destination any more.
//
// One fault cannot be survived here.  All senders write to a shared-memory queue of the receiver's,
// in turn; one that is killed (or stopped) in the middle of a message leaves a slot that is never
// finished, and nothing behind it is ever seen, whoever sent it.  Large objects are copied and not
// sent between neighbours, so this is rare; `suspect` looks for it whenever a neighbour is gone,
// and `whenWedged` tells that this worker is of no use any more: its process must be started anew.
//
// Measured by tests/bench/bench_pull, 256 MiB between two processes on two cores, which were busy
// with twelve other processes at the time: sent over posix 0.1 to 0.2 GB/s, copied by the neighbour
// 4 to 6 GB/s; ucx_perftest at the same time 0.4 to 0.5 by messages and 5 to 6 by get.  What moved
// it was needing one process instead of two at a time.  What did not: parts of 8 or of 64 MiB.
// Larger segments of the posix queue (UCX_POSIX_SEG_SIZE from 64 KiB on) end UCX 1.13.1 in an
// assertion.
//
// Threading: one event loop.  Lifetime: everything passed in must outlive the exchange.
// Errors: a pull that failed is a Refusal (unavailable) that names each holder's reason.

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/units.h"
#include "transport/memory/arena.h"
#include "transport/ucx/exchange_wire.h"
#include "transport/ucx/neighbour.h"
#include "transport/ucx/peer.h"
#include "transport/ucx/serving.h"
#include "transport/ucx/worker.h"

#include <kj/async.h>
#include <kj/function.h>
#include <kj/time.h>
#include <kj/timer.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace alnilam::ucx {

struct PullRequest {
  struct Holder {
    NodeId node;          // for texts and figures
    std::string address;  // its worker's
  };
  ObjectId object;
  Bytes size = 0;
  Bytes offset = 0;  // in the arena
  std::vector<Holder> holders;
};

struct PullReport {
  Bytes bytes = 0;
  Duration took{};
  NodeId from;       // the holder of the last part
  std::string lane;  // "posix", "tcp/eth1"
};

struct LaneUse {
  NodeId node;
  std::string transport;
  std::uint64_t pulls = 0;
  Bytes bytes = 0;
  Duration took{};
};

class Exchange final : private Worker::Listener,
                       private Peer::Owner,
                       private kj::TaskSet::ErrorHandler {
 public:
  struct Config {
    int arenaFd = -1;                  // of the arena, for neighbours to map; -1: they must not
    Bytes chunk = 8_MiB;               // most bytes in a part that is sent
    Bytes copyChunk = 64_MiB;          // most bytes in a part that a neighbour copies
    Bytes copyFrom = 256_KiB;          // smaller parts are sent to neighbours too
    std::size_t window = 4;            // parts of a pull that are asked for at a time
    Bytes rendezvousFrom = 16_KiB;     // smaller parts are copied through UCX's own buffers
    Duration stallAfter = std::chrono::seconds(10);
    Duration patience = std::chrono::milliseconds(100);  // with what is not published yet
    std::size_t maxEarly = 4096;       // parts that wait for that; more are refused
    std::size_t maxServing = 256;      // parts on their way to one reader; more are refused
    std::size_t maxPeers = 4096;       // above it, the peers that are idle are closed
  };
  // A line for the log.
  using Say = kj::Function<void(const std::string&)>;

  Exchange(Worker& worker, const ArenaMap& arena, kj::Timer& timer,
           const kj::MonotonicClock& clock, Config config, Say say);
  ~Exchange() noexcept(false);

  // Comes true when nothing will ever arrive here any more; once.
  kj::Promise<void> whenWedged() { return kj::mv(wedged_.promise); }

  // What other movers know this one by, for this life of the process.
  const std::string& address() const { return encoded_; }

  // See Serving.
  Result<Extent> publish(ObjectId object, Extent place);
  kj::Promise<void> withdraw(const std::vector<ObjectId>& objects) {
    return serving_.withdraw(objects);
  }

  // Moves an object into [offset, offset + size) of the arena.  Refuses (invalid) a request without
  // holders, without bytes or with a destination outside the arena.
  kj::Promise<Result<PullReport>> pull(PullRequest request);

  // What pulls used so far, by holder, in the order of node ids.
  std::vector<LaneUse> lanes() const;

 private:
  struct Pull;
  struct Chunk {
    Pull* pull;
    Peer* peer;
    Extent part;  // of the object
    enum class State { asked, receiving, copying, confirming } state = State::asked;
  };
  struct Copying {
    wire::Ticket note;
    std::span<const std::byte> rest;  // of the part, in the holder's arena
  };
  struct Grant {  // a part that a reader copies
    Peer* peer;
    kj::Own<Serving::Hold> held;
  };
  struct Note {
    wire::Message message;
    wire::Ticket ticket;
    std::string body;
  };
  struct Want {  // a part, as a reader asked for it
    ObjectId object;
    Bytes size = 0;
    Extent part;
    std::uint64_t ticket = 0;
    bool mayCopy = false;
    std::string reader;  // its address
    bool waited = false;
  };
  struct Known {
    kj::Own<Peer> peer;
    std::string lane;              // empty until the first part has come
    kj::Own<Neighbour> neighbour;  // null unless it is one
    kj::Promise<void> watch = nullptr;
  };

  // Worker::Listener, Peer::Owner, TaskSet::ErrorHandler
  bool progressed() override;
  bool active() const override { return !chunks_.empty(); }
  void faulted(Peer& peer) override { faulted_.push_back(&peer); }
  void taskFailed(kj::Exception&& e) override;

  // Active messages; called inside UCX.
  static ucs_status_t onWant(void* self, const void* header, std::size_t headerSize, void* data,
                             std::size_t size, const ucp_am_recv_param_t* param);
  static ucs_status_t onChunk(void* self, const void* header, std::size_t headerSize, void* data,
                              std::size_t size, const ucp_am_recv_param_t* param);
  template <wire::Message message>
  static ucs_status_t onNote(void* self, const void* header, std::size_t headerSize, void* data,
                                std::size_t size, const ucp_am_recv_param_t* param);
  void listen(unsigned id, ucp_am_recv_callback_t callback);

  void act(const Note& note);
  Known& reach(const std::string& address);
  void serve(Want& want);
  void grant(Peer& peer, const Want& want, kj::Own<Serving::Hold> held);
  void copied(const wire::Ticket& note, const std::string& reader);
  bool wait(Want& want);  // whether it may wait for its object
  void refuseLate();
  void refuse(Peer& peer, std::uint64_t ticket, const Refusal& why);
  void ask(Pull& pull, Extent part);
  void advance(Pull& pull);
  void granted(const wire::Ticket& note);
  void copySome();
  void confirmed(const wire::Ticket& note);
  void arrived(std::uint64_t ticket, ucs_status_t status);
  void giveUp(std::uint64_t ticket, const std::string& why);
  void takeBack(const Chunk& chunk);
  void note(Pull& pull, const std::string& why);
  void finish(Pull& pull);
  void part(Peer& peer);  // goes separate ways with a peer that has faulted
  void reap();
  void suspect(int seen = 0);  // that a peer which is gone has wedged the queue
  void watch();
  void lookForStalls();
  Instant now() const;

  Worker& worker_;
  const ArenaMap& arena_;
  kj::Timer& timer_;
  const kj::MonotonicClock& clock_;
  Config config_;
  Say say_;
  std::string encoded_;
  kj::ArrayPtr<const kj::byte> address_;  // encoded_, as UCX takes it
  Serving serving_;

  std::map<std::string, Known> peers_;     // by address
  std::list<kj::Own<Peer>> leaving_;       // faulted, not yet quiet
  std::list<std::unique_ptr<Pull>> pulls_;
  std::map<std::uint64_t, Chunk> chunks_;  // by ticket
  std::uint64_t nextTicket_ = 1;
  std::list<Copying> copying_;
  std::map<std::uint64_t, Grant> grants_;
  std::uint64_t nextGrant_ = 1;
  std::map<NodeId, LaneUse> use_;

  std::multimap<ObjectId, std::pair<Instant, Want>> early_;  // until when they may wait
  bool refusingLate_ = false;

  // Noted inside UCX, acted upon in `progressed`.
  std::vector<Want> wants_;
  std::vector<Peer*> faulted_;
  std::vector<Note> notes_;
  std::vector<std::pair<std::uint64_t, ucs_status_t>> arrived_;

  bool watching_ = false;
  kj::PromiseFulfillerPair<void> wedged_ = kj::newPromiseAndFulfiller<void>();
  kj::TaskSet tasks_;
};

}  // namespace alnilam::ucx
