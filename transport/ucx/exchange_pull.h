#pragma once
// One pull under way: what is done, what is asked for, and whom it is asked of.  Exchange's own.

#include "transport/ucx/exchange.h"

#include <string>
#include <vector>

namespace alnilam::ucx {

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

}  // namespace alnilam::ucx
