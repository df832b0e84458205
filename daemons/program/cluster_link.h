#pragma once
// The cluster wiring of a program: its session, carried to a head by an event loop of its own.
//
// One thread runs the loop.  It takes what the session has gathered whenever it is woken, and keeps
// a few calls in flight, so that a program which submits faster than the head takes makes larger
// batches.  What the head tells goes back into the session.  Large objects are read from and
// written to nodes' stores (stores.h).
//
// A head that is lost ends the job: every wait and every later call says so.
//
// Threading: connect and destroy in one thread; the backend from any.
// Lifetime: the destructor sends what is left to send (releases), closes the job and joins.
// Errors: connect refuses: nobody listens, a wrong secret, another version; in one sentence.

#include "core/api/backend.h"
#include "core/graph/job.h"

#include <memory>
#include <string>
#include <vector>

namespace alnilam {

class ClusterLink {
 public:
  struct Options {
    std::string head;                    // "host:port"
    std::string secretFile;              // empty: where the head of this user keeps it
    std::string program;                 // path of this program
    std::string name;                    // for people
    std::vector<std::string> arguments;  // argv[1..], for its executors
    JobShare share{};
  };
  // shared_ptr: owned by a Cluster's copies and its Refs.
  static Result<std::shared_ptr<ClusterLink>> connect(Options options);
  ~ClusterLink();

  Backend& backend();

 private:
  struct State;
  explicit ClusterLink(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace alnilam
