#include "core/api/errors.h"

namespace alnilam {

namespace {

// "blur failed on node n1 (task 3.17, attempt 2): std::runtime_error: no such file (reached through
// merge, report)"
std::string describe(const Failure& failure) {
  std::string text = failure.function.empty() ? "a task" : failure.function;
  switch (failure.kind) {
    case FailureKind::exception: text += " failed"; break;
    case FailureKind::crashed: text += " crashed"; break;
    case FailureKind::exited: text += " ended its process"; break;
    case FailureKind::nodeLost: text += " lost its node"; break;
    case FailureKind::infeasible: text += " can run nowhere"; break;
    case FailureKind::cancelled: text += " was cancelled"; break;
    case FailureKind::objectLost: text += " lost an input"; break;
    case FailureKind::unknownFunction: text += " is not known to the program on the node"; break;
    case FailureKind::badArguments: text += " got arguments that it cannot read"; break;
    case FailureKind::storeFull: text += " had no room for its result"; break;
    case FailureKind::executorFailed: text += " could not be started"; break;
    case FailureKind::outOfDeviceMemory: text += " ran out of GPU memory"; break;
    case FailureKind::device: text += " failed on its GPU"; break;
    case FailureKind::deadlinePassed: text += " did not start in time"; break;
  }
  if (!failure.node.empty()) text += " on node " + failure.node;
  if (failure.task) {
    text += " (task " + show(failure.task);
    if (failure.attempt) text += ", attempt " + std::to_string(failure.attempt.value);
    text += ")";
  }
  if (!failure.type.empty()) text += ": " + failure.type;
  if (!failure.message.empty()) text += ": " + failure.message;
  for (std::size_t i = 0; i < failure.chain.size(); ++i) {
    text += (i == 0 ? " (reached through " : ", ") + failure.chain[i];
  }
  if (!failure.chain.empty()) text += ")";
  return text;
}

}  // namespace

TaskError::TaskError(FailurePtr failure)
    : Error(describe(*failure)), failure_(std::move(failure)) {}

void throwFailure(FailurePtr failure) {
  switch (failure->kind) {
    case FailureKind::infeasible: throw InfeasibleError(std::move(failure));
    case FailureKind::cancelled: throw CancelledError(std::move(failure));
    case FailureKind::objectLost: throw ObjectLostError(std::move(failure));
    case FailureKind::deadlinePassed: throw DeadlineError(std::move(failure));
    default: throw TaskError(std::move(failure));
  }
}

void throwRefusal(const Refusal& refusal) {
  switch (refusal.code) {
    case RefusalCode::infeasible: {
      auto failure = std::make_shared<Failure>();
      failure->kind = FailureKind::infeasible;
      failure->message = refusal.why;
      throw InfeasibleError(std::move(failure));
    }
    case RefusalCode::overloaded: throw OverloadedError(refusal.why);
    case RefusalCode::staleIncarnation:
    case RefusalCode::notAllowed:
    case RefusalCode::unavailable: throw ConnectionError(refusal.why);
    case RefusalCode::invalid:
    case RefusalCode::unknown: break;
  }
  throw InvalidError(refusal.why);
}

}  // namespace alnilam
