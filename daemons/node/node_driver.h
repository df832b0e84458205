#pragma once
// Runs the node brain on a KJ event loop: inputs in, outputs to the hands, no decisions.
//
// Inputs are stepped as they come; the brain settles once the loop has nothing else to do
// (evalLast), so that reports which arrived together leave as one batch of orders.
//
// Threading: one event loop.  Lifetime: timer and hands outlive the driver.

#include "core/node/node_brain.h"
#include "transport/rpc/alarm.h"

#include <kj/async.h>
#include <kj/timer.h>

#include <vector>

namespace alnilam {

class NodeDriver final : private kj::TaskSet::ErrorHandler {
 public:
  // What carries out an output.  Called in order, never from inside `feed`.
  class Hands {
   public:
    virtual void perform(node::Output output) = 0;
  };

  NodeDriver(kj::Timer& timer, node::NodeBrain::Config config, Hands& hands);

  void feed(node::Input input);
  const node::NodeBrain& brain() const { return brain_; }

 private:
  void settle();
  void taskFailed(kj::Exception&& e) override;

  kj::Timer& timer_;
  Hands& hands_;
  node::NodeBrain brain_;
  bool settling_ = false;  // settle is due
  rpc::Alarm alarm_;
  kj::TaskSet tasks_;  // last: the tasks use the members above
};

}  // namespace alnilam
