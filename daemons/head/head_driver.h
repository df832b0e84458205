#pragma once
// Runs the head brain on a KJ event loop: inputs in, outputs to whom they concern, no decisions.
//
// Inputs are stepped as they come; placement runs once the loop has nothing else to do (evalLast),
// so that what arrived together is decided together.  Peers are the servers of connections: a
// JobPeer for each open job, a NodePeer for each joined node.
//
// Threading: one event loop.  Lifetime: a peer must `close` or `leave` before it goes; the timer
//   outlives the driver.  Errors: refusals are returned; the brain has no others.

#include "core/head/head_brain.h"
#include "transport/rpc/alarm.h"
#include "transport/rpc/common_codec.h"

#include <kj/async.h>
#include <kj/timer.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace alnilam {

class HeadDriver final : private kj::TaskSet::ErrorHandler {
 public:
  using Values = std::vector<std::pair<ObjectId, Value>>;

  class JobPeer {
   public:
    virtual void told(Values values) = 0;
  };
  class NodePeer {
   public:
    virtual void told(NodeOrders orders) = 0;
    // The brain has given this life of the node up; the peer is forgotten already.
    virtual void fenced(const std::string& why) = 0;
  };

  HeadDriver(kj::Timer& timer, head::HeadBrain::Config config);

  Result<JobId> open(JobPeer& peer, head::JobOpened opened);
  void close(JobId job);

  // `address.node` is set by the answer.  A second node of a member's name is refused (invalid);
  // one at the same place of the same host is the member itself, in a later life.
  Result<NodeId> join(NodePeer& peer, head::NodeJoined joined, rpc::NodeAddress address);
  // A member is reached in another way from now on.
  void moved(const rpc::NodeAddress& address);
  void leave(NodeId node, Incarnation incarnation, const std::string& why);

  // Anything but opening, closing, joining and leaving.
  void feed(head::Input input);

  const head::HeadBrain& brain() const { return brain_; }

  // How to reach a node, and the number of the change that said so; null if it is not alive.
  struct Known {
    rpc::NodeAddress address;
    std::uint64_t change = 0;
  };
  const Known* find(NodeId node) const;
  std::vector<rpc::NodeAddress> directory() const;

 private:
  struct Member {
    NodePeer* peer;
    Incarnation incarnation;
    Known known;
  };

  void step(head::Input input);
  void decideSoon();
  void decide();
  void route(head::Output output);
  void forget(NodeId node, const std::string& why);
  void taskFailed(kj::Exception&& e) override;

  kj::Timer& timer_;
  head::HeadBrain brain_;
  std::vector<head::Output> outputs_;
  bool deciding_ = false;  // decide is due

  std::uint64_t sessions_ = 0, changes_ = 0;
  Result<JobId> opened_ = Refusal{RefusalCode::unavailable, ""};    // answer of the open at hand
  Result<NodeId> joined_ = Refusal{RefusalCode::unavailable, ""};  // answer of the join at hand
  std::map<JobId, JobPeer*> jobs_;
  std::map<NodeId, Member> members_;

  rpc::Alarm alarm_;
  kj::TaskSet tasks_;  // last: the tasks use the members above
};

}  // namespace alnilam
