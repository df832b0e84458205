#pragma once
// A UCX worker on a KJ event loop: no thread of its own, no polling while nothing happens.
//
// The protocol of use is UCX's: call progress until it has nothing to do, arm the event descriptor,
// and only if arming succeeded wait for the descriptor; arming fails as "busy" when something came
// in between.  KJ watches descriptors edge-triggered, which is safe here because arming and
// starting to wait happen in one turn of the loop.
//
// While operations are in flight the worker looks kSpins times more before it arms: waking a
// sleeping process costs some 5 us each way, an empty look 30 ns.  Work is done in batches of
// kBatch looks, with the rest of the loop served in between; for descriptors to be served too, the
// loop's WaitScope needs a setBusyPollInterval (kBusyPollInterval is a good one).
//
// Threading: one event loop.  Lifetime: context, port and listener must outlive the worker; every
//   endpoint must be closed before it goes.

#include "core/base/error.h"
#include "transport/ucx/context.h"

#include <kj/async-unix.h>
#include <kj/async.h>

#include <cstdint>
#include <memory>

namespace alnilam::ucx {

constexpr kj::uint kBusyPollInterval = 16;

class Worker final : private kj::TaskSet::ErrorHandler {
 public:
  class Listener {
   public:
    // Called outside of any UCX callback whenever UCX has made progress, and before every wait;
    // here operations may be posted, and endpoints made and closed.  True: there is more to do,
    // so call again soon and do not wait.
    virtual bool progressed() = 0;

    // Whether an answer is awaited, so that looking again at once may pay.
    virtual bool active() const = 0;
  };

  static Result<kj::Own<Worker>> create(const Context& context, kj::UnixEventPort& port);
  Worker(ucp_worker_h worker, kj::UnixEventPort& port, int descriptor);  // use `create`

  // Runs the worker from now on; once.
  void run(Listener& listener);

  // What it has done so far.  Looks that find no event while UCX will not be armed either mean that
  // it waits for a peer; see Exchange::suspect.
  struct Count {
    std::uint64_t looks = 0, events = 0, arms = 0;
  };
  Count count() const { return count_; }

  // Something was posted from outside of `progressed`: look after it in this turn of the loop.
  void wake();

  // One look; only for whoever takes things down with no event loop turning.
  void lookOnce() { ucp_worker_progress(worker_.get()); }

  // What a peer needs to reach this worker, for this life of the process.
  kj::Array<kj::byte> address() const;

  kj::UnixEventPort& port() const { return port_; }
  ucp_worker_h get() const { return worker_.get(); }

 private:
  static constexpr int kBatch = 32;
  static constexpr int kSpins = 500;

  kj::Promise<void> loop();
  bool settle();  // true: armed, nothing to do
  void taskFailed(kj::Exception&& e) override;

  struct Destroy {
    void operator()(ucp_worker_h worker) const { ucp_worker_destroy(worker); }
  };
  std::unique_ptr<ucp_worker, Destroy> worker_;  // first: it closes what the observer watches
  kj::UnixEventPort& port_;
  kj::UnixEventPort::FdObserver readable_;
  Listener* listener_ = nullptr;
  Count count_;
  kj::Own<kj::PromiseFulfiller<void>> woken_;
  kj::TaskSet tasks_;
};

}  // namespace alnilam::ucx
