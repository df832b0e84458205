#include "transport/rpc/piggyback.h"

namespace alnilam::rpc {

kj::Promise<void> Piggyback::answerLater() {
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiting_.add(kj::mv(paf.fulfiller));
  if (waiting_.size() == 1) {
    patience_ = timer_.afterDelay(kPatience).then([this]() { goesOut(); }).eagerlyEvaluate(nullptr);
  }
  if (waiting_.size() >= kMost) goesOut();
  return kj::mv(paf.promise);
}

void Piggyback::goesOut() {
  // The timer is left to ring for nothing: this may be its own continuation.
  auto waiting = kj::mv(waiting_);
  waiting_ = kj::Vector<kj::Own<kj::PromiseFulfiller<void>>>();
  for (auto& answer : waiting) answer->fulfill();
  spent_.clear();
}

}  // namespace alnilam::rpc
