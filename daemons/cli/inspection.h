#pragma once
// A connection to the head for the length of a command, and what every such command answers when
// there is none.

#include "daemons/cli/inspect.h"
#include "daemons/program/dialer.h"
#include "schema/client.capnp.h"
#include "transport/rpc/client_codec.h"

#include <kj/async-io.h>

#include <functional>
#include <vector>

namespace alnilam::cli {

class Inspection {
 public:
  explicit Inspection(const HeadOptions& options) : io_(kj::setupAsyncIo()), options_(options) {}

  // Connects, runs `ask` with what may be asked; the command's exit code.
  int run(const std::function<int(schema::Inspector::Client&, kj::WaitScope&)>& ask);

 private:
  kj::AsyncIoContext io_;
  const HeadOptions& options_;
};

// All that the head knows, by id.  Refuses what breaks a bound.
Result<std::vector<rpc::NodeRow>> nodesOf(schema::Inspector::Client& inspector,
                                          kj::WaitScope& scope);

double inSeconds(Duration duration);

// "alive", "aside" (it gets no tasks for now), "lost"
const char* stateOf(const head::NodeView& view);

}  // namespace alnilam::cli
